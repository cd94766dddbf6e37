"""The starter of pipelines, with a stand-in for `topoqa-train pipeline`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from topoqa_ramdisk import pipelines
from topoqa_ramdisk.pipelines import PipelineFailedError, Pipelines, Plan
from topoqa_ramdisk.stopping import Stop, caught
from topoqa_train.errors import InterruptedRunError, MachineError, RequestError, TerminatedRunError

DOCUMENT = {
    "manifest": "/m.yaml",
    "output_root": "/runs",
    "skip_sweep": True,
    "skip_fine": False,
    "resume": False,
    "resume_from": "/a.ckpt",
    "at_once": 1,
    "jobs": [
        {"graph": "/g", "epochs": 2},
        {"graph": "/h", "epochs": 3},
        {"graph": "/g", "epochs": 1},
    ],
}


class Recorder:
    def __init__(self) -> None:
        self.children: list[int] = []

    def child(self, pid: int) -> None:
        self.children.append(pid)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have `code` run in place of the pipeline; its arguments are in sys.argv."""

    def use(code: str, stop: Stop | None = None) -> Pipelines:
        monkeypatch.setattr(pipelines, "_COMMAND", (sys.executable, "-c", code))
        return Pipelines(Recorder(), stop or Stop())  # type: ignore[arg-type]

    return use


def test_the_plan_is_read_from_the_pipeline(stand_in: Any, tmp_path: Path) -> None:
    out = tmp_path / "arguments"
    code = (
        f"import sys, pathlib; pathlib.Path({str(out)!r}).write_text(repr(sys.argv[1:]));"
        f"print({json.dumps(DOCUMENT)!r})"
    )
    runner = stand_in(code)
    assert runner.plan(["-m", "x"]) == Plan(
        "/m.yaml", Path("/runs"), ("/g", "/h"), 3, 6, True, False, False, "/a.ckpt"
    )
    assert out.read_text() == "['-m', 'x', '--dry-run', '--json']"
    assert len(runner.guardian.children) == 1


def test_a_pipeline_that_trains_nothing_is_not_measured(stand_in: Any) -> None:
    with pytest.raises(RequestError, match="trains nothing"):
        stand_in(f"print({json.dumps({**DOCUMENT, 'jobs': []})!r})").plan([])


@pytest.mark.parametrize("status", [1, 2, 130, 143])
def test_its_status_is_passed_on(stand_in: Any, status: int) -> None:
    with pytest.raises(PipelineFailedError) as caught_error:
        stand_in(f"raise SystemExit({status})").run([])
    assert caught_error.value.status == status
    with pytest.raises(PipelineFailedError):
        stand_in(f"raise SystemExit({status})").plan([])


def test_one_that_was_killed_is_a_machine_error(stand_in: Any) -> None:
    with pytest.raises(MachineError, match=r"killed \(signal 9\)"):
        stand_in("import os; os.kill(os.getpid(), 9)").run([])


def test_one_ended_by_our_signal_counts_as_stopped(stand_in: Any) -> None:
    # It was so early that it had no handler of its own yet.
    with caught() as stop:
        code = "import os, time; os.kill(os.getppid(), 15); time.sleep(60)"
        with pytest.raises(TerminatedRunError):
            stand_in(code, stop).run([])


def test_none_is_started_after_a_stop(stand_in: Any, tmp_path: Path) -> None:
    stop = Stop()
    stop.note(signal.SIGINT, None)
    runner = stand_in(f"open({str(tmp_path / 'ran')!r}, 'w')", stop)
    with pytest.raises(InterruptedRunError):
        runner.run([])
    assert not (tmp_path / "ran").exists()


def test_a_stop_that_it_outlived_is_acted_on_afterwards(stand_in: Any) -> None:
    code = (
        "import os, signal, time; signal.signal(2, lambda *_: None);"
        "os.kill(os.getppid(), 2); time.sleep(0.5)"
    )
    with caught() as stop, pytest.raises(InterruptedRunError):
        stand_in(code, stop).run([])


def test_it_runs_in_a_separate_session(stand_in: Any) -> None:
    stand_in(f"import os; assert os.getsid(0) == os.getpid() != {os.getsid(0)}").run([])


def test_results_can_go_to_standard_error(stand_in: Any, capfd: pytest.CaptureFixture[str]) -> None:
    runner = stand_in("print('board')")
    runner.run([])
    assert capfd.readouterr() == ("board\n", "")
    Pipelines(runner.guardian, runner.stop, 2).run([])
    assert capfd.readouterr() == ("", "board\n")


def test_its_standard_input_is_empty(stand_in: Any) -> None:
    stand_in("import sys; assert sys.stdin.read() == ''").run([])
