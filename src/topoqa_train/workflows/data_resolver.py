"""Which files a config trains on, and whether they are all there. Opens no graph."""

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
        self._surveyed: dict[str, DataScan] = {}

    def files(self, config: TrainingConfig) -> DataFiles:
        """The files of a config; what its `paths` name stands before what the data set gives.

        Raises:
            RequestError: the data set is unknown or could not be made.
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
            # The set's own metadata describe its own graphs, not these.
            found = found.model_copy(update={"metadata": None, "summary": None})
        return found.model_copy(update=named)

    def look(self, files: DataFiles) -> DataSummary:
        """Read the labels and look for every graph, however many there are.

        Raises:
            DataError: a label file or the folder of graphs can't be used.
        """
        found = self._survey(files)
        total = sum(part.total for part in found.coverage)
        usable = sum(part.usable for part in found.coverage)
        return DataSummary(
            name=files.title,
            targets=found.targets,
            graphs={part.split: part.usable for part in found.coverage},
            coverage=100.0 * usable / max(total, 1),
        )

    def check(self, files: DataFiles, config: TrainingConfig) -> DataSummary:
        """`look`, and hold the coverage against what is required.

        Raises:
            DataError: labels or graphs are missing or wrong, or too few are covered.
        """
        check_coverage(
            self._survey(files).coverage,
            minimum_percent=config.coverage.required_percent,
            fail_on_missing=config.coverage.fail_on_missing,
        )
        return self.look(files)

    def _survey(self, files: DataFiles) -> DataScan:
        key = files.model_dump_json()
        if key not in self._surveyed:
            self._surveyed[key] = scan_data(files.labels(), files.graph)
            _tell_shared(self._surveyed[key].shared_targets())
        return self._surveyed[key]


def _tell_shared(targets: Sequence[str]) -> None:
    if targets:
        _log.warning(
            "targets in more than one split: %d (%s); what val and test say of them holds "
            "for complexes that were trained on, not for new ones",
            len(targets),
            ", ".join(targets[:_NAMED]) + (", ..." if len(targets) > _NAMED else ""),
        )
