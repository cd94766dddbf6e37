from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, Self

import pytest

from topoqa_train.config.load import LoadedConfig
from topoqa_train.errors import TrainingError
from topoqa_train.launch.job import Check, Job, Task
from topoqa_train.runs.events import Begun, Event, RunCreated, RunEnded
from topoqa_train.views.progress import Plan
from topoqa_train.workflows.data_resolver import DataResolver

PEER = Path(__file__).parents[3] / "shared" / "peer"


@pytest.fixture(scope="session")
def peer() -> Path:
    """The folder of the published graphs and weights; skips where it is missing."""
    if not PEER.is_dir():
        pytest.skip("../shared/peer does not exist")
    return PEER


@contextmanager
def _quiet(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    yield lambda steps: None


@pytest.fixture
def quick_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing a config with its comments takes longer than all else here; `config` tests it."""
    monkeypatch.setattr(LoadedConfig, "to_yaml", lambda self: f"# as written of {self.source}\n")


@pytest.fixture
def resolver() -> DataResolver:
    return DataResolver(_quiet)


@dataclass
class Project:
    """A folder with labels, graphs that nobody opens, configs and a manifest."""

    root: Path

    def __post_init__(self) -> None:
        self.labels("train", {f"1ABC_{number:03d}": number / 10 for number in range(6)})
        self.labels("val", {f"2XYZ_{number:03d}": number / 10 for number in range(3)})
        for name in ("one", "two", "three", "first", "second_101", "second_555"):
            self.config(name)
        self.manifest()

    def labels(self, split: str, rows: Mapping[str, float], *, graphs: bool = True) -> Path:
        path = self.root / f"{split}.csv"
        lines = ["MODEL,dockq", *(f"{model},{dockq}" for model, dockq in rows.items())]
        path.write_text("\n".join(lines) + "\n")
        folder = self.root / "graphs"
        folder.mkdir(exist_ok=True)
        for model in rows if graphs else ():
            (folder / f"{model}.pt").touch()
        return path

    def config(self, name: str, more: str = "") -> Path:
        path = self.root / "configs" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        text = """
            paths: {graph: ../graphs, train_labels: ../train.csv, val_labels: ../val.csv}
            trainer: {num_epochs: 4}
        """
        path.write_text(dedent(text) + dedent(more))
        return path

    def manifest(
        self,
        jobs: Sequence[str] = ("one", "two", "three"),
        *,
        start_from: str = "phase1",
        fine_tune: bool = True,
        more: str = "",
    ) -> Path:
        lines = ["jobs:"]
        lines += [f"  - {{name: {job}, config: ../configs/{job}.yaml}}" for job in jobs]
        if fine_tune:
            lines += [
                "fine_tune:",
                "  phase1: {config: ../configs/first.yaml}",
                "  phase2:",
                '    config: "../configs/second_{seed}.yaml"',
                "    seeds: [101, 555]",
                f"    start_from: {start_from}",
            ]
        path = self.root / "manifests" / "tiny.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([*lines, more]) + "\n")
        return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_yaml: None) -> Project:
    """A project, with the working directory in it."""
    monkeypatch.delenv("TOPOQA_TRAIN_RUNS", raising=False)
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    return Project(root)


@dataclass
class Recorder:
    """A reporter that remembers."""

    plans: list[Plan] = field(default_factory=list)
    phases: list[tuple[str, list[str]]] = field(default_factory=list)
    before: list[tuple[str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def plan(self, plan: Plan) -> None:
        self.plans.append(plan)

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        self.phases.append((name, list(jobs)))

    def done_before(self, job: str, run_id: str) -> None:
        self.before.append((job, run_id))

    def event(self, event: Event) -> None:
        self.events.append(event)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@dataclass
class FakeLauncher:
    """Writes at once what a training would leave, in place of training.

    `losses` is the best val_loss of a job by its name, `outcomes` how it ends: completed, failed,
    interrupted, or killed (its own files then say nothing of it).
    """

    make_files: Callable[[Path], Any]
    epoch: Any
    losses: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    did: list[Task] = field(default_factory=list)
    entered: int = 0

    def __enter__(self) -> Self:
        self.entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.entered -= 1

    def run(
        self, tasks: Sequence[Task], on_event: Callable[[Event], None], *, keep_going: bool
    ) -> list[RunEnded]:
        ended: list[RunEnded] = []
        for task in tasks:
            self.did.append(task)
            on_event(Begun(job=task.name))
            ended.append(self._do(task, on_event))
            on_event(ended[-1])
            if ended[-1].status != "completed" and not keep_going:
                break
        return ended

    def jobs(self) -> list[Job]:
        return [task for task in self.did if isinstance(task, Job)]

    def _do(self, task: Task, on_event: Callable[[Event], None]) -> RunEnded:
        outcome = self.outcomes.get(task.name, "completed")
        status: Any = "failed" if outcome == "killed" else outcome
        error = None
        if outcome != "completed":
            error = TrainingError(f"it was {outcome}", hint="Look.").to_json()
        if isinstance(task, Check):
            return RunEnded(job=task.name, status=status, error=error)
        run = self._directory(task, "running" if outcome == "killed" else outcome)
        on_event(RunCreated(job=task.name, run_dir=str(run)))
        return RunEnded(job=task.name, status=status, run_dir=str(run), error=error)

    def _directory(self, job: Job, status: str) -> Path:
        if job.resume_run is not None:
            document = json.loads((job.resume_run / "run_metadata.json").read_text())
            document["status"] = status
            (job.resume_run / "run_metadata.json").write_text(json.dumps(document))
            return job.resume_run
        job.output_root.mkdir(parents=True, exist_ok=True)
        taken = len([entry for entry in job.output_root.iterdir() if entry.is_dir()])
        name = job.run_name or (f"{job.name}_{taken}" if job.stamped else job.name)
        loss = self.losses.get(job.name, 0.05)
        history = [self.epoch(loss + 0.01), self.epoch(loss), self.epoch(loss + 0.02)]
        run: Path = self.make_files(job.output_root)(
            name, history, status=status, ranking_metric="val_loss", job=job.name
        )
        return run


@pytest.fixture
def launcher(run_files: Any, epoch: Any, monkeypatch: pytest.MonkeyPatch) -> FakeLauncher:
    """The launcher of every workflow of this test."""
    from topoqa_train.launch import base

    fake = FakeLauncher(type(run_files), epoch)
    monkeypatch.setattr(base, "make", lambda name, at_once: fake)
    return fake


@pytest.fixture
def base(run_files: Any) -> Path:
    """A checkpoint that a run can have started from: of epoch 1 of the run `base`."""
    run_files("base")
    (found,) = (run_files.root / "base" / "model_checkpoints").glob("*_epoch1.chkpt")
    return Path(found)
