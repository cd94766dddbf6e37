from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from topoqa_train import datasets
from topoqa_train.datasets import DataSetPaths
from topoqa_train.errors import RequestError
from topoqa_train.plugins import DATASETS, PluginError

Install = Callable[..., Path]
GOOD = """
from pathlib import Path
from topoqa_train.api import DataSetPaths

def prepare(progress):
    with progress("building", 3) as advance:
        for _ in range(3):
            advance(1)
    here = Path("/data")
    return DataSetPaths(here / "graphs", here / "train.csv", here / "val.csv", None, None, None,
                        name="tiny", version="1")

def of_no_use(progress):
    return "graphs"

not_a_function = 7
"""


class Watched:
    """Progress that remembers what was shown."""

    def __init__(self) -> None:
        self.began: list[tuple[str, int | None]] = []
        self.steps = 0

    @contextmanager
    def __call__(self, description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        self.began.append((description, total))
        yield self._advance

    def _advance(self, steps: int) -> None:
        self.steps += steps


@pytest.fixture(autouse=True)
def tiny(install_plugin: Install) -> None:
    entries = {"tiny": "tiny_data:prepare", "wrong": "tiny_data:of_no_use"}
    entries |= {"number": "tiny_data:not_a_function", "gone": "tiny_data:no_such_name"}
    install_plugin("tiny-data", DATASETS, entries, {"tiny_data": GOOD})


def test_a_data_set_is_prepared_by_its_plugin_with_progress() -> None:
    progress = Watched()
    paths = datasets.prepare("tiny", progress)
    assert isinstance(paths, DataSetPaths)
    assert paths.graph == Path("/data/graphs")
    assert (progress.began, progress.steps) == ([("building", 3)], 3)


def test_an_unknown_name_gives_the_nearest_and_all_there_are() -> None:
    with pytest.raises(RequestError) as caught:
        datasets.prepare("tinny", Watched())
    error = caught.value
    assert error.message == "no data set is called 'tinny'; did you mean 'tiny'?"
    assert "number" in error.details[0]
    assert "wrong" in error.details[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [("wrong", "gave str, not DataSetPaths"), ("gone", "is broken"), ("number", "int")],
)
def test_a_plugin_that_breaks_the_contract_is_named(name: str, said: str) -> None:
    with pytest.raises(PluginError) as caught:
        datasets.prepare(name, Watched())
    assert caught.value.exit_status == 2
    assert "tiny-data" in caught.value.message
    assert said in caught.value.message
