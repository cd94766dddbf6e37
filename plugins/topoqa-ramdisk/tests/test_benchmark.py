"""The chain with pipelines whose results a test sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_ramdisk import benchmark, measures, staging
from topoqa_ramdisk.benchmark import run
from topoqa_ramdisk.disks import PlainFolder
from topoqa_ramdisk.pipelines import PipelineFailedError
from topoqa_ramdisk.plan import Request
from topoqa_ramdisk.report import (
    Report,
    closing_lines,
    plan_table,
    result_table,
    show_report,
)
from topoqa_train import api
from topoqa_train.errors import InterruptedRunError, MachineError


@pytest.fixture
def disk(tmp_path: Path) -> PlainFolder:
    (tmp_path / "shm").mkdir()
    return PlainFolder(tmp_path / "shm")


@pytest.fixture
def start(
    pipelines: Any, loaded: Any, disk: PlainFolder, clock: Any
) -> Callable[..., tuple[Report, Any]]:
    def begin(
        on_run: Callable[[list[str]], None] | None = None,
        *,
        skip_baseline: bool = False,
        **settings: Any,
    ) -> tuple[Report, Any]:
        def take_time(arguments: list[str]) -> None:
            clock.advance(40 if "--output-root" in arguments else 20)
            if on_run is not None:
                on_run(arguments)

        runner = pipelines(take_time)
        request = Request(loaded(**settings), ("-j", "1"), skip_baseline)
        return run(request, runner, disk, clock), runner

    return begin


def written(tmp_path: Path) -> dict[str, Any]:
    (path,) = (tmp_path / "runs" / "ramdisk_benchmarks").glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def root_of(arguments: list[str]) -> Path:
    return Path(arguments[arguments.index("--output-root") + 1])


def graphs_of(arguments: list[str]) -> Path:
    return Path(arguments[arguments.index("--graph-dir") + 1])


def test_from_disk_and_then_from_memory(
    start: Any, tmp_path: Path, disk: PlainFolder, graphs: Path
) -> None:
    seen: list[list[str]] = []

    def look(arguments: list[str]) -> None:
        staged = list(disk.parent.iterdir())
        if "--graph-dir" not in arguments:
            assert staged == []  # nothing takes memory while the baseline runs
        else:
            assert (graphs_of(arguments) / "2XYZ_001.pt").read_bytes() == b"x" * 5000
        seen.append(arguments)

    report, runner = start(look)
    assert len(seen) == 2
    assert root_of(seen[0]).parent == tmp_path / "runs" / "ramdisk_benchmarks"
    assert root_of(seen[0]).name == f"{report.path.stem}_baseline"
    assert "--output-root" not in seen[1]
    assert list(disk.parent.iterdir()) == []
    document = written(tmp_path)
    assert document == report.to_json()
    assert (document["status"], document["test_mode"]) == ("completed", True)
    assert (document["baseline"]["seconds"], document["ramdisk"]["seconds"]) == (40, 20)
    assert document["speed_up"]["pipeline"] == 2.0
    assert document["staging"]["taken_down"] is True
    assert document["graphs"]["source"] == str(graphs)
    assert runner.guardian.markers == [
        staging.marker_path(disk.parent, Path(document["staging"]["folder"]).name)
    ]


def test_two_at_the_same_second_have_files_of_their_own(start: Any, tmp_path: Path) -> None:
    def freeze(arguments: list[str]) -> None:
        pass

    one, _ = start(freeze)
    other, _ = start(freeze)
    assert one.path != other.path
    assert len(list((tmp_path / "runs" / "ramdisk_benchmarks").glob("*.json"))) == 2


def test_without_a_baseline_nothing_is_compared(start: Any, tmp_path: Path) -> None:
    report, runner = start(skip_baseline=True)
    assert [("--graph-dir" in arguments) for arguments in runner.ran] == [True]
    document = written(tmp_path)
    assert document["baseline"] is None
    assert document["numbers_equal"] is None
    assert set(document["speed_up"].values()) == {None}
    assert not any("Page cache" in line for line in closing_lines(report))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PipelineFailedError(1), "failed"),
        (PipelineFailedError(2), "failed"),
        (PipelineFailedError(130), "interrupted"),
        (PipelineFailedError(143), "interrupted"),
        (MachineError("killed"), "failed"),
        (InterruptedRunError("x"), "interrupted"),
        (RuntimeError("a bug"), "failed"),
    ],
)
@pytest.mark.parametrize("side", ["--output-root", "--graph-dir"])
def test_whatever_happens_nothing_stays_and_it_is_written_down(
    start: Any, tmp_path: Path, disk: PlainFolder, error: Exception, status: str, side: str
) -> None:
    def fail(arguments: list[str]) -> None:
        if side in arguments:
            raise error

    with pytest.raises(type(error)):
        start(fail)
    assert list(disk.parent.iterdir()) == []
    document = written(tmp_path)
    assert document["status"] == status
    assert document["completed"] is not None
    if side == "--graph-dir":
        assert document["baseline"]["seconds"] == 40
        assert document["staging"]["taken_down"] is True
    else:
        assert (document["baseline"], document["staging"]) == (None, None)


def test_a_stop_between_two_files_is_heard(
    pipelines: Any, loaded: Any, disk: PlainFolder, clock: Any, tmp_path: Path
) -> None:
    runner = pipelines(lambda arguments: runner.stop.note(2, None))
    with pytest.raises(InterruptedRunError):
        run(Request(loaded()), runner, disk, clock)
    assert len(runner.ran) == 1  # the pipeline of this test does not stop by itself
    assert list(disk.parent.iterdir()) == []
    assert written(tmp_path)["status"] == "interrupted"


def test_what_does_not_fit_starts_nothing(
    pipelines: Any, loaded: Any, disk: PlainFolder, clock: Any, tmp_path: Path
) -> None:
    runner = pipelines()
    with pytest.raises(api.RequestError, match="size allows"):
        run(Request(loaded(size="1KiB")), runner, disk, clock)
    assert runner.ran == []
    assert not (tmp_path / "runs").exists()


def test_what_a_killed_command_left_goes_first(
    start: Any, disk: PlainFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = staging.Marker.lock(staging.marker_path(disk.parent, "old_1234"), create=True)
    assert marker is not None
    marker.write(kind="folder")
    (disk.parent / "old_1234").mkdir()
    marker.release()
    start()
    assert not (disk.parent / "old_1234").exists()
    assert "old_1234, which a killed command had left" in capsys.readouterr().err


class TestScreens:
    def shown(self, width: int, *things: Any) -> list[str]:
        from rich.console import Console

        console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
        for thing in things:
            console.print(thing, soft_wrap=isinstance(thing, str))
        return [line.rstrip() for line in console.export_text().splitlines()]

    def test_the_values_of_both_sides_are_shown(self, start: Any) -> None:
        report, _ = start()
        lines = self.shown(80, result_table(report), *closing_lines(report))
        assert lines[0].split() == ["seconds", "disk", "memory", "speed-up"]
        assert lines[1].split() == ["pipeline", "40.00", "20.00", "2.00x"]
        assert lines[3].split() == ["reading", "graphs", "-", "-", "-"]
        assert "Test mode: no RAM disk was created" in "\n".join(lines)

    def test_the_file_is_named_unbroken(
        self, start: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "40")
        report, _ = start()
        capsys.readouterr()
        show_report(report, as_json=False)
        assert capsys.readouterr().out.splitlines()[-1] == f"Benchmark: {report.path}"
        monkeypatch.chdir(report.path.parent)
        show_report(report, as_json=False)
        assert capsys.readouterr().out.splitlines()[-1] == f"Benchmark: {report.path.name}"
        show_report(report, as_json=True)
        assert json.loads(capsys.readouterr().out) == report.to_json()

    def test_differing_results_are_reported(
        self, start: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report, _ = start()
        assert "Numbers: equal bit for bit in all 0 runs" in closing_lines(report)
        monkeypatch.setattr(measures, "differing", lambda one, other: ["first"])
        assert "The numbers of both pipelines differ: first" in closing_lines(report)
        assert report.to_json()["numbers_equal"] is False

    @pytest.mark.parametrize(("share", "explained"), [(1.0, True), (0.51, True), (0.2, False)])
    def test_a_warm_page_cache_is_explained(
        self, start: Any, share: float, explained: bool
    ) -> None:
        report, _ = start()
        report.page_cache = share
        (line,) = [line for line in closing_lines(report) if line.startswith("Page cache")]
        assert f"{100 * share:.0f} %" in line
        assert ("as fast as memory" in line) is explained

    def test_a_busy_machine_is_reported(self, start: Any) -> None:
        report, _ = start()
        report.load = 1000.0
        assert any("load 1000.0" in line for line in closing_lines(report))
        report.load = 0.0
        assert not any("load" in line for line in closing_lines(report))

    @pytest.mark.parametrize("width", [80, 200])
    def test_the_plan_fits(self, start: Any, width: int) -> None:
        report, _ = start()
        lines = self.shown(width, plan_table(report.plan))
        assert all(len(line) <= width for line in lines)
        assert lines[0].startswith("graphs    2 in")
        assert "1.0 GiB of it headroom" in " ".join(lines)
        assert "test mode, no RAM disk" in " ".join(" ".join(lines).split())


def test_the_guard_is_on_while_it_runs() -> None:
    with benchmark.guarded(results_to_stderr=True) as pipelines:
        assert pipelines.results == 2
        assert pipelines.stop.first is None
    with benchmark.guarded(results_to_stderr=False) as pipelines:
        assert pipelines.results is None
