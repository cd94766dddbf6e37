"""`topoqa-train pipeline` as a separate process: plan, run, result."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_ramdisk.guardian import Guardian
from topoqa_ramdisk.stopping import Stop
from topoqa_train.errors import MachineError, RequestError

# -P: a file in the working directory must not shadow a library.
_COMMAND = (sys.executable, "-P", "-m", "topoqa_train", "pipeline")


class PipelineFailedError(Exception):
    """A pipeline ended with another status than 0, and has printed the reason on standard error."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the pipeline ended with status {status}")
        self.status = status


@dataclass(frozen=True)
class Plan:
    """The plan printed by `pipeline --dry-run --json`."""

    manifest: str
    output_root: Path
    graph_folders: tuple[str, ...]
    jobs: int
    epochs: int
    skip_sweep: bool
    skip_fine: bool
    resume: bool
    resume_from: str | None

    @classmethod
    def of(cls, document: dict[str, Any]) -> Plan:
        """Return the relevant parts of the document."""
        jobs = document["jobs"]
        return cls(
            manifest=document["manifest"],
            output_root=Path(document["output_root"]),
            graph_folders=tuple(dict.fromkeys(job["graph"] for job in jobs)),
            jobs=len(jobs),
            epochs=sum(job["epochs"] for job in jobs),
            skip_sweep=document["skip_sweep"],
            skip_fine=document["skip_fine"],
            resume=document["resume"],
            resume_from=document["resume_from"],
        )


@dataclass(frozen=True)
class Pipelines:
    """Starts pipelines, one at a time, that neither signals nor a kill leave running behind us.

    `results` is the file that their results go to: None for standard output.
    """

    guardian: Guardian
    stop: Stop
    results: int | None = None

    def plan(self, arguments: Sequence[str]) -> Plan:
        """Have everything checked, data sets made ready, and hear what would be done.

        Raises:
            PipelineFailedError: it would be refused; it has printed the reason.
        """
        printed = self._run([*arguments, "--dry-run", "--json"], subprocess.PIPE)
        plan = Plan.of(json.loads(printed))
        if not plan.jobs:
            raise RequestError(
                "this pipeline trains nothing, so there is nothing to measure",
                hint="Leave out --skip-sweep or --skip-fine (SKIP_SWEEP, SKIP_FINE).",
            )
        return plan

    def run(self, arguments: Sequence[str]) -> None:
        """Run one to its end, on this terminal.

        Raises:
            PipelineFailedError: it failed or was stopped; it has printed the reason.
            MachineError: it was killed.
        """
        self._run(arguments, self.results)

    def _run(self, arguments: Sequence[str], output: int | None) -> bytes:
        self.stop.check()
        # Ctrl-C goes to us alone; we pass it on.
        with subprocess.Popen(  # noqa: S603 - our own command, arguments as they were given
            [*_COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            start_new_session=True,
        ) as child:
            self.guardian.child(child.pid)
            with self.stop.passed_to(child):
                printed, _ = child.communicate()
        if child.returncode < 0:
            self.stop.check()
            raise MachineError(
                f"the pipeline was killed (signal {-child.returncode})",
                hint="Out of memory? Fewer jobs at once (--jobs 1) or more headroom may help.",
            )
        if child.returncode:
            raise PipelineFailedError(child.returncode)
        self.stop.check()
        return printed or b""
