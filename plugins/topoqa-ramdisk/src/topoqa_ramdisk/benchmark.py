"""The chain: baseline from disk, stage, the same from memory, compare."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from topoqa_ramdisk import disks, measures, staging
from topoqa_ramdisk.disks import Disk
from topoqa_ramdisk.guardian import Guardian
from topoqa_ramdisk.measures import Side
from topoqa_ramdisk.page_cache import cached_share
from topoqa_ramdisk.pipelines import PipelineFailedError, Pipelines
from topoqa_ramdisk.plan import BenchmarkPlan, Request, make_plan
from topoqa_ramdisk.report import Report, Staged, shown_path
from topoqa_ramdisk.sizes import shown_size
from topoqa_ramdisk.staging import Place
from topoqa_ramdisk.stopping import caught
from topoqa_train import api
from topoqa_train.errors import InterruptedRunError, TerminatedRunError

_STEM = "ramdisk_benchmark"
_STDERR = 2


@contextmanager
def guarded(*, results_to_stderr: bool) -> Iterator[Pipelines]:
    """Yield the runner of pipelines, protected against signals and kills inside the block."""
    with caught() as stop, Guardian() as guardian:
        yield Pipelines(guardian, stop, _STDERR if results_to_stderr else None)


def run(request: Request, pipelines: Pipelines, disk: Disk, clock: api.Clock) -> Report:
    """Clear up after killed commands, plan, and carry it out.

    Raises:
        PipelineFailedError: a pipeline was refused, failed or stopped, and printed why.
        TopoqaTrainError: it can't be measured or staged, or a stop was requested.
    """
    for folder in staging.left_behind(disk.parent):
        api.notify(f"Took down {folder}, which a killed command had left.")
    plan = make_plan(request, pipelines, disk)
    plan.check()
    if disks.is_in_memory(plan.graphs.source):
        api.notify(f"{plan.graphs.source} lies in memory already: there is nothing to gain.")
    return Benchmark(plan, pipelines, clock).run()


@dataclass
class Benchmark:
    """Runs a plan; `report` holds the progress at any moment."""

    plan: BenchmarkPlan
    pipelines: Pipelines
    clock: api.Clock
    report: Report = field(init=False)

    def run(self) -> Report:
        """Do it all; whatever happens, the file is written and nothing stays in memory.

        Raises:
            PipelineFailedError: a pipeline failed or was stopped, and printed why.
            TopoqaTrainError: the graphs could not be staged, or a stop was requested.
        """
        self.report = self._begin()
        graphs = [file.path for file in self.plan.graphs.graphs]
        try:
            self.report.page_cache, self.report.load = cached_share(graphs), os.getloadavg()[0]
            if not self.plan.request.skip_baseline:
                self._baseline()
            self._ramdisk()
            self.report.status = "completed"
        except BaseException as error:
            self.report.status = "interrupted" if _is_stop(error) else "failed"
            raise
        finally:
            self.report.completed = api.iso(self.clock.now())
            self.report.write()
        return self.report

    def _begin(self) -> Report:
        now, folder = self.clock.now(), self.plan.reports
        folder.mkdir(parents=True, exist_ok=True)
        path = api.new_file(folder, f"{_STEM}_{api.stamp(now)}", ".json")
        report = Report(self.plan, path, api.iso(now))
        report.write()
        return report

    def _baseline(self) -> None:
        source = self.plan.graphs.source
        # Apart from one's own runs: they are the same trainings over again.
        root = self.report.path.with_name(f"{self.report.path.stem}_baseline")
        api.notify(f"Baseline, from disk: {source}")
        arguments = self.plan.baseline_arguments(root)
        self.report.baseline = self._timed("baseline", arguments, root, source)

    def _ramdisk(self) -> None:
        plan, guardian = self.plan, self.pipelines.guardian
        # The baseline took its time: memory may be short by now.
        plan.looked_at_again().check()
        name = plan.request.settings.settings.name
        try:
            with staging.held(plan.graphs, plan.disk, name, guardian.marker) as place:
                self._fill(place)
                arguments = plan.ramdisk_arguments(place.graph_dir)
                root = plan.pipeline.output_root
                self.report.ramdisk = self._timed("ramdisk", arguments, root, place.graph_dir)
        finally:
            if self.report.staged is not None:
                gone = not self.report.staged.folder.exists()
                self.report.staged = replace(self.report.staged, taken_down=gone)
                api.notify(f"Took down {self.report.staged.folder}.")

    def _fill(self, place: Place) -> None:
        graphs, began = self.plan.graphs, self.clock.monotonic()
        self.report.staged = Staged(place.folder, 0.0)
        with api.progress(f"staging {shown_size(graphs.size)}", len(graphs.files)) as advance:

            def one_more(count: int) -> None:
                self.pipelines.stop.check()
                advance(count)

            staging.fill(place, graphs, one_more)
        self.report.staged = Staged(place.folder, self.clock.monotonic() - began)
        api.notify(f"From {'memory' if self.plan.disk.in_memory else 'a copy'}: {place.graph_dir}")

    def _timed(self, side: str, arguments: list[str], root: Path, graph_dir: Path) -> Side:
        since, began = self.clock.now(), self.clock.monotonic()
        try:
            self.pipelines.run(arguments)
        except PipelineFailedError as error:
            if not _is_stop(error):
                report = shown_path(self.report.path)
                api.notify(f"The pipeline ended with status {error.status}: {report}")
            raise
        seconds = self.clock.monotonic() - began
        runs = measures.runs_of(root, graph_dir, since)
        return Side(graph_dir, root, self.plan.workers(side), seconds, runs)


def _is_stop(error: BaseException) -> bool:
    if isinstance(error, PipelineFailedError):
        return error.status in (InterruptedRunError.exit_status, TerminatedRunError.exit_status)
    return isinstance(error, InterruptedRunError | TerminatedRunError)
