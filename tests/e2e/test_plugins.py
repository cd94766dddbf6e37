"""A plugin from outside, installed by pip: it works, and one that is rotten harms nobody."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from documents import REPOSITORY, blocks
from program import Cli, call_main, start_executable
from projects import EXECUTABLE, Project, environment

EXAMPLE = REPOSITORY / "tests" / "example_plugin"
GUIDE = REPOSITORY / "docs" / "how-to" / "write-a-plugin.md"
# What would hang for ever if a test is to fail: nobody opens the gate.
PATIENCE = 300

ROTTEN = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "topoqa-rotten"
version = "0.1.0"
description = "Nothing in it is any good."

[project.entry-points."topoqa_train.commands"]
slow = "topoqa_rotten.slow:app"
missing = "topoqa_rotten.missing:command"
leaving = "topoqa_rotten.leaving:command"
odd = "topoqa_rotten.odd:command"
leaderboard = "topoqa_rotten.slow:app"
contacts = "topoqa_rotten.slow:app"

[project.entry-points."topoqa_train.models"]
proteingat = "topoqa_rotten.slow:build"
broken-net = "topoqa_rotten.missing:build"

[project.entry-points."topoqa_train.datasets"]
clouds = "topoqa_rotten.slow:prepare"
broken-set = "topoqa_rotten.leaving:prepare"

[project.entry-points."topoqa_train.launchers"]
children = "topoqa_rotten.slow:launcher"
"""
MODULES = {
    "__init__": "",
    # Waits until the test writes into the gate.
    "slow": """
import os
import typer

with open(os.environ["GATE"]) as gate:
    gate.read()
app = typer.Typer(help="Takes ages to import.")

@app.command()
def first():
    print("at last")

@app.command()
def second(): ...
""",
    "missing": "import no_such_library_as_this",
    "leaving": "raise SystemExit(0)",
    "odd": "def command(x: int | dict[str, int]): ...",
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed the example, and beside it a package that is no good at all."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copytree(EXAMPLE, folder / "example")
    package = folder / "rotten" / "src" / "topoqa_rotten"
    package.mkdir(parents=True)
    (folder / "rotten" / "pyproject.toml").write_text(ROTTEN)
    for name, code in MODULES.items():
        (package / f"{name}.py").write_text(code)
    # No network: what they depend on is here, and so is the backend that builds them.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    done = subprocess.run(
        [*pip, *options, str(folder / "example"), str(folder / "rotten")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@dataclass(frozen=True)
class Place:
    """A project's folder, and the environment in which the plugins are installed."""

    project: Project
    gate: Path
    changes: dict[str, str]

    @property
    def here(self) -> Path:
        return self.project.root


@pytest.fixture
def place(project: Project, target: Path, tmp_path: Path) -> Place:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    path = os.pathsep.join([str(EXECUTABLE.parent), os.environ["PATH"]])
    installed = os.pathsep.join([str(target), *filter(None, [os.environ.get("PYTHONPATH")])])
    shutil.copy(EXAMPLE / "baseline.yaml", project.root)
    cache = str(tmp_path / "cache")
    changes = {"PATH": path, "PYTHONPATH": installed, "GATE": str(gate)}
    return Place(project, gate, {**changes, "TOPOQA_TRAIN_CACHE": cache})


@pytest.fixture
def say(place: Place, target: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """Call the program in the project's folder, in this process; the gate stays shut."""
    monkeypatch.syspath_prepend(str(target))
    yield partial(call_main, cwd=place.here, **place.changes)
    for name in [name for name in sys.modules if name.startswith(("topoqa_rotten", "topoqa_base"))]:
        del sys.modules[name]


@pytest.fixture
def start_in_place(place: Place) -> Cli:
    """Run the real executable in the project's folder, for plugins that children have to load."""
    return partial(start_executable, cwd=place.here, **place.changes)


class TestTheExample:
    def test_its_command_is_listed_among_all_others(self, say: Cli) -> None:
        done = say("--help", COLUMNS="200")
        assert done.status == 0
        assert "Rank decoys by their number of contacts" in done.out
        assert "(topoqa-baselines)" in done.out
        for name in ("pipeline", "leaderboard", "graphs"):
            assert f" {name} " in done.out

    def test_the_lines_of_the_guide_do_what_it_says(self, say: Cli, place: Place) -> None:
        lines = [line for block in blocks(GUIDE, "bash") for line in block.text.splitlines()]
        variables = {line: re.findall(r"^(\w+)=(\w+) ", line) for line in lines}
        words = {line: shlex.split(re.sub(r"^\w+=\w+ ", "", line)) for line in lines}
        assert {each[1] for each in words.values()} >= {"contacts", "run"}
        assert [("TOPOQA_TRAIN_LAUNCHER", "nice")] in variables.values()
        ended = {line: say(*words[line][1:], **dict(variables[line])) for line in lines}
        for line, done in ended.items():
            assert words[line][0] == "topoqa-train"
            assert (line, done.status) == (line, 0), done.err
        documents = [done.out for line, done in ended.items() if line.endswith("--json")]
        assert json.loads(documents[0])["decoys"] == 37
        runs = sorted(place.here.glob("training_runs/baseline_*/run_metadata.json"))
        assert len(runs) == 3
        for run in runs:
            metadata = json.loads(run.read_text())
            assert metadata["status"] == "completed"
            config = (run.parent / "config" / "config.yaml").read_text()
            assert "node-mean" in config
            assert "clouds" in config

    def test_its_own_tests_pass(self, place: Place, tmp_path: Path) -> None:
        tests = shutil.copytree(EXAMPLE / "tests", tmp_path / "its own" / "tests")
        # One of the launcher's suite: it starts the trainings that the default one starts.
        chosen = "not TestNice or test_the_order_of_events"
        quiet = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(tests))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *quiet, "-k", chosen, str(tests)],
            capture_output=True,
            text=True,
            cwd=place.here,
            env=environment(**place.changes),
        )
        assert done.returncode == 0, done.stdout
        passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
        assert passed >= 20

    def test_a_slip_in_its_options_is_told_in_its_own_words(self, say: Cli) -> None:
        line = ("run", "-c", "baseline.yaml", "-o", "model.options.widht=3")
        done = say(*line)
        assert done.status == 2
        assert "node-mean does not know widht" in done.err


@pytest.fixture
def begin(place: Place) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a line and go on; what is left of it at the end is ended."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **changes: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=place.here,
            env=environment(**place.changes, **changes),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_at(gate: Path, process: subprocess.Popen[str]) -> int:
    """Wait until `process` is importing the slow module; a descriptor that keeps it there."""
    while process.poll() is None:
        try:
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody reads yet
                raise
            time.sleep(0.01)
    raise AssertionError(f"it ended before it was slow: {process.communicate()}")


class TestTheRottenOne:
    def test_the_list_of_plugins_says_which_is_what(self, start_in_place: Cli) -> None:
        # The gate is open: how long it would wait for a slow one is a matter of a clock.
        done = start_in_place("plugins", "list", "--json", GATE=os.devnull)
        assert done.status == 0
        found = {
            (each["kind"], each["name"], each["distribution"]): each["state"]
            for each in json.loads(done.out)["plugins"]
        }
        ours = {name: state for name, state in found.items() if name[2] == "topoqa-baselines"}
        kinds = [("command", "contacts"), ("data set", "clouds")]
        kinds += [("network", "node-mean"), ("launcher", "nice")]
        assert ours == {(*name, "topoqa-baselines"): "ok" for name in kinds}
        theirs = {name[1]: state for name, state in found.items() if name[2] == "topoqa-rotten"}
        hidden = ("leaderboard", "contacts", "proteingat", "clouds", "children")
        assert theirs.pop("slow") == "ok"
        assert {theirs.pop(name) for name in hidden} == {"hidden"}
        assert set(theirs.values()) == {"broken"}

    def test_its_commands_are_listed_without_a_look_at_them(self, say: Cli) -> None:
        done = say("--help", COLUMNS="200")
        assert done.status == 0
        for name in ("slow", "missing", "leaving", "odd"):
            (line,) = [line for line in done.out.splitlines() if f" {name} " in line]
            assert "(topoqa-rotten)" in line
        assert done.err.splitlines() == [
            "'leaderboard' of topoqa-train hides that of topoqa-rotten",
            "'contacts' of topoqa-baselines hides that of topoqa-rotten",
        ]

    def test_a_training_doesn_t_touch_what_it_hides(self, start_in_place: Cli) -> None:
        # Its network, data set and launcher have the names that this one asks for.
        line = ("run", "-c", "config.yaml", "--fast-dev-run", "-o", "paths.dataset=clouds")
        done = start_in_place(*line)
        assert done.status == 0, done.err

    def test_a_name_of_ours_stays_ours(self, say: Cli) -> None:
        done = say("leaderboard", "--json")
        assert done.status == 2
        assert "there are no runs" in done.err
        assert "'leaderboard' of topoqa-train hides that of topoqa-rotten" in done.err

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("missing", "No module named 'no_such_library_as_this'"),
            ("leaving", "SystemExit: 0"),
            ("odd", "Union"),
        ],
    )
    def test_whoever_calls_a_broken_one_is_told(self, say: Cli, name: str, said: str) -> None:
        done = say(name, "with", "--some", "words")
        assert (done.status, done.out) == (2, "")
        lines = done.err.splitlines()
        assert lines[0].startswith(f"the plugin '{name}' of topoqa-rotten is broken: ")
        assert said in lines[0]
        assert lines[-1] == "Fix or remove it: pip uninstall topoqa-rotten"

    @pytest.mark.parametrize(
        ("key", "said"),
        [
            ("model.architecture=broken-net", "'broken-net' of topoqa-rotten is broken"),
            ("paths.dataset=broken-set", "'broken-set' of topoqa-rotten is broken"),
        ],
    )
    def test_a_config_that_asks_for_a_broken_one(self, say: Cli, key: str, said: str) -> None:
        done = say("run", "-c", "baseline.yaml", "-o", key)
        assert done.status == 2
        assert said in done.err

    def test_a_slow_one_works_for_whoever_waits(
        self, begin: Callable[..., subprocess.Popen[str]], place: Place
    ) -> None:
        process = begin(str(EXECUTABLE), "slow", "first")
        os.close(wait_at(place.gate, process))
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out, err) == (0, "at last\n", "")

    def test_waiting_for_a_slow_one_can_be_broken_off(
        self, begin: Callable[..., subprocess.Popen[str]], place: Place
    ) -> None:
        process = begin(str(EXECUTABLE), "slow", "first")
        held = wait_at(place.gate, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        os.close(held)
        assert (process.returncode, err) == (130, "interrupted\n")


class TestCompletion:
    @pytest.fixture
    def offered(self, say: Cli) -> Callable[[str], list[str]]:
        def ask(line: str) -> list[str]:
            words = ["topoqa-train", *line.split(" ")]
            done = say(
                _TOPOQA_TRAIN_COMPLETE="complete_bash",
                COMP_WORDS="\n".join(words),
                COMP_CWORD=str(len(words) - 1),
            )
            assert done.err == ""
            return done.out.split()

        return ask

    @pytest.mark.parametrize(
        ("line", "some"),
        [
            ("", {"pipeline", "contacts", "slow", "missing"}),
            ("lea", {"leaderboard", "leaving"}),
            ("leaderboard --", {"--limit", "--json"}),
            ("contacts --", {"--graphs", "--labels"}),
            ("run --config base", {"baseline.yaml"}),
        ],
    )
    def test_of_anything_else_goes_on_as_ever(
        self, offered: Callable[[str], list[str]], line: str, some: set[str]
    ) -> None:
        assert some <= set(offered(line))

    @pytest.mark.parametrize("name", ["missing", "leaving", "odd"])
    def test_of_a_broken_one_offers_its_help_and_says_nothing(
        self, offered: Callable[[str], list[str]], name: str
    ) -> None:
        assert offered(f"{name} --") == ["--help"]
        assert offered(f"{name} ") == []

    def test_below_a_slow_one_waits_for_it(
        self, begin: Callable[..., subprocess.Popen[str]], place: Place
    ) -> None:
        asked = {"COMP_WORDS": "topoqa-train\nslow\n", "COMP_CWORD": "2"}
        process = begin(str(EXECUTABLE), _TOPOQA_TRAIN_COMPLETE="complete_bash", **asked)
        os.close(wait_at(place.gate, process))
        out, _ = process.communicate(timeout=PATIENCE)
        assert out.split() == ["first", "second"]
