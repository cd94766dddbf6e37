"""All file names of a run directory, as properties of one object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LATEST = "latest"
HISTORY = "history"
METADATA = "run_metadata.json"
CHECKPOINTS = "model_checkpoints"


@dataclass(frozen=True)
class RunPaths:
    """The files of the run in `root`; creates nothing."""

    root: Path

    @property
    def run_id(self) -> str:
        """Name of the directory, which is the name of the run."""
        return self.root.name

    @property
    def config_dir(self) -> Path:
        """Folder of the three config files."""
        return self.root / "config"

    @property
    def config(self) -> Path:
        """Config after overrides; training with it gives the same run."""
        return self.config_dir / "config.yaml"

    @property
    def original_config(self) -> Path:
        """The source config, byte for byte."""
        return self.config_dir / "original_config.yaml"

    @property
    def applied_overrides(self) -> Path:
        """Overrides; exists only if there were any."""
        return self.config_dir / "applied_overrides.yaml"

    @property
    def metadata(self) -> Path:
        """What was run, where, and how far it has come."""
        return self.root / METADATA

    @property
    def console_log(self) -> Path:
        """Output of the training process."""
        return self.root / "training_console.log"

    @property
    def feature_metadata(self) -> Path:
        """Resolved schemas of nodes and edges and their provenance."""
        return self.root / "feature_metadata.json"

    @property
    def coverage(self) -> Path:
        """Labels with and without graphs, per split."""
        return self.root / "dataset_coverage.json"

    @property
    def metrics(self) -> Path:
        """One row per epoch."""
        return self.root / "metrics" / "metrics.csv"

    @property
    def test_predictions(self) -> Path:
        """Scores of the test decoys by the best checkpoint."""
        return self.root / "metrics" / "test_predictions.csv"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints and the links to them."""
        return self.root / CHECKPOINTS

    @property
    def best(self) -> Path:
        """Link to the best checkpoint by the ranking metric."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """Checkpoint to resume from."""
        return self.checkpoints / "last.ckpt"

    @property
    def error(self) -> Path:
        """Traceback of a failed run."""
        return self.root / "error.txt"

    @property
    def lock(self) -> Path:
        """Lock file of the only process that may write here."""
        return self.root / ".lock"

    def relative(self, path: Path) -> str:
        """Return `path` relative to the run, with forward slashes."""
        return path.relative_to(self.root).as_posix()
