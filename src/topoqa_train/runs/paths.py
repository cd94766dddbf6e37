"""Every file of a run is a property of one object; nothing else spells these names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LATEST = "latest"
HISTORY = "history"
METADATA = "run_metadata.json"
CHECKPOINTS = "model_checkpoints"


@dataclass(frozen=True)
class RunPaths:
    """The files of the run in `root`. Creates nothing by itself."""

    root: Path

    @property
    def run_id(self) -> str:
        """The directory's own name, by which people call the run."""
        return self.root.name

    @property
    def config_dir(self) -> Path:
        """Folder of the three config files."""
        return self.root / "config"

    @property
    def config(self) -> Path:
        """The config after overrides; running it again gives the same run."""
        return self.config_dir / "config.yaml"

    @property
    def original_config(self) -> Path:
        """The source config, byte for byte."""
        return self.config_dir / "original_config.yaml"

    @property
    def applied_overrides(self) -> Path:
        """What the overrides were; there only with overrides."""
        return self.config_dir / "applied_overrides.yaml"

    @property
    def metadata(self) -> Path:
        """What was run, where, how far it came."""
        return self.root / METADATA

    @property
    def console_log(self) -> Path:
        """All that the trainer printed."""
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
        """One row an epoch."""
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
        """Where to go on."""
        return self.checkpoints / "last.ckpt"

    @property
    def error(self) -> Path:
        """The trace of a failed run."""
        return self.root / "error.txt"

    @property
    def lock(self) -> Path:
        """Held by the one process that may write here."""
        return self.root / ".lock"

    def relative(self, path: Path) -> str:
        """`path` as it stands inside the run: relative, with forward slashes."""
        return path.relative_to(self.root).as_posix()
