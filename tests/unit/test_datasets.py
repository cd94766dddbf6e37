from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import flushing
import pytest

from topoqa_train import datasets
from topoqa_train.datasets import DataSetPaths
from topoqa_train.errors import MachineError, RequestError
from topoqa_train.plugins.discovery import DATASETS, PluginError

Install = Callable[..., Path]
GOOD = """
from pathlib import Path
from topoqa_train import api
from topoqa_train.api import DataSetPaths

def prepare(progress):
    with progress("building", 3) as advance:
        for _ in range(3):
            advance(1)
    here = Path("/data")
    return DataSetPaths(here / "graphs", here / "train.csv", here / "val.csv", None, None, None,
                        name="tiny", version="1")

def wrong_type(progress):
    return "graphs"

def too_short():
    pass

def refusing(progress):
    raise api.RequestError("not today")

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
    entries = {"tiny": "tiny_data:prepare", "wrong": "tiny_data:wrong_type"}
    entries |= {"number": "tiny_data:not_a_function", "gone": "tiny_data:no_such_name"}
    entries |= {"short": "tiny_data:too_short", "refusing": "tiny_data:refusing"}
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
    ("name", "message"),
    [("wrong", "returned str, not DataSetPaths"), ("gone", "is broken"), ("number", "int")],
)
def test_a_plugin_that_breaks_the_contract_is_named(name: str, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        datasets.prepare(name, Watched())
    assert caught.value.exit_status == 2
    assert "tiny-data" in caught.value.message
    assert message in caught.value.message


def test_an_exception_of_a_plugin_is_attributed_to_it() -> None:
    with pytest.raises(PluginError, match="'short' of tiny-data is broken: TypeError") as caught:
        datasets.prepare("short", Watched())
    assert "pip uninstall tiny-data" in (caught.value.hint or "")


def test_an_error_that_a_plugin_reports_is_passed_on() -> None:
    with pytest.raises(RequestError) as caught:
        datasets.prepare("refusing", Watched())
    assert caught.value.message == "not today"


class TestBuiltOnce:
    def test_a_folder_is_built_next_to_its_place_and_only_once(self, tmp_path: Path) -> None:
        built: list[Path] = []

        def build(folder: Path) -> None:
            assert list(folder.iterdir()) == []
            assert not (tmp_path / "a" / "b").exists()
            (folder / "x.csv").write_text("x")
            built.append(folder)

        for _ in range(2):
            assert datasets.build_once(tmp_path / "a" / "b", build) == tmp_path / "a" / "b"
        assert [folder.parent for folder in built] == [tmp_path / "a"]
        assert (tmp_path / "a" / "b" / "x.csv").read_text() == "x"
        assert not built[0].exists()

    def test_all_of_it_is_on_the_disk_before_it_has_its_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps = flushing.watch(monkeypatch)

        def build(folder: Path) -> None:
            (folder / "graphs").mkdir()
            (folder / "graphs" / "a.pt").write_text("a")
            (folder / "train.csv").write_text("t")
            (folder / "out").symlink_to(tmp_path)

        datasets.build_once(tmp_path / "set", build)
        assert steps == ["a.pt", "graphs", "train.csv", "set.part", "renamed", tmp_path.name]

    def test_an_interrupted_build_is_restarted(self, tmp_path: Path) -> None:
        def stopped(folder: Path) -> None:
            (folder / "half").touch()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            datasets.build_once(tmp_path / "set", stopped)
        assert not (tmp_path / "set").exists()
        made = datasets.build_once(tmp_path / "set", lambda folder: (folder / "whole").touch())
        assert [path.name for path in made.iterdir()] == ["whole"]

    def test_of_two_processes_one_builds(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        started, proceed = threading.Event(), threading.Event()
        built: list[str] = []

        def slowly(folder: Path) -> None:
            started.set()
            assert proceed.wait(60)
            built.append("slowly")

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(datasets.build_once, tmp_path / "set", slowly)
            assert started.wait(60)
            second = pool.submit(
                datasets.build_once, tmp_path / "set", lambda _: built.append("second")
            )
            while "waiting for it" not in caplog.text:
                assert not second.done()
            proceed.set()
            assert first.result(60) == second.result(60)
        assert built == ["slowly"]

    def test_an_unwritable_folder_is_reported_with_a_hint(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(MachineError, match="can't be written") as caught:
            datasets.build_once(tmp_path / "file" / "set", lambda folder: None)
        assert "TOPOQA_TRAIN_CACHE" in (caught.value.hint or "")

    def test_an_error_of_the_builder_is_not_attributed_to_the_cache(self, tmp_path: Path) -> None:
        def build(folder: Path) -> None:
            (tmp_path / "no such source").read_text()

        with pytest.raises(FileNotFoundError):
            datasets.build_once(tmp_path / "set", build)


def test_the_variable_sets_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOPOQA_TRAIN_CACHE", raising=False)
    assert datasets.cache_folder().name == "topoqa-train"
    monkeypatch.setenv("TOPOQA_TRAIN_CACHE", str(tmp_path))
    assert datasets.cache_folder() == tmp_path
