"""The real executable on a small project: compared, failed, interrupted, killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from projects import EXECUTABLE, Project, environment, make_project

from topoqa_ramdisk import disks, staging

PATIENCE_SECONDS = 180
ONE_JOB = """\
jobs:
  - {name: only, config: config.yaml, overrides: {trainer.num_epochs: 2}}
"""
FOR_EVER = (
    "-o", "trainer.num_epochs=100000", "-o", "early_stopping.patience=100000",
)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("project") / "p")
    project.manifest.write_text(ONE_JOB)
    return project


@pytest.fixture
def start(base: Project, tmp_path: Path) -> Any:
    """Start `topoqa-train ramdisk` on the project; temporary files go below `tmp_path`."""
    started: list[subprocess.Popen[str]] = []
    (tmp_path / "tmp").mkdir()

    def begin(*arguments: object, **variables: str) -> subprocess.Popen[str]:
        command = (
            "ramdisk", "-m", base.manifest, "--skip-fine", "--jobs", 1,
            "--output-root", tmp_path / "runs", *arguments,
        )  # fmt: skip
        process = subprocess.Popen(
            [EXECUTABLE, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**{"TMPDIR": str(tmp_path / "tmp"), **variables}),
            cwd=tmp_path,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def until(condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> None:
    """Poll until `condition` holds; the time bounds a hang and judges nothing."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def document(tmp_path: Path) -> dict[str, Any]:
    (path,) = (tmp_path / "runs" / "ramdisk_benchmarks").glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def epochs(root: Path) -> int:
    files = root.glob("only_*/metrics/metrics.csv")
    return sum(max(0, len(file.read_text().splitlines()) - 1) for file in files)


def numbers(root: Path) -> list[dict[str, str]]:
    (file,) = root.glob("only_*/metrics/metrics.csv")
    with file.open() as opened:
        return [
            {k: v for k, v in row.items() if k != "epoch_seconds"} for row in csv.DictReader(opened)
        ]


def staged_in(folder: Path) -> list[Path]:
    """Graphs of a staging below `folder`."""
    return list(folder.glob("topoqa_ramdisk_*/graphs/*.pt"))


def test_both_sides_train_the_same_and_nothing_stays(
    start: Any, base: Project, tmp_path: Path
) -> None:
    if not disks.is_in_memory(disks.SHARED_MEMORY):
        pytest.skip("/dev/shm is no tmpfs here")
    status, out, err = ended(start())
    assert status == 0, err
    found = document(tmp_path)
    assert (found["status"], found["test_mode"]) == ("completed", False)
    assert found["place"]["kind"] == "tmpfs"
    assert found["numbers_equal"] is True
    baseline, ramdisk = found["baseline"], found["ramdisk"]
    assert (baseline["epochs"], ramdisk["epochs"]) == (2, 2)
    assert baseline["read_seconds"] > 0
    assert ramdisk["read_seconds"] > 0
    assert baseline["graph_dir"] == str(base.graphs)
    assert ramdisk["graph_dir"].startswith("/dev/shm/topoqa_ramdisk_")
    # Held against the files of the runs, and not against the command's own word.
    assert numbers(Path(baseline["output_root"])) == numbers(tmp_path / "runs")
    assert not Path(found["staging"]["folder"]).exists()
    assert not staging.marker_path(
        disks.SHARED_MEMORY, Path(found["staging"]["folder"]).name
    ).exists()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert "Numbers: equal bit for bit in all 1 runs" in out
    assert "\x1b" not in out + err
    assert all(word in out for word in ("disk", "memory", "speed-up", "Winner:"))


def test_a_failure_is_passed_on(start: Any, base: Project, tmp_path: Path) -> None:
    graph = base.graphs / "train0_000.pt"
    good = graph.read_bytes()
    graph.write_bytes(b"no graph")
    try:
        status, out, err = ended(start("--test-mode", "--skip-baseline", "--json"))
    finally:
        graph.write_bytes(good)
    assert status == 2
    assert "train0_000.pt" in err
    assert "The pipeline ended with status 2" in err
    assert out == ""
    assert document(tmp_path)["status"] == "failed"
    assert document(tmp_path)["staging"]["taken_down"] is True
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--override", "trainer.num_epoch=1"), "did you mean 'num_epochs'?"),
        (("--no-such-option",), "--no-such-option"),
        (("--resume",), "Add --skip-baseline"),
        (("--graph-dir", "/no/such/folder"), "/no/such/folder"),
        (("--skip-sweep",), "trains nothing"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_wrong_request_is_refused_before_anything_is_made(
    start: Any, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    status, out, err = ended(start("--test-mode", *arguments))
    assert (status, out) == (2, "")
    assert expected in err
    assert not (tmp_path / "runs").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_polite_kill_stops_the_training_and_clears_up(start: Any, tmp_path: Path) -> None:
    process = start("--test-mode", "--skip-baseline", *FOR_EVER)
    until(lambda: epochs(tmp_path / "runs") >= 1, process)
    assert staged_in(tmp_path / "tmp")
    process.send_signal(signal.SIGTERM)
    code, _, err = ended(process)
    assert code == 143, err
    assert "Took down" in err
    assert list((tmp_path / "tmp").iterdir()) == []
    assert document(tmp_path)["status"] == "interrupted"
    (run,) = (tmp_path / "runs").glob("only_*/run_metadata.json")
    assert json.loads(run.read_text())["status"] == "interrupted"


def test_what_was_interrupted_goes_on_from_memory(start: Any, tmp_path: Path) -> None:
    process = start("--test-mode", "--skip-baseline", *FOR_EVER)
    until(lambda: epochs(tmp_path / "runs") >= 1, process)
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
    assert list((tmp_path / "tmp").iterdir()) == []
    assert document(tmp_path)["status"] == "interrupted"
    done = epochs(tmp_path / "runs")

    process = start("--test-mode", "--skip-baseline", *FOR_EVER, "--resume")
    until(lambda: epochs(tmp_path / "runs") > done, process)
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
    assert len(list((tmp_path / "runs").glob("only_*"))) == 1
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_killed_command_is_cleared_up_after(start: Any, tmp_path: Path) -> None:
    process = start("--test-mode", "--skip-baseline", *FOR_EVER)
    until(lambda: epochs(tmp_path / "runs") >= 1, process)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 3  # the guardian, the pipeline, and what trains
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
    assert alive == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_where_all_were_killed_the_next_start_clears_up(
    start: Any, base: Project, tmp_path: Path
) -> None:
    process = start("--test-mode", "--skip-baseline", *FOR_EVER)
    until(lambda: epochs(tmp_path / "runs") >= 1, process)
    for each in [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]:
        os.kill(each.pid, signal.SIGKILL)
    process.communicate()
    assert staged_in(tmp_path / "tmp")

    # Shown, and left alone: a dry run makes and unmakes nothing.
    assert ended(start("--test-mode", "--dry-run"))[0] == 0
    assert staged_in(tmp_path / "tmp")
    status, _, err = ended(start("--test-mode", "--no-such-option"))
    assert status == 2
    assert "which a killed command had left" in err
    assert list((tmp_path / "tmp").iterdir()) == []
