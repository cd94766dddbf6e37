"""The data set `demo`, at a small size, keeps the contract of every data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_graphs.demo import Plan, ensure
from topoqa_train.api import DataSetPaths
from topoqa_train.testing.datasets import DataSetContract, quiet

PLAN = Plan(splits={"train": ("2OOB",), "val": ("1FFW",), "test": ("1EFN",)}, count=3, seed=7)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class TestDemo(DataSetContract):
    name = "demo"

    @pytest.fixture(autouse=True)
    def _at_home(self, home: Path) -> None:
        self.home = home

    def prepare(self) -> DataSetPaths:
        return ensure(PLAN, self.home, quiet, jobs=1)
