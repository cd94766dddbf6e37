from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

from topoqa_train.errors import DataError
from topoqa_train.labels.graph_index import GraphIndex, graph_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1ABC_1.pt", "sub/1ABC_2.pt", "sub/deep/2XYZ_1.pt", "a/b.pt", "notes.txt"):
        path = tmp_path / "graphs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "graphs"


@pytest.mark.parametrize(
    ("model", "file"),
    [
        ("1ABC_1", "1ABC_1.pt"),
        ("1ABC_2", "sub/1ABC_2.pt"),
        ("sub/1ABC_2", "sub/1ABC_2.pt"),
        ("2XYZ_1", "sub/deep/2XYZ_1.pt"),
        ("deep/2XYZ_1", "sub/deep/2XYZ_1.pt"),
        ("a__b", "a/b.pt"),
        ("a/b", "a/b.pt"),
        ("sub__deep__2XYZ_1", "sub/deep/2XYZ_1.pt"),
        ("sub__deep/2XYZ_1", "sub/deep/2XYZ_1.pt"),
    ],
)
def test_finds_a_model_by_its_names(folder: Path, model: str, file: str) -> None:
    assert GraphIndex.scan(folder).find(model) == folder / file


@pytest.mark.parametrize("model", ["1ABC", "1ABC_1.pt", "notes", "1abc_1", "a_b", "", "b/a"])
def test_what_is_not_there_is_none(folder: Path, model: str) -> None:
    assert GraphIndex.scan(folder).find(model) is None


def test_all_graphs_are_listed_once_sorted(folder: Path) -> None:
    index = GraphIndex.scan(folder)
    assert len(index) == 4
    assert index.paths() == tuple(
        folder / name for name in ("1ABC_1.pt", "a/b.pt", "sub/1ABC_2.pt", "sub/deep/2XYZ_1.pt")
    )


def test_the_folder_itself_comes_before_its_sub_folders(folder: Path) -> None:
    shutil.copy(folder / "1ABC_1.pt", folder / "sub" / "1ABC_1.pt")
    assert GraphIndex.scan(folder).find("1ABC_1") == folder / "1ABC_1.pt"
    (folder / "a__b.pt").write_bytes(b"")
    assert GraphIndex.scan(folder).find("a__b") == folder / "a__b.pt"


def test_a_name_in_full_comes_before_one_by_its_end(folder: Path) -> None:
    (folder / "sub" / "a").mkdir()
    (folder / "sub" / "a" / "b.pt").write_bytes(b"")
    assert GraphIndex.scan(folder).find("a__b") == folder / "a" / "b.pt"
    assert GraphIndex.scan(folder).find("sub__a__b") == folder / "sub" / "a" / "b.pt"


def test_two_sub_folders_with_the_same_model_is_an_error_that_names_both(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "1ABC_2.pt").write_bytes(b"x")
    index = GraphIndex.scan(folder)
    with pytest.raises(DataError, match="2 graphs match 1ABC_2") as caught:
        index.find("1ABC_2")
    assert set(caught.value.details) == {
        str(folder / "other" / "1ABC_2.pt"),
        str(folder / "sub" / "1ABC_2.pt"),
    }
    assert index.find("other/1ABC_2") == folder / "other" / "1ABC_2.pt"


def test_a_link_to_a_graph_is_that_graph(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.pt").write_bytes(b"")
    (folder / "9LNK_1.pt").symlink_to(tmp_path / "elsewhere.pt")
    (folder / "a" / "1ABC_2.pt").symlink_to(folder / "sub" / "1ABC_2.pt")
    index = GraphIndex.scan(folder)
    assert index.find("9LNK_1") == folder / "9LNK_1.pt"
    found = index.find("1ABC_2")
    assert found is not None
    assert found.samefile(folder / "sub" / "1ABC_2.pt")


def test_links_to_folders_broken_links_and_what_is_no_file_are_passed_over(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "3OUT_1.pt").write_bytes(b"")
    (folder / "out").symlink_to(outside)
    (folder / "sub" / "round").symlink_to(folder)
    (folder / "broken.pt").symlink_to(folder / "nothing")
    (folder / "self.pt").symlink_to(folder / "self.pt")
    (folder / "folder.pt").mkdir()
    (folder / ".hidden.pt").write_bytes(b"")
    os.mkfifo(folder / "pipe.pt")
    with caplog.at_level(logging.WARNING):
        index = GraphIndex.scan(folder)
    assert len(index) == 4
    assert index.find("3OUT_1") is None
    assert str(folder / "out") in caplog.text
    assert str(folder / "sub" / "round") in caplog.text


def test_missing_empty_and_wrong_folders_name_the_way_out(folder: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        if path == tmp_path:
            shutil.rmtree(folder)
        with pytest.raises(DataError) as caught:
            GraphIndex.scan(path)
        assert str(path) in caught.value.message
        assert "topoqa-train graphs build --structures ... --out ..." in (caught.value.hint or "")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="is a file, not a folder"):
        GraphIndex.scan(tmp_path / "file")


def test_the_folder_that_a_build_made_may_be_named_by_what_it_lies_in(tmp_path: Path) -> None:
    assert graph_folder(tmp_path) == tmp_path
    (tmp_path / "graph_data").mkdir()
    assert graph_folder(tmp_path) == tmp_path / "graph_data"
