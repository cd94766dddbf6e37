"""What is about to be done, and whether it can be: everything checked, nothing made."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from topoqa_ramdisk import memory, staging
from topoqa_ramdisk.disks import Disk, Room
from topoqa_ramdisk.graphs import GraphFiles, find_graphs, one_folder
from topoqa_ramdisk.memory import Available
from topoqa_ramdisk.pipelines import Pipelines, Plan
from topoqa_ramdisk.settings import LoadedSettings
from topoqa_ramdisk.sizes import shown_size
from topoqa_train.errors import MachineError, RequestError, TopoqaTrainError

FOLDER = "ramdisk_benchmarks"
_FROM_DISK = "From disk: topoqa-train pipeline"


@dataclass(frozen=True)
class Request:
    """What was asked for; `arguments` are the pipeline's own, as they were typed."""

    settings: LoadedSettings
    arguments: tuple[str, ...] = ()
    skip_baseline: bool = False


@dataclass(frozen=True)
class BenchmarkPlan:
    """What will be done. `errors` are what prevents it."""

    request: Request
    pipeline: Plan
    graphs: GraphFiles
    disk: Disk
    room: Room | None
    available: Available
    errors: tuple[TopoqaTrainError, ...] = ()

    @property
    def needed(self) -> int:
        """Bytes of memory: the graphs and the headroom."""
        return self.graphs.memory + self.request.settings.settings.headroom

    @property
    def folder(self) -> Path:
        """Where the graphs go, unless another process has them there."""
        name = self.request.settings.settings.name
        return self.disk.parent / staging.staging_name(self.graphs.source, name)

    @property
    def reports(self) -> Path:
        """Where the benchmarks' files go."""
        return self.pipeline.output_root / FOLDER

    def check(self) -> None:
        """Raise the first of the errors, if there is any."""
        if self.errors:
            raise self.errors[0]

    def looked_at_again(self) -> BenchmarkPlan:
        """Return the plan with the space that is free now."""
        return _with_room(self, memory.available)

    def baseline_arguments(self, root: Path) -> list[str]:
        """Of the pipeline that reads from disk; its runs stay out of the way of one's own."""
        return [*self._arguments("baseline"), "--output-root", str(root)]

    def ramdisk_arguments(self, graph_dir: Path) -> list[str]:
        """Of the pipeline that reads from memory."""
        return [*self._arguments("ramdisk"), "--graph-dir", str(graph_dir)]

    def workers(self, side: str) -> int | None:
        """Loader workers that the settings give a side; None: as set in the jobs."""
        found: int | None = getattr(self.request.settings.settings.num_workers, side)
        return found

    def _arguments(self, side: str) -> list[str]:
        return pipeline_arguments(self.request, self.workers(side))


def pipeline_arguments(request: Request, workers: int | None = None) -> list[str]:
    """Return the settings as arguments, then the arguments as typed: the later of two wins."""
    source = request.settings.settings.graph_source
    # In quotes of JSON, which are YAML's too: a path may hold anything.
    from_settings = (
        [] if source is None else ["--override", f"paths.graph={json.dumps(str(source))}"]
    )
    if workers is not None:
        from_settings += ["--override", f"dataloader.num_workers={workers}"]
    return [*from_settings, *request.arguments]


def plan_document(plan: BenchmarkPlan) -> dict[str, Any]:
    """Return the plan as a JSON document; sizes in bytes."""
    loaded = plan.request.settings
    return {
        "settings": {"file": str(loaded.file), **loaded.settings.model_dump(mode="json")},
        "manifest": plan.pipeline.manifest,
        "output_root": str(plan.pipeline.output_root),
        "jobs": plan.pipeline.jobs,
        "resume": plan.pipeline.resume,
        "graphs": {
            "source": str(plan.graphs.source),
            "files": len(plan.graphs.graphs),
            "bytes": plan.graphs.size,
        },
        "place": {
            "kind": plan.disk.kind,
            "in_memory": plan.disk.in_memory,
            "folder": str(plan.folder),
            "free_bytes": None if plan.room is None else plan.room.size,
        },
        "memory": {
            "staged_bytes": plan.graphs.memory,
            "headroom_bytes": loaded.settings.headroom,
            "needed_bytes": plan.needed,
            "available_bytes": plan.available.size,
            "limited_by": plan.available.limit,
        },
    }


def make_plan(
    request: Request,
    pipelines: Pipelines,
    disk: Disk,
    available: Callable[[], Available] = memory.available,
) -> BenchmarkPlan:
    """Have the pipeline's own plan, find the graphs, and see whether there is room for them.

    Raises:
        PipelineFailedError: the pipeline would be refused.
        RequestError, MachineError: it can't be measured, or there is no place to stage in.
    """
    pipeline = pipelines.plan(pipeline_arguments(request))
    _check_comparable(pipeline, skip_baseline=request.skip_baseline)
    graphs = find_graphs(one_folder(pipeline.graph_folders))
    nothing = Available(0, "")
    return _with_room(BenchmarkPlan(request, pipeline, graphs, disk, None, nothing), available)


def _with_room(plan: BenchmarkPlan, available: Callable[[], Available]) -> BenchmarkPlan:
    room, free = plan.disk.room(), available()
    errors = room_errors(plan.request.settings, plan.graphs, plan.disk, room, free)
    return replace(plan, room=room, available=free, errors=tuple(errors))


def _check_comparable(pipeline: Plan, *, skip_baseline: bool) -> None:
    if skip_baseline:
        return
    if pipeline.resume:
        raise RequestError(
            "a resumed pipeline can't be compared with a complete one",
            hint="Add --skip-baseline to resume it from memory.",
        )
    if pipeline.skip_sweep and pipeline.resume_from is None:
        raise RequestError(
            "without a sweep the two pipelines would not start from the same checkpoint",
            hint="Name it with --resume-from CKPT, or leave the baseline out: --skip-baseline",
        )


def room_errors(
    loaded: LoadedSettings, graphs: GraphFiles, disk: Disk, room: Room | None, free: Available
) -> list[TopoqaTrainError]:
    """Every reason for which `graphs` can't be staged on `disk` now."""
    errors: list[TopoqaTrainError] = []
    settings, staged = loaded.settings, shown_size(graphs.memory)
    if settings.size is not None and graphs.memory > settings.size:
        errors.append(
            RequestError(
                f"the graphs take {staged}, and size allows {shown_size(settings.size)}",
                hint=f"Give more, or auto, in {loaded.file}",
            )
        )
    if room is not None and (
        room.size < graphs.memory or (room.files is not None and room.files < graphs.entries)
    ):
        files = "" if room.files is None else f" and {room.files} files"
        errors.append(
            MachineError(
                f"not enough space in {disk.parent}: the graphs take {staged} in "
                f"{graphs.entries} files, free are {shown_size(room.size)}{files}",
                hint=f"Make it larger (in a container: --shm-size). {_FROM_DISK}",
            )
        )
    needed = graphs.memory + settings.headroom
    if disk.in_memory and needed > free.size:
        errors.append(
            MachineError(
                f"there is not enough memory: {shown_size(needed)} are needed ({staged} of "
                f"graphs, {shown_size(settings.headroom)} headroom), {shown_size(free.size)} are "
                f"available",
                details=[f"limited by {free.limit}"],
                hint=f"Give less headroom in {loaded.file}, or free memory. {_FROM_DISK}",
            )
        )
    return errors
