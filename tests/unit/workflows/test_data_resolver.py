from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.load import load_config
from topoqa_train.config.models import TrainingConfig
from topoqa_train.config.overrides import parse_override
from topoqa_train.errors import DataError, RequestError
from topoqa_train.plugins.discovery import DATASETS
from topoqa_train.workflows.data_resolver import DataResolver

Install = Callable[..., Path]
DATA_SET = """
from pathlib import Path
from topoqa_train.api import DataSetPaths

prepared = []

def prepare(progress):
    prepared.append(1)
    root = Path({root!r})
    return DataSetPaths(
        graph=root / "graphs", train_labels=root / "train.csv", val_labels=root / "val.csv",
        test_labels=None, metadata=root / "meta.json", summary=root / "summary.json",
        name="tiny", version="7",
    )
"""


@pytest.fixture
def config(project: Any) -> Callable[..., TrainingConfig]:
    def _config(*overrides: str, more: str = "") -> TrainingConfig:
        parsed = [parse_override(text, base=project.root) for text in overrides]
        return load_config(project.config("x", more), parsed).config

    return _config


class TestFiles:
    def test_what_a_config_names(self, resolver: DataResolver, config: Any, project: Any) -> None:
        files = resolver.files(config())
        assert files.graph == project.root / "graphs"
        assert files.labels() == {
            "train": project.root / "train.csv",
            "val": project.root / "val.csv",
        }
        assert (files.name, files.version) == ("files", "")

    @pytest.fixture
    def tiny(self, install_plugin: Install, project: Any) -> Callable[..., TrainingConfig]:
        code = DATA_SET.format(root=str(project.root))
        install_plugin("tiny-data", DATASETS, {"tiny": "tiny_set:prepare"}, {"tiny_set": code})
        path = project.root / "tiny.yaml"
        path.write_text("paths: {dataset: tiny}\n")

        def _config(*overrides: str) -> TrainingConfig:
            parsed = [parse_override(text, base=project.root) for text in overrides]
            return load_config(path, parsed).config

        return _config

    def test_a_data_set_is_prepared_once(
        self, resolver: DataResolver, tiny: Any, project: Any
    ) -> None:
        first, second = resolver.files(tiny()), resolver.files(tiny())
        assert first == second
        assert (first.name, first.version) == ("tiny", "7")
        assert first.metadata == project.root / "meta.json"
        import tiny_set

        assert tiny_set.prepared == [1]

    def test_graphs_from_elsewhere_leave_the_set_s_metadata_behind(
        self, resolver: DataResolver, tiny: Any, project: Any
    ) -> None:
        files = resolver.files(tiny("paths.graph=fast/disk"))
        assert files.graph == project.root / "fast" / "disk"
        assert files.train_labels == project.root / "train.csv"
        assert (files.metadata, files.summary) == (None, None)
        given = resolver.files(tiny("paths.graph=fast/disk", "paths.metadata=own.json"))
        assert given.metadata == project.root / "own.json"

    def test_labels_from_elsewhere_keep_the_set_s_metadata(
        self, resolver: DataResolver, tiny: Any, project: Any
    ) -> None:
        files = resolver.files(tiny("paths.val_labels=other.csv"))
        assert files.val_labels == project.root / "other.csv"
        assert files.metadata == project.root / "meta.json"
        assert resolver.files(tiny()).val_labels == project.root / "val.csv"

    def test_an_unknown_data_set(self, resolver: DataResolver, tiny: Any) -> None:
        with pytest.raises(RequestError, match="'tinny'"):
            resolver.files(tiny("paths.dataset=tinny"))


class TestCheck:
    def test_existing_graphs_are_counted(
        self, resolver: DataResolver, config: Any, project: Any
    ) -> None:
        files = resolver.files(config())
        found = resolver.check(files, config())
        assert found.name == "graphs/"
        assert found.targets == 2
        assert found.graphs == {"train": 6, "val": 3}
        assert found.coverage == 100.0

    def test_missing_graphs_are_named_with_a_hint(
        self, resolver: DataResolver, config: Any, project: Any
    ) -> None:
        (project.root / "graphs" / "2XYZ_001.pt").unlink()
        with pytest.raises(DataError) as caught:
            resolver.check(resolver.files(config()), config())
        assert "val: 1 of 3" in caught.value.message
        assert "2XYZ_001" in "\n".join(caught.value.details)
        assert "coverage.fail_on_missing=false" in (caught.value.hint or "")

    def test_missing_graphs_within_the_limit_are_accepted(
        self, resolver: DataResolver, config: Any, project: Any
    ) -> None:
        (project.root / "graphs" / "2XYZ_001.pt").unlink()
        lenient = config("coverage.fail_on_missing=false", "coverage.minimum_percent=50")
        found = resolver.check(resolver.files(lenient), lenient)
        assert found.graphs == {"train": 6, "val": 2}
        assert found.coverage == pytest.approx(100 * 8 / 9)
        # What one job may do without, another may not.
        with pytest.raises(DataError):
            resolver.check(resolver.files(config()), config())

    def test_jobs_of_one_data_set_are_scanned_once(
        self, resolver: DataResolver, config: Any, project: Any
    ) -> None:
        first = resolver.check(resolver.files(config()), config())
        (project.root / "train.csv").unlink()
        assert resolver.check(resolver.files(config()), config()) == first
