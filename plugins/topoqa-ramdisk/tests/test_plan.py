from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_ramdisk import disks
from topoqa_ramdisk.disks import PlainFolder, Room
from topoqa_ramdisk.memory import Available
from topoqa_ramdisk.plan import BenchmarkPlan, Request, make_plan, pipeline_arguments, plan_document
from topoqa_train.errors import DataError, MachineError, RequestError

GIB = 2**30


class Shm(PlainFolder):
    """Memory with as much free space as a test sets."""

    in_memory = True

    def __init__(self, parent: Path, room: Room | None) -> None:
        super().__init__(parent)
        self._room = room

    def room(self) -> Room | None:
        return self._room


@pytest.fixture
def plan(pipelines: Any, loaded: Any, tmp_path: Path) -> Callable[..., BenchmarkPlan]:
    def make(
        room: Room | None = Room(GIB, 1000),  # noqa: B008 - it is frozen
        free: int = 4 * GIB,
        skip_baseline: bool = False,
        settings: dict[str, Any] | None = None,
        disk: disks.Disk | None = None,
        **planned: Any,
    ) -> BenchmarkPlan:
        request = Request(loaded(**(settings or {})), ("-m", "x"), skip_baseline)
        place = disk or Shm(tmp_path / "shm", room)
        return make_plan(
            request, pipelines(**planned), place, lambda: Available(free, "/sys/fs/cgroup/job")
        )

    return make


def test_what_is_needed_is_the_graphs_and_the_headroom(plan: Any) -> None:
    made = plan()
    made.check()
    assert made.needed == made.graphs.memory + GIB
    assert made.folder.parent.name == "shm"
    assert made.folder.name.startswith("topoqa_ramdisk_")


class TestArguments:
    def test_the_command_line_follows_the_settings(self, loaded: Any) -> None:
        request = Request(loaded(graph_source=Path("/a: b/#c")), ("-o", "paths.graph=/mine"))
        assert pipeline_arguments(request, 3) == [
            "--override", 'paths.graph="/a: b/#c"',
            "--override", "dataloader.num_workers=3",
            "-o", "paths.graph=/mine",
        ]  # fmt: skip
        assert pipeline_arguments(Request(loaded(), ("-j", "2"))) == ["-j", "2"]

    def test_a_source_is_yaml_whatever_it_is_called(self, loaded: Any) -> None:
        from topoqa_train.config.overrides import parse_override

        for path in ("/a: b/#c", "/x'y\"z", "/ü\u2028", "/null", "/[a]"):
            _, text = pipeline_arguments(Request(loaded(graph_source=Path(path))))
            assert parse_override(text, base=Path("/")).value == path

    def test_sides_differ_in_what_they_read_and_where_runs_go(self, plan: Any) -> None:
        made = plan(settings={"num_workers": {"baseline": 4, "ramdisk": 0}})
        assert made.baseline_arguments(Path("/r")) == [
            "--override", "dataloader.num_workers=4", "-m", "x", "--output-root", "/r",
        ]  # fmt: skip
        assert made.ramdisk_arguments(Path("/shm/g")) == [
            "--override", "dataloader.num_workers=0", "-m", "x", "--graph-dir", "/shm/g",
        ]  # fmt: skip

    def test_the_pipeline_is_planned_with_the_settings_source(
        self, pipelines: Any, loaded: Any, tmp_path: Path
    ) -> None:
        runner = pipelines()
        make_plan(
            Request(loaded(graph_source=Path("/g"))), runner, Shm(tmp_path, None),
            lambda: Available(GIB * 8, "x"),
        )  # fmt: skip
        assert runner.asked == [["--override", 'paths.graph="/g"']]


class TestFaults:
    def test_more_than_size_allows(self, plan: Any) -> None:
        with pytest.raises(RequestError, match=r"size allows 1\.0 KiB") as caught:
            plan(settings={"size": "1KiB"}).check()
        assert "ramdisk.yaml" in (caught.value.hint or "")

    @pytest.mark.parametrize("room", [Room(1000, None), Room(GIB, 3), Room(0, 0)])
    def test_no_room_on_the_disk(self, plan: Any, room: Room) -> None:
        with pytest.raises(MachineError, match="not enough space") as caught:
            plan(room).check()
        assert caught.value.exit_status == 1
        assert "--shm-size" in (caught.value.hint or "")

    def test_a_file_system_that_counts_no_files(self, plan: Any) -> None:
        plan(Room(GIB, None)).check()

    def test_not_enough_memory(self, plan: Any) -> None:
        with pytest.raises(MachineError) as caught:
            plan(free=GIB).check()
        assert "1.0 GiB headroom), 1.0 GiB are available" in caught.value.message
        assert caught.value.details == ("limited by /sys/fs/cgroup/job",)
        plan(free=GIB, settings={"headroom": 0}).check()

    def test_an_ordinary_folder_takes_no_memory(self, plan: Any, tmp_path: Path) -> None:
        plan(free=0, disk=PlainFolder(tmp_path)).check()

    def test_a_disk_that_is_made_to_measure_has_room(self, plan: Any) -> None:
        plan(room=None).check()

    def test_they_are_looked_for_again(self, plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from topoqa_ramdisk import memory

        made = plan()
        made.check()
        monkeypatch.setattr(memory, "available", lambda: Available(0, "the machine"))
        with pytest.raises(MachineError):
            made.looked_at_again().check()


class TestWhatCanBeCompared:
    def test_a_resumed_pipeline_can_not(self, plan: Any) -> None:
        with pytest.raises(RequestError, match="can't be compared") as caught:
            plan(resume=True)
        assert "--skip-baseline" in (caught.value.hint or "")
        plan(resume=True, skip_baseline=True).check()

    def test_without_a_sweep_the_start_has_to_be_named(self, plan: Any) -> None:
        with pytest.raises(RequestError, match="same checkpoint"):
            plan(skip_sweep=True)
        plan(skip_sweep=True, resume_from="/a.ckpt").check()
        plan(skip_sweep=True, skip_baseline=True).check()

    def test_several_folders_of_graphs_can_not(self, plan: Any, graphs: Path) -> None:
        with pytest.raises(DataError, match="2 folders"):
            plan(graph_folders=(str(graphs), "/elsewhere"))


def test_the_document(plan: Any, graphs: Path) -> None:
    document = plan_document(plan(settings={"size": "2GiB", "graph_source": graphs}))
    assert document["graphs"] == {"source": str(graphs), "files": 2, "bytes": 5118}
    assert document["settings"]["size"] == 2 * GIB
    assert document["memory"]["needed_bytes"] == document["memory"]["staged_bytes"] + GIB
    assert document["memory"]["limited_by"] == "/sys/fs/cgroup/job"
    assert document["place"]["free_bytes"] == GIB
