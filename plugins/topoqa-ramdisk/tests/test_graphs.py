from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_ramdisk.graphs import PAGE, find_graphs, one_folder
from topoqa_train.errors import DataError


def test_graphs_in_sub_folders_and_the_builders_documents(graphs: Path) -> None:
    (graphs / ".hidden.pt").touch()
    (graphs / ".git").mkdir()
    (graphs / ".git" / "x.pt").touch()
    (graphs / "notes.txt").touch()
    found = find_graphs(graphs)
    assert [str(file.target) for file in found.files] == [
        "graph_data/1ABC/001.pt",
        "graph_data/2XYZ_001.pt",
        "graph_data/graph_builder_summary.json",
        "graph_metadata.json",
    ]
    assert [file.path.name for file in found.graphs] == ["001.pt", "2XYZ_001.pt"]
    assert found.folder == Path("graph_data")


def test_memory_is_counted_in_pages(graphs: Path) -> None:
    found = find_graphs(graphs)
    sizes = [file.path.stat().st_size for file in found.files]
    assert found.size == sum(sizes)
    assert 5 * PAGE <= found.memory <= 5 * PAGE + 4 * 1024 + 4 * PAGE
    assert found.memory > found.size
    assert found.entries == 4 + 3  # ., graph_data, graph_data/1ABC


def test_links_to_files_are_followed_and_to_folders_not(graphs: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.pt").write_bytes(b"z" * 10)
    (graphs / "linked.pt").symlink_to(elsewhere / "a.pt")
    (graphs / "folder").symlink_to(elsewhere)
    (graphs / "nowhere.pt").symlink_to(tmp_path / "gone")
    found = {file.path.name: file.size for file in find_graphs(graphs).graphs}
    assert found == {"001.pt": 100, "2XYZ_001.pt": 5000, "linked.pt": 10}


def test_a_folder_without_graphs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no graph"):
        find_graphs(tmp_path)
    with pytest.raises(DataError, match="can't be read"):
        find_graphs(tmp_path / "gone")


def test_the_jobs_have_to_read_one_folder() -> None:
    assert one_folder(["a", "a"]) == Path("a")
    with pytest.raises(DataError) as caught:
        one_folder(["a", "b", "a"])
    assert "2 folders" in caught.value.message
    assert caught.value.details == ("a", "b")
    assert "--graph-dir" in (caught.value.hint or "")
