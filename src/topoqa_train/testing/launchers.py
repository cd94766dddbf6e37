"""The contract of a launcher (entry-point group `topoqa_train.launchers`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_train.config.job_plan import JobPlan
from topoqa_train.config.load import LoadedConfig, load_config
from topoqa_train.config.run_options import RunOptions
from topoqa_train.launch import base
from topoqa_train.launch.base import Launcher
from topoqa_train.launch.job import Check, Job, Task
from topoqa_train.runs.events import Begun, DataReady, EpochEnded, Event, RunCreated, RunEnded
from topoqa_train.testing import small
from topoqa_train.testing.datasets import quiet
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import make_job


class LauncherContract:
    """A suite: subclass it and set `name`; override `job` to train something else."""

    name: str
    config: LoadedConfig

    @pytest.fixture(autouse=True)
    def _small(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.config = load_config(small.write_config(tmp_path_factory.mktemp("small")))

    def job(self, name: str, root: Path) -> Job:
        """Return a job called `name` that trains in seconds and writes its run to `root`."""
        return make_job(JobPlan(name, self.config), DataResolver(quiet), output_root=root)

    def launcher(self, at_once: int = 1) -> Launcher:
        """Return the launcher under test."""
        return base.make(self.name, at_once)

    def run(
        self, *tasks: Task, at_once: int = 1, keep_going: bool = False
    ) -> tuple[list[RunEnded], list[Event]]:
        """Run `tasks`; return how they ended, and every event."""
        events: list[Event] = []
        with self.launcher(at_once) as launcher:
            ended = launcher.run(list(tasks), events.append, keep_going=keep_going)
        return ended, events

    def test_the_order_of_events(self, tmp_path: Path) -> None:
        """Check the order: begun, created, data, every epoch, ended."""
        job = self.job("a", tmp_path)
        ended, events = self.run(job)
        assert [end.status for end in ended] == ["completed"]
        assert isinstance(events[0], Begun)
        assert isinstance(events[1], RunCreated)
        assert isinstance(events[-1], RunEnded)
        assert sum(isinstance(event, DataReady) for event in events) == 1
        epochs = [event.epoch for event in events if isinstance(event, EpochEnded)]
        assert epochs == list(range(1, job.config.trainer.num_epochs + 1))
        assert ended[0].run_dir == events[1].run_dir
        assert Path(events[1].run_dir).parent == tmp_path

    def test_results_are_in_the_order_of_the_tasks(self, tmp_path: Path) -> None:
        """Check the order of the results, whichever task ends first."""
        ended, _ = self.run(*(self.job(name, tmp_path) for name in "abc"), at_once=2)
        assert [end.job for end in ended] == ["a", "b", "c"]

    def test_a_check_creates_no_run(self, tmp_path: Path) -> None:
        """Check that a check only reads."""
        job = self.job("a", tmp_path / "runs")
        ended, events = self.run(Check(name="data", config=job.config, data=job.data))
        assert [end.status for end in ended] == ["completed"]
        assert [type(event) for event in events] == [Begun, DataReady, RunEnded]
        assert not (tmp_path / "runs").exists()

    def test_a_failure_stops_tasks_that_have_not_started(self, tmp_path: Path) -> None:
        """Check that the failure is returned as an error that can be shown."""
        bad = self._broken(self.job("bad", tmp_path))
        ended, _ = self.run(bad, self.job("good", tmp_path))
        assert [(end.job, end.status) for end in ended] == [("bad", "failed")]
        assert ended[0].error is not None
        assert ended[0].error["exit_status"] == 2

    def test_keep_going(self, tmp_path: Path) -> None:
        """Check that a failed task does not stop the others."""
        bad = self._broken(self.job("bad", tmp_path))
        ended, _ = self.run(bad, self.job("good", tmp_path), keep_going=True)
        assert [(end.job, end.status) for end in ended] == [
            ("bad", "failed"),
            ("good", "completed"),
        ]

    @staticmethod
    def _broken(job: Job) -> Job:
        options = RunOptions(weights_from=job.output_root / "no such checkpoint")
        return job.model_copy(update={"options": options})
