"""Read a manifest with its overrides into a checked list of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from topoqa_train.config.job_plan import FineTunePlan, JobPlan, LoadedManifest
from topoqa_train.config.load import LoadedConfig, absolute, load_config
from topoqa_train.config.manifest_models import (
    FineTuneEntry,
    JobEntry,
    ManifestEntry,
    SharedEntry,
)
from topoqa_train.config.models import SECTIONS, Section
from topoqa_train.config.overrides import COMMAND_LINE, Override, parse_trainer_args
from topoqa_train.config.recipes import locate
from topoqa_train.config.validation import validate
from topoqa_train.config.yaml.errors import invalid
from topoqa_train.config.yaml.reader import Location, parse_bytes, read_bytes
from topoqa_train.config.yaml.tree import Tree
from topoqa_train.errors import ConfigError, Problem, shown_path
from topoqa_train.suggest import did_you_mean

KIND = "manifest"
_EDITS = ("shared", "jobs", "fine_tune")
_SHARED: Location = ("shared",)
_FINE_TUNE: Location = ("fine_tune",)
Entry = TypeVar("Entry", bound=Section)


def load_manifest(source: Path, overrides: Sequence[Override] = ()) -> LoadedManifest:
    """Read and check a manifest with the configs of all its jobs and fine-tune phases.

    An override whose key starts with `shared.`, `jobs.NAME.` or `fine_tune.` edits the manifest;
    any other is set in every job. Order of strength: config, `shared`, job, other overrides.
    `shared` applies to the fine-tune jobs too. A name without a file may be that of a shipped
    manifest.

    Raises:
        ConfigError: with every error of the manifest, of its configs and of the overrides.
    """
    path = locate("manifests", source)
    content = read_bytes(path, KIND)
    tree = Tree.of(parse_bytes(content, path, KIND), path)
    reader = _Reader(tree, path, [each for each in overrides if not _is_edit(each)])
    # Edits come before validation: they may add what is missing, and their values are checked too.
    for override in overrides:
        if _is_edit(override):
            reader.edit(override)
    return reader.manifest(content)


def _is_edit(override: Override) -> bool:
    return override.key.partition(".")[0] in _EDITS and "." in override.key


@dataclass
class _Reader:
    """Reader of one manifest; collects problems instead of stopping at the first."""

    tree: Tree
    path: Path
    overrides: list[Override]
    problems: list[Problem] = field(default_factory=list)
    shared: SharedEntry = field(default_factory=SharedEntry)

    def edit(self, override: Override) -> None:
        location: Location | None = tuple(override.key.split("."))
        if override.key.startswith("jobs."):
            location = self._location_in_job(override)
        if location is not None:
            self.tree.set(location, override.value, override.place)

    def _location_in_job(self, override: Override) -> Location | None:
        rest = override.key.removeprefix("jobs.")
        names = {
            job["name"]: n
            for n, job in enumerate(self._jobs())
            if isinstance(job, dict) and isinstance(job.get("name"), str)
        }
        # The name of a job may contain dots, so the longest one that fits is meant.
        name = max((name for name in names if rest.startswith(f"{name}.")), key=len, default=None)
        if name is None:
            guess = did_you_mean(rest.partition(".")[0], names, list_known=True)
            message = f"no job of that name, or no key after it{guess}"
            self.problems.append(override.place.problem(message))
            return None
        return ("jobs", names[name], *rest.removeprefix(f"{name}.").split("."))

    def _jobs(self) -> list[Any]:
        jobs = self.tree.data.get("jobs")
        return jobs if isinstance(jobs, list) else []

    def manifest(self, content: bytes) -> LoadedManifest:
        entry, problems = validate(ManifestEntry, self.tree)
        self.problems += problems
        self.shared = self._entry(SharedEntry, _SHARED) or self.shared
        jobs = [self._job(("jobs", n)) for n in range(len(self._jobs()))]
        self._check_unique("name")
        self._check_unique("run_name")
        fine_tune = self._fine_tune()
        if self.problems or entry is None:
            raise invalid(self.path, KIND, self.problems)
        return LoadedManifest(
            self.path,
            tuple(job for job in jobs if job is not None),
            fine_tune,
            entry.continue_on_error,
            content,
        )

    def _entry(self, model: type[Entry], at: Location) -> Entry | None:
        # Problems were found with the whole manifest. A part that is valid by itself is used all
        # the same, so that the configs it names are checked too.
        return validate(model, self.tree, at)[0]

    def _job(self, at: Location) -> JobPlan | None:
        entry = self._entry(JobEntry, at)
        if entry is None:
            self._config((*at, "config"), self._overrides_of(at))
            return None
        where = (*at, "config") if entry.config is not None else (*_SHARED, "config")
        if self.tree.get(where) is None:
            self._problem(at, "has no config, and shared has none either")
            return None
        config = self._config(where, self._overrides_of(at))
        weights, arguments = self._weights((*at, "resume_from")), self._trainer_args(at)
        return None if config is None else self._plan(entry, config, arguments, weights)

    def _plan(
        self,
        job: JobEntry,
        config: LoadedConfig,
        arguments: dict[str, Any] | None = None,
        weights: Path | None = None,
    ) -> JobPlan:
        return JobPlan(
            name=job.name,
            config=config,
            run_name=job.run_name,
            options=job.over(
                self.shared,
                weights_from=weights,
                trainer_args={**self._trainer_args(_SHARED), **(arguments or {})},
            ),
            output_root=self._path((*_SHARED, "output_root")),
        )

    def _fine_tune(self) -> FineTunePlan | None:
        entry = self._entry(FineTuneEntry, _FINE_TUNE)
        if entry is None:
            return None
        overrides = self._overrides_of(None)
        phase1 = self._config((*_FINE_TUNE, "phase1", "config"), overrides)
        phase2 = {seed: self._phase2_config(seed, overrides) for seed in entry.phase2.seeds}
        if phase1 is None:
            return None
        return FineTunePlan(
            self._plan(JobEntry(name="finetune_phase1"), phase1),
            {
                seed: self._plan(JobEntry(name=f"phase2_seed{seed}"), config)
                for seed, config in phase2.items()
                if config is not None
            },
            entry.phase2.start_from,
        )

    def _phase2_config(self, seed: int, overrides: list[Override]) -> LoadedConfig | None:
        at = (*_FINE_TUNE, "phase2")
        config = self._config((*at, "config"), overrides, seed)
        if config is None or config.config.dataloader.seed == seed:
            return config
        # The run is named after its seed, so the manifest's seed is stronger than the config's.
        override = self._override((*at, "seeds"), "dataloader.seed", seed)
        return self._config((*at, "config"), [*overrides, override], seed)

    def _config(
        self, at: Location, overrides: list[Override], seed: int | None = None
    ) -> LoadedConfig | None:
        path = self._path(at, seed)
        if path is None:
            return None
        try:
            return load_config(path, overrides)
        except ConfigError as error:
            # A file that can't be read has no lines: the line that names it is to be corrected.
            self.problems += error.problems or [self.tree.problem(at, error.message)]
            return None

    def _overrides_of(self, job: Location | None) -> list[Override]:
        own = self._overrides_at((*job, "overrides")) if job else []
        return [*self._overrides_at((*_SHARED, "overrides")), *own, *self.overrides]

    def _overrides_at(self, at: Location) -> list[Override]:
        written = self.tree.get(at)
        overrides = []
        for key, value in written.items() if isinstance(written, dict) else ():
            if key in SECTIONS and (value is None or isinstance(value, dict)):
                below = (value or {}).items()
                overrides += [self._override((*at, key, k), f"{key}.{k}", v) for k, v in below]
            else:
                overrides.append(self._override((*at, key), key, value))
        # An edit from the command line is stronger than the manifest's own value, whether that is
        # written as a dotted key or in a section.
        return sorted(overrides, key=lambda override: override.place.file is None)

    def _override(self, at: Location, key: str, value: Any) -> Override:  # noqa: ANN401
        place = self.tree.place(at)[0]
        origin = f"{shown_path(place.file)}:{place.line}" if place.file else COMMAND_LINE
        return Override(key, value, place, origin)

    def _trainer_args(self, at: Location) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        texts = self.tree.get((*at, "trainer_args"))
        for n, text in enumerate(texts if isinstance(texts, list) else ()):
            try:
                arguments |= parse_trainer_args([str(text)])
            except ConfigError as error:
                self._problem((*at, "trainer_args", n), f"'{text}' {error.problems[0].message}")
        return arguments

    def _path(self, at: Location, seed: int | None = None) -> Path | None:
        text = self.tree.get(at)
        if not isinstance(text, str) or not text:
            return None
        if seed is not None:
            text = text.replace("{seed}", str(seed))
        try:
            return absolute(text, self.tree.place(at)[0].base)
        except (OSError, RuntimeError, ValueError) as error:
            self._problem(at, f"is not a usable path: {error}")
            return None

    def _weights(self, at: Location) -> Path | None:
        path = self._path(at)
        if path is not None and not path.is_file():
            self._problem(at, f"{shown_path(path)} does not exist")
        return path

    def _check_unique(self, key: str) -> None:
        first: dict[str, int] = {}
        for n, job in enumerate(self._jobs()):
            name = job.get(key) if isinstance(job, dict) else None
            if not isinstance(name, str):
                continue
            # Some file systems take `A` and `a` for one directory.
            before = first.setdefault(name.casefold(), n)
            if before != n:
                line = self.tree.place(("jobs", before, key))[0].line
                where = f" in line {line}" if line else ""
                self._problem(("jobs", n, key), f"another job{where} has the name '{name}' too")

    def _problem(self, at: Location, message: str) -> None:
        self.problems.append(self.tree.problem(at, message))
