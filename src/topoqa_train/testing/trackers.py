"""The contract of a tracker (entry-point group `topoqa_train.trackers`)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.clock import SystemClock, iso
from topoqa_train.config.models import SECTIONS
from topoqa_train.launch import environment
from topoqa_train.plugins import discovery
from topoqa_train.runs import status as run_status
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.metrics_file import LEADING_COLUMNS, MetricsFile
from topoqa_train.runs.paths import RunPaths
from topoqa_train.testing.commands import HEAVY
from topoqa_train.trackers import TrackedRun, Tracker

# Bounds a tracker that waits; the work itself takes a fraction of it.
_PROMPT_SECONDS = 10.0
_LOAD = """
import json, sys
from topoqa_train.plugins import discovery
discovery.find(discovery.TRACKERS, "tracker", sys.argv[1]).load()
print(json.dumps([name for name in sys.argv[2:] if name in sys.modules]))
"""


class TrackerContract:
    """A suite: subclass it and set `name`; override `settings` to test other ones."""

    name: str
    paths: RunPaths

    @pytest.fixture(autouse=True)
    def _run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        self.paths = RunPaths(tmp_path / "runs" / "r")
        self.write(epochs=2, status="completed")

    def settings(self) -> dict[str, Any]:
        """Return the tracker's section of the config; relative paths are in a temporary folder."""
        section = SECTIONS[self.name].model_validate({"enabled": True})
        return section.model_dump(mode="json")

    def write(self, epochs: int, status: str, **fields: Any) -> None:  # noqa: ANN401
        """Write the files of a run that trained `epochs` epochs."""
        table = MetricsFile(self.paths.metrics)
        for epoch in range(len(table.rows()), epochs):
            table.append(dict.fromkeys(LEADING_COLUMNS, epoch / 10) | {"epoch": epoch})
        now, done = iso(SystemClock().now()), {"epochs_done": epochs}
        document = RunMetadata(
            run_name="r", created=now, completed=now, status=status, progress=done, **fields
        )
        document.write(self.paths.metadata)

    def start(self) -> Tracker:
        """Start the tracker as a training does."""
        make = discovery.find(discovery.TRACKERS, "tracker", self.name).load()
        run = TrackedRun(self.paths.root, self.settings(), environment.for_tracker(), lambda: False)
        tracker: Tracker = make(run)
        return tracker

    def test_the_list_of_plugins_has_a_line_for_it(self) -> None:
        """Check for a line that can be read without importing: a docstring or the summary."""
        assert discovery.find(discovery.TRACKERS, "tracker", self.name).line

    def test_loading_it_is_light(self) -> None:
        """Check that the training, which loads it, does not load the tracker's library."""
        done = subprocess.run(  # noqa: S603 - this Python
            [sys.executable, "-c", _LOAD, self.name, *HEAVY, self.name],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == []

    def test_a_run_is_tracked_and_resumed_without_touching_its_files(self) -> None:
        """Check two sessions of a run; starting a tracker and asking for problems must not wait."""
        for epochs in (2, 3):
            self.write(epochs, status="completed")
            before = self._content()
            began = time.monotonic()
            tracker = self.start()
            problem = tracker.problem()
            assert time.monotonic() - began < _PROMPT_SECONDS
            assert (problem, tracker.close(stopped=False)) == (None, None)
            assert {name: self._content()[name] for name in before} == before

    def test_a_stopped_run_does_not_wait_for_it(self) -> None:
        """Check that closing is quick while the tracker is still busy."""
        self.write(2, status="running", process=run_status.this_process())
        tracker = self.start()
        began = time.monotonic()
        tracker.close(stopped=True)
        assert time.monotonic() - began < _PROMPT_SECONDS
        # It follows the run to its end.
        self.write(2, status="interrupted")

    def _content(self) -> dict[str, bytes]:
        files = (self.paths.metadata, self.paths.metrics)
        return {file.name: file.read_bytes() for file in files}
