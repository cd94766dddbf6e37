from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_train.errors import DataError
from topoqa_train.labels.label_file import read_labels
from topoqa_train.labels.label_table import read_table


def test_rows_come_out_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(
        b'\xef\xbb\xbfMODEL,note,dockq\r\n1ABC_1,"a, b",0.5\r\n\r\n1ABC_2,,0.25\r\n'
        b'1ABC_3,"two\r\nlines",0.75\r\n1ABC_4,,\r\n1ABC_1,again,0.5\r\n1ABC_5,,0.1'
    )
    table = read_table(path, split="train")
    assert table.labels == read_labels(path, split="train")
    picked = [row for row in table.labels.rows if row.model != "1ABC_2"]
    assert table.text(picked) == (
        'MODEL,note,dockq\r\n1ABC_1,"a, b",0.5\r\n1ABC_3,"two\r\nlines",0.75\r\n1ABC_5,,0.1\n'
    )
    assert table.labels.left_out_lines == (7,)
    assert table.repeated_lines == (8,)


def test_all_rows_written_out_are_the_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("MODEL,dockq,TARGET\nb_1,0.5,x\na_1,0.25,y\n")
    table = read_table(path, split="train")
    assert table.text(table.labels.rows) == path.read_text()
    copy = tmp_path / "copy.csv"
    copy.write_text(table.text(reversed(table.labels.rows)))
    assert [row.model for row in read_labels(copy, split="x").rows] == ["a_1", "b_1"]


def test_what_labels_refuse_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("MODEL,dockq\na,0.5\na,0.6\n")
    with pytest.raises(DataError, match="can't be used"):
        read_table(path, split="train")
