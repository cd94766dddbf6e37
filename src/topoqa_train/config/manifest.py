"""A manifest file and overrides to a checked list of jobs."""

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
from topoqa_train.config.overrides import Override, parse_trainer_args
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
    """Read a manifest, and check it with the configs of all its jobs and fine-tunes.

    An override whose key starts with `shared.`, `jobs.NAME.` or `fine_tune.` edits the manifest;
    any other is set in every job. Strength: config < shared < job < other overrides. What
    `shared` holds goes for the fine-tune jobs too. A name that is no file may be a shipped
    manifest's.

    Raises:
        ConfigError: with every fault of the manifest, of its configs and of the overrides.
    """
    path = locate("manifests", source)
    content = read_bytes(path, KIND)
    tree = Tree.of(parse_bytes(content, path, KIND), path)
    reading = _Reading(tree, path, [o for o in overrides if not _is_edit(o)])
    for override in overrides:
        if _is_edit(override):
            reading.edit(override)
    return reading.manifest(content)


def _is_edit(override: Override) -> bool:
    return override.key.partition(".")[0] in _EDITS and "." in override.key


@dataclass
class _Reading:
    """One manifest on its way; faults pile up here, and nothing stops at the first."""

    tree: Tree
    path: Path
    overrides: list[Override]
    problems: list[Problem] = field(default_factory=list)
    shared: SharedEntry = field(default_factory=SharedEntry)

    def edit(self, override: Override) -> None:
        parts = override.key.split(".")
        location: Location | None = tuple(parts)
        if parts[0] == "jobs":
            location = self._job_location(override)
        if location is not None:
            self.tree.set(location, override.value, override.place)

    def _job_location(self, override: Override) -> Location | None:
        rest = override.key.removeprefix("jobs.")
        names = {str(_name(job)): n for n, job in enumerate(self._jobs()) if _name(job) is not None}
        # A job's name may hold dots: the longest name that fits is meant.
        fitting = [name for name in names if rest.startswith(f"{name}.")]
        if not fitting:
            guess = did_you_mean(rest.partition(".")[0], names, list_known=True)
            self.problems.append(
                override.place.problem(f"no job of that name, or no key after it{guess}")
            )
            return None
        name = max(fitting, key=len)
        return ("jobs", names[name], *rest.removeprefix(f"{name}.").split("."))

    def _jobs(self) -> list[Any]:
        jobs = self.tree.data.get("jobs")
        return jobs if isinstance(jobs, list) else []

    def manifest(self, content: bytes) -> LoadedManifest:
        head, problems = validate(ManifestEntry, self.tree)
        self.problems += problems
        self.shared = self._entry(SharedEntry, _SHARED) or self.shared
        jobs = [self._job(("jobs", n)) for n in range(len(self._jobs()))]
        self._no_name_twice("name")
        self._no_name_twice("run_name")
        fine_tune = self._fine_tune()
        if self.problems or head is None:
            raise invalid(self.path, KIND, self.problems)
        return LoadedManifest(
            self.path,
            tuple(job for job in jobs if job is not None),
            fine_tune,
            head.continue_on_error,
            content,
        )

    def _entry(self, model: type[Entry], at: Location) -> Entry | None:
        # Problems were found with the whole manifest. A part that is valid by itself is used all
        # the same, so that the configs it names are checked too.
        return validate(model, self.tree, at)[0]

    def _job(self, at: Location) -> JobPlan | None:
        entry = self._entry(JobEntry, at)
        if entry is None:
            # What can still be checked is: the config that it names.
            self._config((*at, "config"), self._all_overrides(at))
            return None
        where = (*at, "config") if entry.config is not None else (*_SHARED, "config")
        if self.tree.get(where) is None:
            self._fault(at, "has no config, and shared has none either")
            return None
        config = self._config(where, self._all_overrides(at))
        resume_from = self._file((*at, "resume_from"))
        arguments = self._trainer_args(at)
        if config is None:
            return None
        return self._plan(entry, config, arguments, resume_from)

    def _plan(
        self,
        job: JobEntry,
        config: LoadedConfig,
        arguments: dict[str, Any],
        resume_from: Path | None,
    ) -> JobPlan:
        return JobPlan(
            name=job.name,
            config=config,
            run_name=job.run_name,
            options=job.over(
                self.shared,
                weights_from=resume_from,
                trainer_args={**self._trainer_args(_SHARED), **arguments},
            ),
            output_root=self._path((*_SHARED, "output_root")),
        )

    def _fine_tune(self) -> FineTunePlan | None:
        entry = self._entry(FineTuneEntry, _FINE_TUNE)
        if entry is None:
            return None
        overrides = self._all_overrides(None)
        phase1 = self._config((*_FINE_TUNE, "phase1", "config"), overrides)
        seeded = {seed: self._phase2_config(seed, overrides) for seed in entry.phase2.seeds}
        if phase1 is None:
            return None
        return FineTunePlan(
            self._phase("finetune_phase1", phase1),
            {
                seed: self._phase(f"phase2_seed{seed}", config)
                for seed, config in seeded.items()
                if config is not None
            },
            entry.phase2.start_from,
        )

    def _phase(self, name: str, config: LoadedConfig) -> JobPlan:
        return self._plan(JobEntry(name=name), config, {}, None)

    def _phase2_config(self, seed: int, overrides: list[Override]) -> LoadedConfig | None:
        at = (*_FINE_TUNE, "phase2")
        config = self._config((*at, "config"), overrides, seed=seed)
        if config is None or config.config.dataloader.seed == seed:
            return config
        # The run is named after its seed, so the seed holds whatever the config says.
        place = self.tree.place((*at, "seeds"))[0]
        origin = f"{shown_path(place.file)}:{place.line}" if place.file else place.key
        override = Override(
            "dataloader.seed", seed, place.base, origin, place.key, place.file, place.line
        )
        return self._config((*at, "config"), [*overrides, override], seed=seed)

    def _config(
        self, at: Location, overrides: list[Override], seed: int | None = None
    ) -> LoadedConfig | None:
        path = self._path(at, seed)
        if path is None:
            return None
        try:
            return load_config(path, overrides)
        except ConfigError as error:
            self.problems += error.problems or [self.tree.problem(at, error.message)]
            return None

    def _all_overrides(self, job: Location | None) -> list[Override]:
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
        # An edit from the command line wins over the manifest's own, however each is spelt.
        return sorted(overrides, key=lambda override: override.file is None)

    def _override(self, at: Location, key: str, value: Any) -> Override:  # noqa: ANN401
        place = self.tree.place(at)[0]
        origin = f"{shown_path(place.file)}:{place.line}" if place.file else "command line"
        return Override(key, value, place.base, origin, place.key, place.file, place.line)

    def _trainer_args(self, at: Location) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        texts = self.tree.get((*at, "trainer_args"))
        for n, text in enumerate(texts if isinstance(texts, list) else ()):
            try:
                arguments |= parse_trainer_args([str(text)])
            except ConfigError as error:
                self._fault((*at, "trainer_args", n), f"'{text}' {error.problems[0].message}")
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
            self._fault(at, f"is not a usable path: {error}")
            return None

    def _file(self, at: Location) -> Path | None:
        path = self._path(at)
        if path is not None and not path.is_file():
            self._fault(at, f"there is no file {shown_path(path)}")
        return path

    def _no_name_twice(self, key: str) -> None:
        first: dict[str, int] = {}
        for n, job in enumerate(self._jobs()):
            name = job.get(key) if isinstance(job, dict) else None
            if not isinstance(name, str):
                continue
            # Some file systems take `A` and `a` for one directory.
            before = first.setdefault(name.casefold(), n)
            if before != n:
                place = self.tree.place(("jobs", before, key))[0]
                where = f" in line {place.line}" if place.line else ""
                self._fault(("jobs", n, key), f"another job{where} is called '{name}' too")

    def _fault(self, at: Location, message: str) -> None:
        self.problems.append(self.tree.problem(at, message))


def _name(job: Any) -> str | None:  # noqa: ANN401
    name = job.get("name") if isinstance(job, dict) else None
    return name if isinstance(name, str) else None
