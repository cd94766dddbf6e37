"""A job on its way to a process: everything it needs, in types that JSON can hold."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from topoqa_train.config.models import TrainingConfig
from topoqa_train.config.run_options import RunOptions
from topoqa_train.datasets import DataSetPaths
from topoqa_train.errors import shown_path


class DataFiles(BaseModel):
    """The `DataSetPaths` of a job, in a form that can be sent to another process."""

    model_config = ConfigDict(frozen=True)

    graph: Path
    train_labels: Path
    val_labels: Path
    test_labels: Path | None = None
    metadata: Path | None = None
    summary: Path | None = None
    name: str = "files"
    version: str = ""

    @classmethod
    def of(cls, paths: DataSetPaths) -> DataFiles:
        """Return the files that a data set plugin or a config gave."""
        return cls(**dataclasses.asdict(paths))

    @property
    def title(self) -> str:
        """Name for the user: the data set's, or the folder of its graphs."""
        return self.name if self.version else str(self.graph)

    @property
    def short_title(self) -> str:
        """`title` for a screen: a folder's path relative to the current or the home folder."""
        if self.version:
            return self.title
        shown, home = Path(shown_path(self.graph)), Path.home()
        return f"~/{shown.relative_to(home)}/" if shown.is_relative_to(home) else f"{shown}/"

    def labels(self) -> dict[str, Path]:
        """Return the label file of each split, in the order train, val, test."""
        every = {"train": self.train_labels, "val": self.val_labels, "test": self.test_labels}
        return {split: path for split, path in every.items() if path is not None}


class _OnData(BaseModel):
    """A task that reads a data set."""

    config: TrainingConfig
    data: DataFiles

    @property
    def data_key(self) -> str:
        """Key that is equal for tasks with the same graphs from the same files."""
        return self.data.model_dump_json() + self.config.coverage.model_dump_json()


class RerunOf(BaseModel):
    """The run that a job repeats.

    `differs` is what the user asked to change, as run_metadata.json records it; `reported` are the
    lines that the user has already read. If it is not `compared`, its results can't be reproduced.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    run_dir: Path
    differs: tuple[dict[str, Any], ...] = ()
    reported: tuple[str, ...] = ()
    compared: bool = True


class Job(_OnData):
    """One training to be done: `resume_run` is the run to resume, else a new run is created.

    A new run is called `run_name`, or else `name`, with a timestamp if `stamped`. `session` names
    the ledger of the batch or pipeline that the job belongs to and the job's identity there. The
    run's metadata keep it, so that a run which its ledger never recorded can be recovered.
    """

    model_config = ConfigDict(frozen=True)

    task: Literal["run"] = "run"
    name: str
    run_name: str | None = None
    stamped: bool = True
    output_root: Path
    config_yaml: str
    original_yaml: str
    source_config: str
    overrides: dict[str, Any] = Field(default_factory=dict)
    resume_run: Path | None = None
    resume_checkpoint: Path | None = None
    options: RunOptions = Field(default_factory=RunOptions)
    started_from: dict[str, Any] | None = None
    rerun_of: RerunOf | None = None
    session: dict[str, str] | None = None
    command: list[str] = Field(default_factory=list)


class Check(_OnData):
    """A check that all graphs of a data set are readable and each of `jobs` can train on them.

    It comes before the first run, so that an error in the third job does not show up after two
    trainings.
    """

    model_config = ConfigDict(frozen=True)

    task: Literal["check"] = "check"
    name: str
    jobs: tuple[Job, ...] = ()


Task = Job | Check
_ADAPTER: TypeAdapter[Task] = TypeAdapter(Annotated[Task, Field(discriminator="task")])


def to_line(task: Task) -> str:
    """Return a task as one line of JSON, without the newline."""
    return task.model_dump_json()


def from_line(line: str | bytes) -> Task:
    """Return the task of a line that `to_line` made."""
    return _ADAPTER.validate_json(line)
