"""Jobs of a manifest as plans: checked, but not yet started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from topoqa_train.config.load import LoadedConfig
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import RequestError

StartFrom = Literal["phase1", "sweep"]


@dataclass(frozen=True)
class JobPlan:
    """One run as requested, before its data and checkpoint are looked up. Paths are absolute.

    `run_name` is the exact name of the run's directory, refused if taken; without it the directory
    is `name`, with a timestamp if `stamped`, and a number where that is taken. `output_root` None
    leaves the choice to the environment and the config.
    """

    name: str
    config: LoadedConfig
    run_name: str | None = None
    stamped: bool = True
    options: RunOptions = field(default_factory=RunOptions)
    output_root: Path | None = None


@dataclass(frozen=True)
class FineTunePlan:
    """Both phases with checked configs; base name and checkpoint of the jobs are not yet known."""

    phase1: JobPlan
    phase2: Mapping[int, JobPlan]
    start_from: StartFrom

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the seeds of phase 2, in the manifest's order."""
        return tuple(self.phase2)


@dataclass(frozen=True)
class LoadedManifest:
    """A valid manifest, with the configs and overrides of all its jobs."""

    source: Path
    jobs: tuple[JobPlan, ...]
    fine_tune: FineTunePlan | None = None
    continue_on_error: bool = False
    source_bytes: bytes = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        """Return the file's name without suffix: `run_core`."""
        return self.source.stem

    def phase1_job(self, base: str, checkpoint: Path | None) -> JobPlan:
        """Return the job `<base>_finetune_phase1`, which starts from the weights in `checkpoint`.

        `checkpoint` is None as long as it is not known.

        Raises:
            RequestError: the manifest has no section `fine_tune`.
        """
        return _named(self._fine_tune().phase1, f"{base}_finetune_phase1", checkpoint)

    def phase2_jobs(self, base: str, checkpoint: Path | None) -> tuple[JobPlan, ...]:
        """Return the jobs `<base>_phase2_seed<seed>`, which start from the weights in `checkpoint`.

        `fine_tune.start_from` decides which checkpoint the caller has to give.

        Raises:
            RequestError: the manifest has no section `fine_tune`.
        """
        return tuple(
            _named(job, f"{base}_phase2_seed{seed}", checkpoint)
            for seed, job in self._fine_tune().phase2.items()
        )

    def _fine_tune(self) -> FineTunePlan:
        if self.fine_tune is None:
            raise RequestError(
                f"{self.source.name} has no section fine_tune",
                hint="Add fine_tune with phase1 and phase2 to it. A sweep alone is topoqa-train "
                "batch, or pipeline --skip-fine.",
            )
        return self.fine_tune


def _named(job: JobPlan, name: str, checkpoint: Path | None) -> JobPlan:
    # `name` and not `run_name`: a taken or too long name must get a number or be cut, and not be
    # refused after a sweep of hours.
    options = job.options.model_copy(update={"weights_from": checkpoint})
    return replace(job, name=name, stamped=False, options=options)
