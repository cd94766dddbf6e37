from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from topoqa_train.errors import DataError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Labels
from topoqa_train.training.data.fingerprint import fingerprint

MakeSplit = Callable[..., tuple[Labels, GraphIndex]]


def test_the_same_data_elsewhere_have_the_same_fingerprint(
    make_split: MakeSplit, tmp_path: Path
) -> None:
    labels, index = make_split({"a_1": 0.5, "b_1": 0.25})
    first = fingerprint([labels], index)
    shutil.copytree(index.root, tmp_path / "copy")
    (tmp_path / "copy" / "unused.pt").write_bytes(b"x")
    moved = replace(labels, path=tmp_path / "other.csv", left_out_lines=(9,))
    assert fingerprint([moved], GraphIndex.scan(tmp_path / "copy")) == first
    assert len(first.whole) == 32


def test_any_change_changes_it(make_split: MakeSplit) -> None:
    labels, index = make_split({"a_1": 0.5, "b_1": 0.25})
    prints = {fingerprint([labels], index)}
    row = labels.rows[0]
    for changed in (
        replace(labels, split="train"),
        replace(labels, rows=(replace(row, dockq=0.5000001), labels.rows[1])),
        replace(labels, rows=(replace(row, target="z"), labels.rows[1])),
        replace(labels, rows=labels.rows[::-1]),
        replace(labels, rows=labels.rows[:1]),
    ):
        prints.add(fingerprint([changed], index))
    path = index.paths()[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    prints.add(fingerprint([labels], index))
    assert len(prints) == 7


def test_labels_without_a_graph_count_by_their_label(make_split: MakeSplit) -> None:
    labels, index = make_split({"a_1": 0.5, "b_1": 0.25})
    with_graph = fingerprint([labels], index)
    index.paths()[1].unlink()
    without = fingerprint([labels], GraphIndex.scan(index.root))
    assert without.whole != with_graph.whole
    assert without.labels == with_graph.labels
    assert without.graphs != with_graph.graphs


def test_labels_and_graphs_have_one_of_their_own_each(make_split: MakeSplit) -> None:
    labels, index = make_split({"a_1": 0.5, "b_1": 0.25})
    before = fingerprint([labels], index)
    row = labels.rows[0]
    relabelled = replace(labels, rows=(replace(row, dockq=0.75), labels.rows[1]))
    after = fingerprint([relabelled], index)
    assert (after.graphs, after.labels != before.labels) == (before.graphs, True)
    index.paths()[0].write_bytes(b"another")
    after = fingerprint([labels], index)
    assert (after.labels, after.graphs != before.graphs) == (before.labels, True)


def test_a_graph_that_went_away_is_named(make_split: MakeSplit) -> None:
    labels, index = make_split({"a_1": 0.5})
    index.paths()[0].unlink()
    with pytest.raises(DataError, match=r"a_1\.pt can't be read"):
        fingerprint([labels], index)
