from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from topoqa_train import __version__, cli, menu
from topoqa_train.plugins import discovery
from topoqa_train.plugins.discovery import COMMANDS

Install = Callable[..., Path]
SHIPPED = (discovery.OWN_DISTRIBUTION, "topoqa-graphs", "topoqa-ramdisk")

COMMANDS_OF_TESTS = """
import sys
from typing import Annotated
import typer
from topoqa_train import errors

def fail(kind: str) -> None:
    \"\"\"Raise the error of a kind.\"\"\"
    raise getattr(errors, kind)("it went wrong", details=["a: [bold]1[/bold]"], hint="Fix it.")

def config() -> None:
    raise errors.ConfigError("x.yaml is not a valid config", [errors.Problem("wrong", "a.b", 3)])

def crash() -> None:
    raise LookupError("nobody thought of this")

def system(number: int) -> None:
    raise OSError(number, "so it is", "some/file")

def leave(how: str) -> None:
    sys.exit({"none": None, "three": 3, "words": "words"}[how])

def fine() -> None:
    print("all is well")

def wait() -> None:
    import time
    print("ready", flush=True)
    time.sleep(60)

def much() -> None:
    for number in range(100_000):
        print("line", number)

def do(action: str, value: Annotated[str, typer.Argument()] = "") -> None:
    \"\"\"Do what a test asks for; one command, because each takes time to build.\"\"\"
    actions = {"fail": fail, "system": lambda number: system(int(number)), "leave": leave}
    if action in actions:
        actions[action](value)
    else:
        {"config": config, "crash": crash, "fine": fine, "wait": wait, "much": much}[action]()

def untyped(x: int | dict[str, int]) -> None:
    \"\"\"Typer can't make an option of such a type.\"\"\"

not_a_command = "text"
"""


@dataclass
class Ended:
    status: int
    out: str
    err: str


Call = Callable[..., Ended]


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Call:
    """The command line in this process, without its signal handlers."""
    # Set and deleted, so that monkeypatch undoes what --debug sets.
    monkeypatch.setenv(cli.DEBUG_VARIABLE, "1")
    monkeypatch.delenv(cli.DEBUG_VARIABLE)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def _call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", [cli.PROGRAM, *arguments])
        status = cli._status()
        out, err = capsys.readouterr()
        return Ended(status, out, err)

    return _call


@pytest.fixture
def commands(install_plugin: Install) -> Path:
    modules = {"commands_of_tests": COMMANDS_OF_TESTS}
    return install_plugin("zoo", COMMANDS, {"t": "commands_of_tests:do"}, modules)


class TestErrors:
    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            ("TopoqaTrainError", 1),
            ("RequestError", 2),
            ("TerminatedRunError", 143),
        ],
    )
    @pytest.mark.usefixtures("commands")
    def test_an_error_of_the_package_has_its_status(
        self, call: Call, kind: str, status: int
    ) -> None:
        ended = call("t", "fail", kind)
        assert ended.status == status
        assert ended.err.splitlines() == ["it went wrong:", "  a: [bold]1[/bold]", "Fix it."]
        assert ended.out == ""

    @pytest.mark.usefixtures("commands")
    def test_a_config_with_its_lines(self, call: Call) -> None:
        ended = call("t", "config")
        assert ended.status == 2
        assert ended.err.splitlines() == ["x.yaml is not a valid config:", "  line 3: a.b: wrong"]

    @pytest.mark.parametrize(
        ("owner", "message"),
        [
            (discovery.OWN_DISTRIBUTION, "internal error"),
            ("zoo", "internal error in the plugin zoo"),
        ],
    )
    def test_an_internal_error_names_its_origin_without_a_traceback(
        self, call: Call, install_plugin: Install, owner: str, message: str
    ) -> None:
        modules = {"commands_of_tests": COMMANDS_OF_TESTS}
        install_plugin(owner, COMMANDS, {"t": "commands_of_tests:do"}, modules)
        ended = call("t", "crash")
        assert ended.status == 1
        assert f"{message}: LookupError: nobody thought of this" in ended.err
        assert "--debug" in ended.err
        assert "Traceback" not in ended.err + ended.out

    @pytest.mark.parametrize(
        ("name", "status", "message"),
        [
            ("ENOENT", 2, "some/file: so it is"),
            ("EACCES", 2, "some/file: so it is"),
            ("ENOSPC", 1, "no space left to write some/file"),
            ("EDQUOT", 1, "no space left to write some/file"),
            ("EIO", 1, "some/file: so it is"),
            ("ENOMEM", 1, "some/file: so it is"),
        ],
    )
    @pytest.mark.usefixtures("commands")
    def test_an_error_of_the_system(self, call: Call, name: str, status: int, message: str) -> None:
        import errno

        ended = call("t", "system", str(getattr(errno, name)))
        assert ended.status == status
        assert message in ended.err
        assert "Traceback" not in ended.err
        assert "internal error" not in ended.err

    @pytest.mark.parametrize(("how", "status"), [("none", 0), ("three", 3), ("words", 1)])
    @pytest.mark.usefixtures("commands")
    def test_a_command_that_calls_exit(self, call: Call, how: str, status: int) -> None:
        ended = call("t", "leave", how)
        assert ended.status == status
        assert ended.err == ("words\n" if how == "words" else "")

    @pytest.mark.parametrize(
        "arguments",
        [("--no-such",), ("no-such",), ("leaderboard", "--no-such"), ("leaderboard", "-n", "x")],
        ids=" ".join,
    )
    def test_a_wrong_command_line(self, call: Call, arguments: tuple[str, ...]) -> None:
        ended = call(*arguments)
        assert ended.status == 2
        assert "Traceback" not in ended.err
        assert ended.out == ""
        assert ended.err.strip()


PASSING = """
import typer
from topoqa_train import api

@api.forward_unknown_options
def pass_on(context: typer.Context, mine: bool = False) -> None:
    print(mine, context.args)
"""


def test_a_command_may_forward_unknown_options(call: Call, install_plugin: Install) -> None:
    entries = {"pass-on": "passing:pass_on"}
    install_plugin("passer", COMMANDS, entries, {"passing": PASSING})
    ended = call("pass-on", "-m", "x.yaml", "--mine", "--jobs=2", "-o", "a.b=1")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == "True ['-m', 'x.yaml', '--jobs=2', '-o', 'a.b=1']\n"
    assert call("leaderboard", "--no-such").status == 2


class TestDebug:
    @pytest.mark.parametrize("kind", ["fail", "crash"])
    @pytest.mark.usefixtures("commands")
    def test_it_shows_the_trace_and_the_error(self, call: Call, kind: str) -> None:
        ended = call("--debug", "t", kind, *(["RequestError"] if kind == "fail" else []))
        assert ended.status == (2 if kind == "fail" else 1)
        assert "Traceback (most recent call last)" in ended.err
        assert "commands_of_tests.py" in ended.err
        assert ("it went wrong" if kind == "fail" else "nobody thought of this") in ended.err

    @pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
    @pytest.mark.usefixtures("commands")
    def test_the_environment_can_ask_for_it(
        self, call: Call, monkeypatch: pytest.MonkeyPatch, value: str, shown: bool
    ) -> None:
        monkeypatch.setenv(cli.DEBUG_VARIABLE, value)
        assert ("Traceback" in call("t", "crash").err) is shown

    @pytest.mark.usefixtures("commands")
    def test_debug_after_the_command_is_explained(self, call: Call) -> None:
        ended = call("t", "fine", "--debug")
        assert ended.status == 2
        assert ended.err.endswith("put --debug before the command: topoqa-train --debug t ...\n")
        assert "put --debug" not in call("t", "fine", "--other").err
        assert "put --debug" not in call("--debug", "t", "fine", "--other").err

    @pytest.mark.usefixtures("commands")
    def test_success_has_no_trace(self, call: Call) -> None:
        ended = call("--debug", "t", "fine")
        assert (ended.status, ended.out, ended.err) == (0, "all is well\n", "")


class TestHelp:
    @pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("help",), ("--debug", "help")])
    def test_it_lists_the_commands(self, call: Call, arguments: tuple[str, ...]) -> None:
        ended = call(*arguments)
        assert (ended.status, ended.err) == (0, "")
        for name in ("run", "pipeline", "leaderboard"):
            assert name in ended.out

    def test_of_a_command(self, call: Call) -> None:
        assert call("help", "leaderboard") == call("leaderboard", "--help")
        assert call("help", "leaderbord").status == 2

    def test_every_command_of_ours_has_its_panel_and_a_line_of_its_own(self, call: Call) -> None:
        found = discovery.discover(COMMANDS)
        ours = {name for name, each in found.items() if each.distribution in SHIPPED}
        assert ours <= {name for names in menu.PANELS.values() for name in names}
        lines = [found[name].line for name in ours]
        assert len(set(lines)) == len(lines)
        # On a terminal of 80 columns, two lines at the most.
        assert all(8 <= len(line) <= 2 * 62 for line in lines)

    def test_the_pipeline_comes_first(self, call: Call) -> None:
        out = call("--help").out
        order = [out.index(f" {name} ") for name in ("pipeline", "leaderboard", "graphs")]
        assert order == sorted(order)

    def test_no_python_types_are_shown(self, call: Call) -> None:
        for arguments in ((), ("leaderboard",), ("graphs", "build"), ("runs", "clean"), ("init",)):
            assert not re.search(r"<(bool|path|list)", call(*arguments, "--help").out)

    def test_no_arguments_show_the_help(self, call: Call) -> None:
        ended = call()
        assert "Usage" in ended.out + ended.err

    def test_the_version(self, call: Call) -> None:
        ended = call("--version")
        assert (ended.status, ended.out) == (0, f"topoqa-train {__version__}\n")
        assert ended.err == ""

    @pytest.mark.parametrize("name", ["run", "pipeline", "leaderboard"])
    def test_every_command_explains_itself(self, call: Call, name: str) -> None:
        ended = call(name, "--help")
        assert ended.status == 0
        assert "Example: topoqa-train" in ended.out


def test_messages_name_only_commands_that_there_are() -> None:
    repository = Path(__file__).parents[2]
    projects = [repository, *(path.parent for path in repository.glob("plugins/*/pyproject.toml"))]
    known: set[str] = set()
    for project in projects:
        about = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
        known |= set(about["entry-points"].get(COMMANDS, {}))
    assert {"run", "pipeline", "leaderboard", "graphs"} <= known
    unknown = [
        f"{path.relative_to(repository)}: topoqa-train {name}"
        for project in projects
        for path in sorted((project / "src").rglob("*.py"))
        # The title of a schema is no command line.
        for name in re.findall(
            r'(?<!"title": ")topoqa-train ([a-z][a-z-]*)', path.read_text("utf-8")
        )
        if name not in known
    ]
    assert unknown == []


def test_the_name_nearest_to_an_unknown_command_is_suggested(call: Call) -> None:
    ended = call("leaderbord", "--limit", "3")
    assert ended.status == 2
    assert ended.err.splitlines() == [
        "unknown command 'leaderbord'; did you mean 'leaderboard'?",
        "All commands: topoqa-train --help",
    ]
    assert call("xyzzy").err.splitlines()[0] == "unknown command 'xyzzy'"


LEAVES_A_MARK = """
from pathlib import Path
(Path(__file__).parent / "imported").touch()
def lazy() -> None:
    \"\"\"Sleeps by day.\"\"\"
    print("awake")
"""


class TestCommandsAreImportedWhenUsed:
    @pytest.fixture
    def mark(self, install_plugin: Install) -> Path:
        entries = {"lazy": "lazy_of_tests:lazy"}
        folder = install_plugin("zoo", COMMANDS, entries, {"lazy_of_tests": LEAVES_A_MARK})
        return folder / "imported"

    @pytest.mark.parametrize(
        "arguments",
        [("--help",), ("--version",), ("leaderboard",), ("leaderboard", "--help"), ("no-such",)],
        ids=" ".join,
    )
    def test_other_commands_do_not_import_it(
        self, call: Call, mark: Path, arguments: tuple[str, ...]
    ) -> None:
        call(*arguments)
        assert not mark.exists()

    @pytest.mark.parametrize("arguments", [("lazy",), ("lazy", "--help"), ("help", "lazy")])
    def test_its_use_imports_it(self, call: Call, mark: Path, arguments: tuple[str, ...]) -> None:
        assert call(*arguments).status == 0
        assert mark.exists()

    def test_its_line_of_help_is_listed_without_an_import(self, call: Call, mark: Path) -> None:
        (line,) = [line for line in call("--help").out.splitlines() if " lazy " in line]
        assert "Sleeps by day. (zoo)" in line


class TestBrokenPlugins:
    @pytest.fixture(autouse=True)
    def broken(self, install_plugin: Install) -> None:
        entries = {
            "b-import": "broken_of_tests:f",
            "b-exit": "exit_of_tests:f",
            "b-text": "commands_of_tests:not_a_command",
            "b-untyped": "commands_of_tests:untyped",
            "b-form": "commands_of_tests:a:b",
            "b-fine": "commands_of_tests:fine",
        }
        modules = {
            "broken_of_tests": "import no_such_library",
            "exit_of_tests": "raise SystemExit(0)",
            "commands_of_tests": COMMANDS_OF_TESTS,
        }
        install_plugin("zoo-parts", COMMANDS, entries, modules)

    def test_other_commands_work(self, call: Call) -> None:
        assert call("b-fine").out == "all is well\n"
        helped = call("--help")
        assert (helped.status, helped.err) == (0, "")
        for name in (
            "leaderboard",
            "b-import",
            "b-exit",
            "b-text",
            "b-untyped",
            "b-form",
            "b-fine",
        ):
            assert name in helped.out

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("b-import", "ModuleNotFoundError: No module named 'no_such_library'"),
            ("b-exit", "SystemExit: 0"),
            ("b-text", "str can't be called"),
            ("b-untyped", "Union"),
            ("b-form", "module:object"),
        ],
    )
    @pytest.mark.parametrize("arguments", [(), ("sub", "--option", "value"), ("--help",)], ids=len)
    def test_a_call_reports_the_error(
        self, call: Call, name: str, message: str, arguments: tuple[str, ...]
    ) -> None:
        ended = call(name, *arguments)
        assert ended.status == 2
        first, where, repair_hint = ended.err.splitlines()
        assert first.startswith(f"the plugin '{name}' of zoo-parts is broken: ")
        assert message in first
        assert "topoqa_train.commands: " in where
        assert repair_hint == "Fix or remove it: pip uninstall zoo-parts"
        assert ended.out == ""

    def test_debug_shows_the_trace(self, call: Call) -> None:
        ended = call("--debug", "b-import")
        assert ended.status == 2
        assert "broken_of_tests.py" in ended.err

    def test_a_list_of_entry_points_that_can_t_be_read(
        self, call: Call, install_plugin: Install
    ) -> None:
        folder = install_plugin("garbage", COMMANDS, {"g": "garbage_of_tests:g"})
        (listing,) = folder.glob("*.dist-info/entry_points.txt")
        listing.write_text(f"[{COMMANDS}]\nnot an entry\n")
        assert call("b-fine").out == "all is well\n"
        helped = call("--help")
        assert "b-fine" in helped.out
        assert helped.err.startswith("garbage: its entry points are unreadable: ")


class TestShadowedPlugins:
    @pytest.fixture(autouse=True)
    def shadowed(self, install_plugin: Install) -> None:
        modules = {"commands_of_tests": COMMANDS_OF_TESTS}
        entries = {"r-same": "commands_of_tests:fine", "leaderboard": "commands_of_tests:crash"}
        install_plugin("ape", COMMANDS, entries, modules)
        install_plugin("zoo", COMMANDS, {"r-same": "commands_of_tests:crash"})

    def test_the_first_runs_and_the_hidden_one_is_reported(self, call: Call) -> None:
        ended = call("r-same")
        assert (ended.status, ended.out) == (0, "all is well\n")
        assert ended.err == "'r-same' of ape hides that of zoo\n"

    def test_the_help_reports_both(self, call: Call) -> None:
        assert call("--help").err.splitlines() == [
            "'leaderboard' of topoqa-train hides that of ape",
            "'r-same' of ape hides that of zoo",
        ]

    @pytest.mark.parametrize("arguments", [("run", "--help"), ("--version",), ("run",)], ids=len)
    def test_other_commands_do_not_report_them(
        self, call: Call, arguments: tuple[str, ...]
    ) -> None:
        assert "hides" not in call(*arguments).err


class TestWithAProcess:
    @pytest.fixture
    def start(self, commands: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
        def _start(*arguments: str) -> subprocess.Popen[str]:
            folders = [str(commands), *filter(None, [os.environ.get("PYTHONPATH")])]
            return subprocess.Popen(
                [sys.executable, "-m", "topoqa_train", *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(folders), "PYTHONUNBUFFERED": ""},
            )

        return _start

    @pytest.mark.parametrize(
        ("number", "status", "message"),
        [
            (signal.SIGINT, 130, "interrupted"),
            (signal.SIGTERM, 143, "terminated"),
            (signal.SIGHUP, 143, "terminated"),
        ],
    )
    def test_a_signal(
        self,
        start: Callable[..., subprocess.Popen[str]],
        number: signal.Signals,
        status: int,
        message: str,
    ) -> None:
        with start("t", "wait") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            _, err = process.communicate(timeout=30)
        assert process.returncode == status
        assert err == f"{message}\n"

    @pytest.mark.parametrize("action", ["much", "fine"])
    def test_a_closed_pipe_is_no_error(
        self, start: Callable[..., subprocess.Popen[str]], action: str
    ) -> None:
        with start("t", action) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            err = process.stderr.read()
            process.wait(timeout=30)
        assert err == ""
        assert process.returncode == 0
