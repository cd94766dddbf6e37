"""The contract of a data set (entry-point group `topoqa_train.datasets`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from topoqa_train import datasets
from topoqa_train.datasets import DataSetPaths
from topoqa_train.launch.job import DataFiles
from topoqa_train.training.data.load import LoadedData, load_data


@contextmanager
def quiet(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a progress that shows nothing."""
    del description, total
    yield lambda _: None


class DataSetContract:
    """A suite: subclass it and set `name`; override `prepare` to build a smaller data set."""

    name: str

    def prepare(self) -> DataSetPaths:
        """Build the data set if necessary, and return its paths."""
        return datasets.prepare(self.name, quiet)

    def load(self) -> LoadedData:
        """Return all graphs and labels, checked as a run checks them."""
        files = DataFiles.of(self.prepare())
        return load_data(
            files.labels(),
            graph_dir=files.graph,
            metadata_path=files.metadata,
            summary_path=files.summary,
        )

    def test_every_label_has_a_valid_graph(self) -> None:
        """Check coverage; loading raises for a graph that is not valid."""
        data = self.load()
        assert all(percent == 100.0 for percent in data.coverage_percent().values())
        assert min(data.counts().values()) > 0

    def test_paths_are_absolute(self) -> None:
        """Check the paths: a run can be started in one folder and resumed from another."""
        found = self.prepare()
        named = (found.graph, found.train_labels, found.val_labels)
        more = (found.test_labels, found.metadata, found.summary)
        assert all(path.is_absolute() for path in (*named, *more) if path is not None)
        assert found.version

    def test_twice_gives_the_same(self) -> None:
        """Check paths, version and content."""
        assert self.prepare() == self.prepare()
        assert self.load().fingerprint == self.load().fingerprint

    def test_no_target_in_two_splits(self) -> None:
        """Check that a complex that is trained on is not validated or tested on."""
        data = self.load()
        splits = [split for split in (data.train, data.val, data.test) if split is not None]
        targets = [target for split in splits for target in split.targets]
        assert len(targets) == len(set(targets))

    def test_labels_can_be_ranked(self) -> None:
        """Check that DockQ differs within each target of val, else no ranking can be measured."""
        data = self.load()
        for place in range(len(data.val.targets)):
            assert len(set(data.val.dockq[data.val.target_ids == place])) > 1
