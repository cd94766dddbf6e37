"""What a manifest comes to: jobs that are ready to become runs."""

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
    """Both phases, all configs checked; the jobs still lack base name and checkpoint."""

    phase1: JobPlan
    phase2: Mapping[int, JobPlan]
    start_from: StartFrom

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of phase 2, in the manifest's order."""
        return tuple(self.phase2)


@dataclass(frozen=True)
class LoadedManifest:
    """A manifest in which nothing was found wrong, configs and overrides of all jobs included."""

    source: Path
    jobs: tuple[JobPlan, ...]
    fine_tune: FineTunePlan | None = None
    continue_on_error: bool = False
    source_bytes: bytes = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        """The file's name without suffix: `run_core`."""
        return self.source.stem

    def phase1_job(self, base: str, checkpoint: Path | None) -> JobPlan:
        """The run `<base>_finetune_phase1`, from the weights in `checkpoint` (None: not known yet).

        Raises:
            RequestError: the manifest has no section `fine_tune`.
        """
        return _named(self._fine_tune().phase1, f"{base}_finetune_phase1", checkpoint)

    def phase2_jobs(self, base: str, checkpoint: Path | None) -> tuple[JobPlan, ...]:
        """The runs `<base>_phase2_seed<seed>`, from the weights in `checkpoint`.

        Which checkpoint that has to be, `fine_tune.start_from` says.

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
    # The name follows from the base run's; fine-tuning that one again gets a number, not a
    # refusal, and neither does a base with a long name after a sweep of hours.
    options = job.options.model_copy(update={"weights_from": checkpoint})
    return replace(job, name=name, stamped=False, options=options)
