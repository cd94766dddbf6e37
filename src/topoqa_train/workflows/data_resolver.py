"""Find the files that a config trains on, and check that they exist. Opens no graph."""

from __future__ import annotations

from collections.abc import Sequence

from topoqa_train import datasets, log
from topoqa_train.config.models import TrainingConfig
from topoqa_train.datasets import Progress
from topoqa_train.labels.coverage import DataScan, check_coverage, scan_data
from topoqa_train.launch.job import DataFiles
from topoqa_train.views.progress import DataSummary

_log = log.get(__name__)
_NAMED = 5


class DataResolver:
    """Finds the files of configs; each named data set is prepared once."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._prepared: dict[str, DataFiles] = {}
        self._scans: dict[str, DataScan] = {}

    def files(self, config: TrainingConfig) -> DataFiles:
        """Return the files of a config; its `paths` take precedence over the data set's.

        Raises:
            RequestError: the data set is unknown or could not be prepared.
        """
        paths = config.paths
        named = {
            name: value
            for name in DataFiles.model_fields
            if name not in ("name", "version") and (value := getattr(paths, name)) is not None
        }
        if paths.dataset is None:
            return DataFiles(**named)
        if paths.dataset not in self._prepared:
            prepared = datasets.prepare(paths.dataset, self.progress)
            self._prepared[paths.dataset] = DataFiles.of(prepared)
        found = self._prepared[paths.dataset]
        if "graph" in named:
            # The metadata of the data set describe its own graphs, not these.
            found = found.model_copy(update={"metadata": None, "summary": None})
        return found.model_copy(update=named)

    def look(self, files: DataFiles) -> DataSummary:
        """Read the labels and look for every graph; return what was found.

        Raises:
            DataError: a label file or the folder of graphs can't be used.
        """
        found = self._scan(files)
        total = sum(part.total for part in found.coverage)
        usable = sum(part.usable for part in found.coverage)
        return DataSummary(
            name=files.short_title,
            targets=found.targets,
            graphs={part.split: part.usable for part in found.coverage},
            coverage=100.0 * usable / max(total, 1),
        )

    def check(self, files: DataFiles, config: TrainingConfig) -> DataSummary:
        """Do the same as `look`, and check the coverage against what the config requires.

        Raises:
            DataError: labels or graphs are missing or wrong, or too few are covered.
        """
        check_coverage(
            self._scan(files).coverage,
            minimum_percent=config.coverage.required_percent,
            fail_on_missing=config.coverage.fail_on_missing,
        )
        return self.look(files)

    def _scan(self, files: DataFiles) -> DataScan:
        key = files.model_dump_json()
        if key not in self._scans:
            self._scans[key] = scan_data(files.labels(), files.graph)
            _warn_of_shared(self._scans[key].shared_targets())
        return self._scans[key]


def _warn_of_shared(targets: Sequence[str]) -> None:
    if targets:
        _log.warning(
            "targets in more than one split: %d (%s); their validation and test metrics hold "
            "for complexes that were trained on, not for new ones",
            len(targets),
            ", ".join(targets[:_NAMED]) + (", ..." if len(targets) > _NAMED else ""),
        )
