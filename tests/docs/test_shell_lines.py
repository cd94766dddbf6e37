"""Every `topoqa-train` line in the documents is one that the real command line takes."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from documents import (
    REPOSITORY,
    blocks,
    documents,
    own_arguments,
    shell_lines,
    simple_commands,
)

from topoqa_train.cli import build_menu
from topoqa_train.config.load import load_config
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.overrides import Override, parse_override
from topoqa_train.config.recipes import default_manifest, shipped_names
from topoqa_train.menu import Entry
from topoqa_train.plugins import typer_command
from topoqa_train.runs.metrics_file import LEADING_COLUMNS
from topoqa_train.training.metrics import evaluate

FIRST = (
    "python3 -m venv .venv && . .venv/bin/activate && "
    "pip install -r requirements.txt && topoqa-train pipeline"
)
SECOND = "pip install nox && nox -s tests"
Parse = Callable[[list[str]], tuple[str, dict[str, Any]]]

LINES = [
    pytest.param(arguments, id=f"{file.relative_to(REPOSITORY)}: {shlex.join(arguments)[:60]}")
    for file in documents()
    for arguments in own_arguments(file)
]


@pytest.fixture(scope="module")
def parse() -> Parse:
    """Take arguments as the real command line does, without doing anything."""
    root: Any = build_menu()

    def parsed(arguments: list[str]) -> tuple[str, dict[str, Any]]:
        command, names, rest = root, [], list(arguments)
        while hasattr(command, "commands"):
            if rest in (["--help"], ["--version"]):
                return " ".join(names), {}
            assert rest, f"{' '.join(names)} needs a command"
            assert rest[0] in command.commands, f"there is no command {' '.join([*names, rest[0]])}"
            names.append(rest.pop(0))
            command = command.commands[names[-1]]
            command = typer_command.build(command.plugin) if isinstance(command, Entry) else command
        if rest == ["--help"]:
            return " ".join(names), {}
        return " ".join(names), command.make_context(names[-1], rest).params

    return parsed


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine has set must not stand in for an option that a line lacks."""
    for name in ("PIPELINE_MANIFEST", "RESUME_FROM", "GRAPH_DIR", "NUM_WORKERS_OVERRIDE"):
        monkeypatch.delenv(name, raising=False)


def test_the_readme_begins_with_the_two_lines() -> None:
    assert shell_lines(REPOSITORY / "README.md")[:2] == [FIRST, SECOND]


def test_ci_runs_the_second_line() -> None:
    assert SECOND in (REPOSITORY / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("file", ["README.md", "docs/tutorial.md", "docs/how-to/own-decoys.md"])
def test_the_pages_to_type_from_have_lines(file: str) -> None:
    assert len(own_arguments(REPOSITORY / file)) >= 3


@pytest.mark.parametrize("arguments", LINES)
def test_a_line_is_taken_by_the_command_line(arguments: list[str], parse: Parse) -> None:
    parse(arguments)


@pytest.mark.parametrize("arguments", LINES)
def test_the_keys_that_a_line_sets_exist(arguments: list[str], parse: Parse) -> None:
    name, params = parse(arguments)
    overrides = [parse_override(text, base=REPOSITORY) for text in params.get("override") or ()]
    if name in ("run", "config show", "data stats") and params["config"]:
        config = str(params["config"])
        shipped = config in shipped_names("configs")
        load_config(Path(config if shipped else "sched_boost_seed222"), overrides)
    elif name in ("resume", "run"):
        load_config(Path("sched_boost_seed222"), overrides)
    elif name in ("pipeline", "batch", "fine-tune"):
        named = params["manifest"]
        # A page's own manifest is not there; its keys are those of the shipped one.
        known = named is not None and Path(named).stem in shipped_names("manifests")
        load_manifest(Path(named.stem) if known else default_manifest(REPOSITORY), overrides)
    else:
        assert not overrides


@pytest.mark.parametrize("arguments", LINES)
def test_the_metrics_that_a_line_names_exist(arguments: list[str], parse: Parse) -> None:
    name, params = parse(arguments)
    if name == "leaderboard" and params.get("metric"):
        columns = {*LEADING_COLUMNS, *evaluate([0.1, 0.9], [0.2, 0.8], ["a", "a"]).values}
        assert params["metric"] in columns


@pytest.mark.parametrize(
    "block",
    [pytest.param(b, id=b.place) for file in documents() for b in blocks(file, "yaml")],
)
def test_a_config_that_a_page_shows_is_valid(block: Any, tmp_path: Path) -> None:
    """Its first line names the file: `# mine/config.yaml`."""
    first = block.text.splitlines()[0]
    assert first.startswith("# "), f"{block.place}: the first line should name the file"
    file = tmp_path / first.removeprefix("# ").split()[0]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(block.text)
    if "jobs:" in block.text:
        load_manifest(file)
    else:
        load_config(file)


class TestTheChecksThemselves:
    """On lines that are wrong: a check that can't fail proves nothing."""

    @pytest.mark.parametrize(
        "line",
        [
            "topoqa-train dance",
            "topoqa-train run --no-such-option x",
            "topoqa-train init",
            "topoqa-train leaderboard --limit none",
            "topoqa-train graphs",
            "FOO=1 topoqa-train dance && true",
            "true | python -m topoqa_train dance",
        ],
    )
    def test_a_wrong_line_is_found(self, line: str, parse: Parse, tmp_path: Path) -> None:
        file = tmp_path / "page.md"
        file.write_text(f"# A page\n\n```shell\n{line}\n```\n")
        (arguments,) = own_arguments(file)
        with pytest.raises((AssertionError, typer.TyperException)):
            parse(arguments)

    def test_a_wrong_key_is_found(self) -> None:
        wrong = Override.given("trainer.epochs", 1, REPOSITORY)
        with pytest.raises(Exception, match=r"trainer\.epochs"):
            load_config(Path("sched_boost_seed222"), [wrong])

    def test_lines_are_read_as_a_shell_reads_them(self, tmp_path: Path) -> None:
        file = tmp_path / "page.md"
        file.write_text(
            "```shell\n# a comment\na \\\n  b > c\n```\n\n```text\nnot this\n```\n"
            "```shell\nX=1 d -F, 'e && f' | g  # why\n```\n"
        )
        commands = [list(simple_commands(line)) for line in shell_lines(file)]
        assert commands == [[["a", "b"], ["c"]], [["d", "-F,", "e && f"], ["g"]]]
