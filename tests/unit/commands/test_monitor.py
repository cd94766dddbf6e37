from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train import atomic

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(typed: Call, monkeypatch: pytest.MonkeyPatch, run_files: Any) -> Call:
    """`topoqa-train ...` on the runs that the test writes."""
    monkeypatch.setenv("TOPOQA_TRAIN_RUNS", str(run_files.root))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(run_files.root.parent)
    return typed


@pytest.fixture
def run(run_files: Any) -> Path:
    made = Path(run_files("r"))
    (made.parent / "latest").symlink_to("r")
    return made


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--json",),
        ("--run-id", "r"),
        ("--run-dir", "runs/r"),
        ("--run-dir", "runs/latest"),
        ("--run-root", "runs"),
        ("--output-root", "runs"),
        ("--follow",),
    ],
)
def test_a_pipe_gets_json_of_the_latest_or_the_named_run(
    call: Call, arguments: tuple[str, ...]
) -> None:
    status, out, err = call("monitor", *arguments)
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert (document["run_id"], document["run_dir"]) == ("r", "runs/r")
    assert document["best"]["path"].startswith("runs/r/model_checkpoints/checkpoint.")
    if "--follow" in arguments:  # one line per picture
        assert len(out.splitlines()) == 1


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(("arguments", "rows"), [((), 4), (("--metrics-limit", "2"), 2)])
def test_metrics_limit(call: Call, arguments: tuple[str, ...], rows: int) -> None:
    document = json.loads(call("monitor", *arguments)[1])
    assert [row["epoch"] for row in document["metrics_history"]] == list(range(4 - rows, 4))
    assert document["runtime"]["epochs_done"] == 4


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(("arguments", "is_json"), [((), False), (("--json",), True)])
def test_a_table_on_a_terminal_or_on_request(
    call: Call, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], is_json: bool
) -> None:
    status, out, err = call("monitor", "--table")
    assert (status, err) == (0, "")
    assert out.startswith("r  completed\n")
    assert "\x1b" not in out
    assert out.splitlines()[-1].startswith("Best: runs/r/")
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert call("monitor", *arguments)[0] == 0
    assert terminal.getvalue().startswith("{") == is_json


@pytest.mark.parametrize("command", ["monitor", "summarise"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--run-id", "q"), "no run is called 'q'"),
        (("--run-dir", "runs/q"), "is not a run"),
        (("--run-dir", "runs/r", "--run-id", "r"), "not both"),
        (("--run-root", "nowhere"), "there are no runs"),
    ],
)
def test_an_unknown_run(
    call: Call, run: Path, command: str, arguments: tuple[str, ...], words: str
) -> None:
    status, out, err = call(command, *arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) <= 4


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    "arguments",
    [
        *(("--interval", value) for value in ("0", "-1", "nan", "inf")),
        ("--metrics-limit", "-1"),
    ],
)
def test_a_wrong_number(call: Call, arguments: tuple[str, ...]) -> None:
    status, out, err = call("monitor", "--follow", *arguments)
    assert (status, out) == (2, "")
    assert arguments[0] in err


@pytest.mark.usefixtures("run")
def test_summarise_is_one_json_document(call: Call) -> None:
    status, out, err = call("summarise")
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert (document["run_id"], len(document["metrics_history"])) == ("r", 4)
    assert Path(document["run_dir"]).is_absolute()


def test_metadata_nested_too_deeply_are_an_error(call: Call, run: Path) -> None:
    deep: Any = {}
    for _ in range(400):
        deep = {"a": deep}
    file = run / "run_metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "deep": deep}))
    status, out, err = call("summarise")
    assert (status, out) == (2, "")
    assert "nested too deeply" in err


def test_a_pointer_file_replaces_the_link_to_the_newest_run(
    call: Call, run: Path, no_links: None
) -> None:
    latest = run.parent / "latest"
    latest.unlink()
    atomic.replace_link(latest, run.name)
    assert not latest.is_symlink()
    for arguments in ((), ("--run-dir", "runs/latest")):
        status, out, _ = call("monitor", *arguments)
        assert (status, json.loads(out)["run_id"]) == (0, "r")
