from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import within

from topoqa_train.errors import DataError
from topoqa_train.labels import label_file as labels_module
from topoqa_train.labels.label_file import (
    Label,
    Labels,
    read_labels,
    read_table,
    target_of,
)


def read(tmp_path: Path, content: str | bytes) -> Labels:
    path = tmp_path / "labels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_labels(path, split="val")


def fault(tmp_path: Path, content: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content)
    error = caught.value
    assert str(tmp_path / "labels.csv") in error.message
    return "\n".join([error.message, *error.details, error.hint or ""])


def test_rows_keep_order_value_target_and_line(tmp_path: Path) -> None:
    labels = read(tmp_path, "MODEL,dockq\n2XYZ_7,0.5\n1ABC_1,0\n1ABC_2,1\n")
    assert labels.split == "val"
    assert labels.rows == (
        Label("2XYZ_7", 0.5, "2XYZ", 2),
        Label("1ABC_1", 0.0, "1ABC", 3),
        Label("1ABC_2", 1.0, "1ABC", 4),
    )
    assert labels.left_out == 0


def test_other_columns_in_any_order_and_a_target_column(tmp_path: Path) -> None:
    labels = read(tmp_path, "dockq, TARGET ,note,MODEL\n0.5, T1 ,x,a_1\n0.25,,x,b_1\n")
    assert [(row.model, row.target) for row in labels.rows] == [("a_1", "T1"), ("b_1", "b")]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_byte_order_mark_line_ends_quotes_and_blank_lines(tmp_path: Path, newline: str) -> None:
    text = newline.join(["\ufeffMODEL,dockq", '"a_1",0.5', "", " , ", "b_1,2.5e-1", ""])
    labels = read(tmp_path, text.encode())
    assert [(row.model, row.dockq, row.line) for row in labels.rows] == [
        ("a_1", 0.5, 2),
        ("b_1", 0.25, 5),
    ]


def test_rows_without_a_finite_dockq_are_left_out_and_counted(tmp_path: Path) -> None:
    values = ["", "nan", "NaN", "inf", "-inf", "NA", "unknown", "1e999"]
    rows = [f"a_{number},{value}" for number, value in enumerate(values)]
    labels = read(tmp_path, "\n".join(["MODEL,dockq", *rows, "short", "b_1,0.5"]))
    assert [row.model for row in labels.rows] == ["b_1"]
    assert labels.left_out == len(values) + 1
    assert labels.left_out_lines == tuple(range(2, 11))


def test_the_same_twice_counts_once(tmp_path: Path) -> None:
    labels = read(tmp_path, "MODEL,dockq\na_1,0.5\nb_1,0.1\na_1,0.50\na_1,\n")
    assert [row.model for row in labels.rows] == ["a_1", "b_1"]
    assert labels.left_out_lines == (5,)


def test_two_values_of_one_model_name_both_lines(tmp_path: Path) -> None:
    text = fault(tmp_path, "MODEL,dockq\na_1,0.5\nb_1,0.1\na_1,0.25\n")
    assert "lines 2 and 4: a_1 has dockq 0.5 and 0.25" in text


def test_two_targets_of_one_model_name_both_lines(tmp_path: Path) -> None:
    text = fault(tmp_path, "MODEL,dockq,TARGET\na_1,0.5,x\na_1,0.5,y\n")
    assert "lines 2 and 3: a_1 has TARGET x and y" in text


def test_dockq_outside_its_range_is_an_error_with_the_line(tmp_path: Path) -> None:
    text = fault(tmp_path, "MODEL,dockq\na_1,0.5\nb_1,1.01\nc_1,-0.1\n")
    assert "line 3: dockq of b_1 is 1.01" in text
    assert "line 4: dockq of c_1 is -0.1" in text


def test_many_faults_are_shortened(tmp_path: Path) -> None:
    rows = "\n".join(f"a_{number},7" for number in range(30))
    assert "and 20 more" in fault(tmp_path, f"MODEL,dockq\n{rows}\n")


@pytest.mark.parametrize(
    "model",
    ["../../etc/x", "/etc/x", "a/../b", "a//b", "a/", "./a", "..", "a\x07b", '"a\nb"', "..\\x"],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, model: str) -> None:
    assert "line" in fault(tmp_path, f"MODEL,dockq\nok_1,0.5\n{model},0.5\n")


def test_a_row_without_model_is_refused(tmp_path: Path) -> None:
    assert "line 2: no MODEL" in fault(tmp_path, "MODEL,dockq\n,0.5\n")


@pytest.mark.parametrize("header", ["model,dockq", "MODEL,DockQ", "name,score", "x"])
def test_missing_columns_name_those_that_are_there(tmp_path: Path, header: str) -> None:
    text = fault(tmp_path, f"{header}\na_1,0.5\n")
    assert "no column" in text
    assert all(repr(name) in text for name in header.split(","))


def test_other_delimiters_are_message_of(tmp_path: Path) -> None:
    assert "semicolons" in fault(tmp_path, "MODEL;dockq\na;0.5\n")
    assert "tabs" in fault(tmp_path, "MODEL\tdockq\na\t0.5\n")


def test_a_column_that_stands_twice(tmp_path: Path) -> None:
    assert "dockq twice" in fault(tmp_path, "MODEL,dockq,dockq\na_1,0.5,0.6\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"MODEL,dockq\n", "have no usable row"),
        (b"MODEL,dockq\na_1,\n", "1 rows without a finite dockq"),
        (b"\x00\x01\xff\xfe" * 50, "not text"),
        ("MODEL,dockq\na_1,0.5\n".encode("utf-16"), "not text"),
        (b"MODEL,dockq\na\x00_1,0.5\n", "not text"),
        (b"MODEL,dockq\n" + b"a" * 200_000 + b",0.5\n", "not CSV"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in fault(tmp_path, content)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file of test labels") as caught:
        read_labels(tmp_path / "none.csv", split="test")
    assert caught.value.hint == "Set paths.test_labels."
    with pytest.raises(DataError, match="can't be read"):
        read_labels(tmp_path, split="test")


def test_pipes_and_folders_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "endless.csv").symlink_to("/dev/zero")
    for name, said in (("pipe.csv", "it is a pipe"), ("endless.csv", "it is a device")):
        with pytest.raises(DataError, match=said):
            read_labels(tmp_path / name, split="test")
    with pytest.raises(DataError, match="not a valid path"):
        read_labels(tmp_path / "a\0b", split="test")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "labels.csv").open("wb") as file:
        file.truncate(2**32)

    def message_of() -> str:
        with pytest.raises(DataError) as caught:
            read_labels(tmp_path / "labels.csv", split="test")
        return caught.value.message

    assert "it has 4 GiB" in within(message_of, mebibytes=16)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"MODEL,dockq\n" + b"," * 20_000_000, "a line of more than 1048576 characters"),
        (b"x," * 10_000_000, "labels.csv:1: not CSV: a line of more than"),
        (b"MODEL,dockq\n" + b"../x,0.5\n" * 20_000, "and 19990 more"),
        (b'MODEL,dockq\n"' + b"a,0.5\n" * 100_000, "field larger than"),
    ],
    ids=["cells", "columns", "faults", "quote"],
)
def test_files_that_would_take_much_more_than_their_size(
    tmp_path: Path, content: bytes, said: str
) -> None:
    assert said in within(lambda: fault(tmp_path, content), mebibytes=80)


def test_a_file_of_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "MOST_LINES", 1000)
    assert "more than 1000 lines" in fault(tmp_path, b"MODEL,dockq\na,0.5\n" + b"\n" * 999)
    assert len(read(tmp_path, b"MODEL,dockq\na,0.5\n" + b"\n" * 998).rows) == 1


@pytest.mark.parametrize("name", ["a" * 256, "b/" + "é" * 128, "/".join(["c" * 100] * 11)])
def test_a_name_that_no_file_can_have_is_message_of_shortened(tmp_path: Path, name: str) -> None:
    text = fault(tmp_path, f"MODEL,dockq\nok_1,0.5\n{name},0.5\n")
    assert "line 3: MODEL" in text
    assert "too long" in text
    assert len(text) < 300


@pytest.mark.parametrize("target", ["a\x1b[31m", '"a\nb"', "a\u202eb", "x" * 1001])
def test_targets_that_can_not_be_shown_are_refused(tmp_path: Path, target: str) -> None:
    text = fault(tmp_path, f"MODEL,dockq,TARGET\na_1,0.5,{target}\n")
    assert "line " in text
    assert "\x1b" not in text
    assert len(text) < 300


def test_numbers_as_others_write_them(tmp_path: Path) -> None:
    """Python alone takes an underscore in a number."""
    labels = read(tmp_path, "MODEL,dockq\na,0_1\nb,0x1\nc, 5e-1 \nd,1e-400\ne,\u0660.\u0665\n")
    assert [(row.model, row.dockq) for row in labels.rows] == [("c", 0.5), ("d", 0.0), ("e", 0.5)]
    assert labels.left_out_lines == (2, 3)


@pytest.mark.parametrize(
    ("model", "target"),
    [("1ABC_004", "1ABC"), ("1ABC/m_1", "1ABC"), ("a_b/c", "a"), ("plain", "plain"), ("_x", "_x")],
)
def test_target_of(model: str, target: str) -> None:
    assert target_of(model) == target


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_give_labels_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    try:
        labels = read(tmp_path, b"MODEL,dockq\n" + content)
    except DataError:
        return
    assert all(0 <= row.dockq <= 1 and row.model for row in labels.rows)


@pytest.mark.peer
def test_published_labels(peer: Path) -> None:
    labels = read_labels(peer / "labels.csv", split="test")
    assert len(labels.rows) == 72
    assert len({row.target for row in labels.rows}) == 6


def test_rows_are_written_as_they_were_read(tmp_path: Path) -> None:
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


def test_a_table_refuses_what_labels_refuse(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("MODEL,dockq\na,0.5\na,0.6\n")
    with pytest.raises(DataError, match="can't be used"):
        read_table(path, split="train")
