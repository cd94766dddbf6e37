from __future__ import annotations

import errno
import math
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from topoqa_train import atomic
from topoqa_train.errors import MachineError
from topoqa_train.runs import metrics_file
from topoqa_train.runs.metrics_file import LEADING_COLUMNS, MetricsFile


@pytest.fixture
def table(tmp_path: Path) -> MetricsFile:
    return MetricsFile(tmp_path / "metrics" / "metrics.csv")


def row(epoch: int, **values: float) -> dict[str, float]:
    full = dict.fromkeys(LEADING_COLUMNS, 0.125 * epoch)
    return {**full, "epoch": float(epoch), "step": 10.0 * epoch, **values}


def same(one: float, two: float) -> bool:
    return struct.pack("d", one) == struct.pack("d", two) or (math.isnan(one) and math.isnan(two))


def test_columns_and_whole_numbers(table: MetricsFile) -> None:
    table.append({"val_mae": 1.0, **row(3)})
    header, line = table.path.read_text().splitlines()
    assert header == (
        "epoch,step,learning_rate,train_mse,val_loss,val_pearson_corr,val_spearman_corr,"
        "selection_metric,epoch_seconds,val_mae"
    )
    assert line.startswith("3,30,0.375,")


def test_rows_come_back_in_order(table: MetricsFile) -> None:
    rows = [row(epoch, extra=epoch / 3) for epoch in range(4)]
    for each in rows:
        table.append(each)
    assert table.rows() == rows
    assert table.path.read_bytes().count(b"\n") == 5


def test_nan_is_an_empty_field(table: MetricsFile) -> None:
    table.append({**row(0), "val_spearman_corr": math.nan})
    table.append({name: value for name, value in row(1).items() if name != "train_mse"})
    assert "nan" not in table.path.read_text().lower()
    first, second = table.rows()
    assert math.isnan(first["val_spearman_corr"])
    assert math.isnan(second["train_mse"])


@given(value=st.floats(allow_nan=True, allow_infinity=True))
@example(value=0.1 + 0.2)
@example(value=-0.0)
@example(value=5e-324)
def test_floats_are_exact(tmp_path_factory: pytest.TempPathFactory, value: float) -> None:
    table = MetricsFile(tmp_path_factory.getbasetemp() / "float.csv")
    table.path.unlink(missing_ok=True)
    table.append(row(0, val_loss=value, other=value))
    (back,) = table.rows()
    assert same(back["val_loss"], value)
    assert same(back["other"], value)


def test_a_missing_table_is_empty(table: MetricsFile) -> None:
    assert table.rows() == []
    table.cut(5)
    assert not table.path.exists()


class TestDamage:
    """Whatever a killed process or a broken disk left: whole rows are read, nothing raises."""

    @pytest.fixture
    def content(self, table: MetricsFile) -> bytes:
        for epoch in range(2):
            table.append(row(epoch, val_loss=1 / 3))
        return table.path.read_bytes()

    def test_cut_at_every_byte_it_can_be_cut_back_and_continued(
        self, table: MetricsFile, content: bytes
    ) -> None:
        second_row = content.index(b"\n", content.index(b"\n") + 1) + 1
        for length in range(second_row, len(content) + 1):
            table.path.write_bytes(content[:length])
            whole = content[:length].count(b"\n") - 1
            table.cut(whole)
            for epoch in range(whole, 2):
                table.append(row(epoch, val_loss=1 / 3))
            assert table.path.read_bytes() == content, length

    def test_cut_at_every_byte_a_checkpoint_restores_it(
        self, table: MetricsFile, content: bytes
    ) -> None:
        history = table.rows()
        for length in range(len(content) + 1):
            table.path.write_bytes(content[:length])
            assert table.cut(2, history) == []
            assert table.path.read_bytes() == content, length
        table.path.unlink()
        assert table.cut(2, history) == []
        assert table.path.read_bytes() == content

    def test_rows_that_no_checkpoint_has_are_lost_and_returned(
        self, table: MetricsFile, content: bytes
    ) -> None:
        header = content.index(b"\n") + 1
        for length in range(len(content) + 1):
            table.path.write_bytes(content[:length])
            whole = max(0, content[:length].count(b"\n") - 1)
            assert table.cut(2) == list(range(whole, 2)), length
            # The next row finds a table that it can be added to.
            table.append(row(2, val_loss=1 / 3))
            assert [each["epoch"] for each in table.rows()] == [*range(whole), 2]
            assert table.path.read_bytes().startswith(content[:header])

    def test_later_epochs_of_the_history_are_ignored(
        self, table: MetricsFile, content: bytes
    ) -> None:
        history = table.rows()
        assert table.cut(1, history) == []
        assert [each["epoch"] for each in table.rows()] == [0]
        assert table.cut(0, history) == []
        assert table.rows() == []

    @given(content=st.binary(max_size=300), place=st.integers(0, 400))
    def test_any_bytes_are_read(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes, place: int
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "any.csv"
        good = "epoch,val_loss\n" + "".join(f"{epoch},0.5\n" for epoch in range(30))
        path.write_bytes(good.encode()[:place] + content + good.encode()[place:])
        for each in metrics_file.read(path):
            assert set(each) >= {"epoch"}
            assert math.isfinite(each["epoch"])

    @pytest.mark.parametrize(
        "line",
        [
            b"\x00" * 64,
            b"1\r,0.5",
            b'1,"0.5',
            b"1,0.5,7",
            b"1",
            b"one,0.5",
            b",0.5",
            b"inf,0.5",
            b"1," + b"9" * 200_000 + b"x",
            b'"' + b"x" * 200_000,
            b"\xff\xfe,1",
        ],
        ids=range(11),
    )
    def test_a_damaged_line_spares_the_others(self, tmp_path: Path, line: bytes) -> None:
        path = tmp_path / "metrics.csv"
        path.write_bytes(b"epoch,val_loss\n0,0.5\n" + line + b"\n2,0.25\n")
        assert metrics_file.read(path) == [
            {"epoch": 0.0, "val_loss": 0.5},
            {"epoch": 2.0, "val_loss": 0.25},
        ]

    @pytest.mark.parametrize("content", [b"", b"\n", b"a,b\n1,2\n", b"\xef\xbb\xbfepoch\n1\n"])
    def test_a_file_without_epochs_is_empty(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "m.csv").write_bytes(content)
        assert metrics_file.read(tmp_path / "m.csv") == []


class TestCut:
    def test_later_rows_and_duplicates_are_removed(self, table: MetricsFile) -> None:
        for epoch, loss in ((0, 0.5), (1, 0.4), (1, 0.3), (2, 0.2), (3, 0.1)):
            table.append(row(epoch, val_loss=loss))
        table.cut(3)
        assert [each["epoch"] for each in table.rows()] == [0, 1, 2]
        assert [each["val_loss"] for each in table.rows()] == [0.5, 0.3, 0.2]

    def test_cut_to_nothing_keeps_the_columns(self, table: MetricsFile) -> None:
        table.append(row(0, extra=1.0))
        table.cut(0)
        assert table.rows() == []
        assert table.path.read_text().rstrip().endswith(",extra")

    def test_killed_while_cutting_the_table_is_unchanged(
        self, table: MetricsFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for epoch in range(3):
            table.append(row(epoch))
        before = table.path.read_bytes()

        def killed(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            table.cut(1)
        assert table.path.read_bytes() == before


def test_a_full_disk_is_a_machine_error(
    table: MetricsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.append(row(0))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "write", full)
    with pytest.raises(MachineError):
        table.append(row(1))
    monkeypatch.undo()
    assert [each["epoch"] for each in table.rows()] == [0]


def test_damaged_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    assert metrics_file.damaged_lines(path) == []
    path.write_text("epoch,val_loss\n0,0.5\nnonsense\n1,0.4,7\n2,x\n3,0.3\n4,")
    assert metrics_file.damaged_lines(path) == [3, 4, 5]
    assert [row["epoch"] for row in metrics_file.read(path)] == [0, 3]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_pipes_and_devices_are_refused(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "metrics.csv"
    make(path)
    for read in (metrics_file.read, metrics_file.columns):
        with pytest.raises(OSError, match="not a file"):
            read(path)
    assert metrics_file.damaged_lines(path) == []
