"""The suites of topoqa-train, for what this package adds."""

from pathlib import Path

import pytest

from topoqa_train.api import ModelOptions
from topoqa_train.testing.commands import CommandContract
from topoqa_train.testing.datasets import DataSetContract
from topoqa_train.testing.launchers import LauncherContract
from topoqa_train.testing.models import ModelContract


class TestContacts(CommandContract):
    name = "contacts"


class TestNodeMean(ModelContract):
    name = "node-mean"
    options = ModelOptions(extra={"width": 8})


class TestClouds(DataSetContract):
    name = "clouds"

    @pytest.fixture(autouse=True)
    def _own_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TOPOQA_TRAIN_CACHE", str(tmp_path))


class TestNice(LauncherContract):
    name = "nice"
