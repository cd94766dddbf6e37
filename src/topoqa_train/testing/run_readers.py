"""The contract of a run reader (entry-point group `topoqa_train.run_readers`)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.clock import SystemClock
from topoqa_train.plugins import discovery
from topoqa_train.runs import leaderboard, metadata, summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.readers import RunReader
from topoqa_train.runs.store import is_run
from topoqa_train.runs.summary import RunSummary


class RunReaderContract:
    """A suite: subclass it, set `name` and write a run in `write_run`."""

    name: str
    reader: RunReader
    run: Path

    def write_run(self, folder: Path) -> None:
        """Fill the empty `folder` with a run that has metrics and a checkpoint."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _a_run(self, tmp_path: Path) -> None:
        self.reader = discovery.find(discovery.RUN_READERS, "run reader", self.name).load()()
        self.run = tmp_path / "runs" / "a_run"
        self.run.mkdir(parents=True)
        self.write_run(self.run)

    def read(self) -> RunSummary:
        """Return the run as every command reads it."""
        return summary.read(RunPaths(self.run), SystemClock())

    def metadata(self) -> dict[str, Any] | None:
        """Return what the reader is given."""
        paths = RunPaths(self.run)
        return metadata.load(paths.metadata) if paths.metadata.exists() else None

    def test_it_recognises_its_runs_alone(self, tmp_path: Path) -> None:
        """Check that an empty folder, a missing one or a file is not taken for a run."""
        assert self.reader.recognises(self.run, self.metadata())
        assert is_run(self.run)
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").touch()
        for name in ("empty", "missing", "file"):
            assert not self.reader.recognises(tmp_path / name, None)

    def test_a_glance_agrees_with_a_full_read(self) -> None:
        """Check both, because commands use either."""
        glance = self.reader.glance(self.run, self.metadata())
        found = self.reader.read(self.run, self.metadata())
        assert glance.kind == found.kind != ""
        assert glance.tables == found.tables
        for name in ("run_name", "created", "completed", "status"):
            assert glance.metadata.get(name) == found.metadata.get(name)

    def test_commands_can_show_it(self) -> None:
        """Check that epochs are in order, times have a zone, checkpoints exist, and all is JSON."""
        found = self.read()
        assert found.read_only
        assert datetime.fromisoformat(found.metadata.created).tzinfo is not None
        epochs = [row["epoch"] for row in found.rows]
        assert epochs == sorted(set(epochs)) != []
        assert all(row.keys() == found.rows[0].keys() for row in found.rows)
        assert found.checkpoints()
        for each in found.checkpoints():
            assert each.path.is_file()
            assert each.path.is_relative_to(self.run)
        json.dumps(leaderboard.to_document(leaderboard.rank([found])), allow_nan=False)
        json.dumps(found.metadata.model_dump(mode="json"), allow_nan=False)

    def test_a_moved_run_reads_the_same(self, tmp_path: Path) -> None:
        """Check that no path of the old place is used."""
        before = self.read()
        self.run = self.run.rename(tmp_path / "a_run")
        after = self.read()
        assert [repr(row) for row in after.rows] == [repr(row) for row in before.rows]
        assert [each.epoch for each in after.checkpoints()] == [
            each.epoch for each in before.checkpoints()
        ]

    def test_reading_writes_nothing(self) -> None:
        """Check that no file and no time changes."""
        before = self._files()
        self.read()
        self.reader.glance(self.run, self.metadata())
        assert self._files() == before

    def _files(self) -> list[tuple[Path, int, int]]:
        found = [self.run, *sorted(self.run.rglob("*"))]
        return [(file, file.lstat().st_mtime_ns, file.lstat().st_size) for file in found]
