"""A run seen from outside while it trains: its files and the process that they name, no more."""

from __future__ import annotations

from dataclasses import dataclass

from topoqa_train.clock import Clock
from topoqa_train.errors import MachineError, RequestError
from topoqa_train.runs import metadata, metrics_file, status
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore


@dataclass(frozen=True)
class Glimpse:
    """A run as its files have it at one moment; `over` when this sitting of it is."""

    document: RunMetadata
    rows: list[dict[str, float]]
    status: Status
    over: bool


class Sitting:
    """One sitting of a run: from now until its process has ended it, or has died, or is replaced.

    Follows the directory when it is moved to `history/`.
    """

    def __init__(self, paths: RunPaths, clock: Clock) -> None:
        """Raises `RequestError` where there is no run."""
        self.paths = paths
        self.clock = clock
        self._document = metadata.read(paths.metadata)
        self._process = self._document.process

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        self._read()
        return self.replaced or self._status() not in (Status.CREATED, Status.RUNNING)

    @property
    def replaced(self) -> bool:
        """Whether another process has taken the run up since."""
        return self._document.process != self._process

    def look(self) -> Glimpse:
        """The run now.

        Only epochs that a resumed run would not repeat are in it: those that run_metadata.json,
        written last of all, counts. So nothing is sent that is taken back later.

        Raises:
            MachineError: its directory is gone.
            OSError: it can't be read.
        """
        while True:
            self._read()
            over = self.over
            rows = metrics_file.read(self.paths.metrics)
            # Moved between the two: an empty table would be a wrong one.
            if self.paths.metadata.exists():
                break
            if not self._moved():
                raise MachineError(f"run {self.paths.run_id} is gone")
        done = self._document.progress.get("epochs_done", 0)
        rows = [row for row in rows if row["epoch"] < done]
        return Glimpse(self._document, rows, self._status(), over)

    def _status(self) -> Status:
        return status.derive(self.paths, self._document, self.clock)

    def _read(self) -> None:
        try:
            self._document = metadata.read(self.paths.metadata)
        except RequestError:
            # Moved, or out of reach for a moment: what was read last then tells who runs it.
            self._moved()

    def _moved(self) -> bool:
        try:
            self.paths = RunStore(self.paths.root.parent).find(self.paths.run_id)
        except (RequestError, OSError):
            return False
        return True
