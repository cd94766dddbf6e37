from __future__ import annotations

import os
from pathlib import Path

import pytest

from topoqa_train.config.yaml.reader import MAX_BYTES, parse_bytes, parse_text, read_bytes


def data(text: str) -> object:
    document, problems = parse_text(text)
    assert document is not None
    assert not problems
    return document.data


def first_error(text: str) -> tuple[str, int | None]:
    _, problems = parse_text(text)
    return problems[0].message, problems[0].line


def test_lines_of_keys_and_items() -> None:
    document, _ = parse_text("a: 1\n\nb:\n  # note\n  c: [1,\n      2]\n'd': >\n  text\n")
    assert document is not None
    assert document.data == {"a": 1, "b": {"c": [1, 2]}, "d": "text\n"}
    lines = {key: line for key, line in document.lines.items() if key}
    assert lines == {
        ("a",): 1,
        ("b",): 3,
        ("b", "c"): 5,
        ("b", "c", 0): 5,
        ("b", "c", 1): 6,
        ("d",): 7,
    }


def test_quoted_and_tagged_scalars() -> None:
    text = "{a: '5', b: \"true\", c: !!str 5, d: !!int 5}"
    assert data(text) == {"a": "5", "b": "true", "c": "5", "d": 5}


def test_anchors_and_merges() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [{z: 4}, *b]}\nthree: *b\n"
    text += "name: &key four\n*key : 4\n"
    assert data(text) == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 3},
        "two": {"z": 4, "x": 1, "y": 2},
        "three": {"x": 1, "y": 2},
        "name": "four",
        "four": 4,
    }


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a: 1\nb: [1\n", "a bracket is never closed", 2),
        ('a: 1\nb: "x\n\n', "a quote is never closed", 2),
        ("a: 1\n- b\n", "a wrong indent", 2),
        ("a: 1\nb: @x\n", "found character '@'", 2),
        ("a: 1\nb: c: d\n", "': ' in a value without quotes", 2),
        ("a:\n\tb: 1\n", "a tab; indent with spaces", 2),
        ("a: 1\nb\nc: 2\n", "a key without a colon", 2),
        ("a: 1\nb: 2\na: 3\n", "duplicate key, first in line 1", 3),
        ("a: 1\n---\nb: 2\n", "a second document", 2),
        ("a: 1\nb: *c\n", "undefined alias 'c'", 2),
        ("a: &a [*a]\n", "nested more than 32", 1),
        ("a: 1\nb: !!python/object/apply:os.system ['true']\n", "the tag", 2),
        ("a: !Thing {}\n", "the tag", 1),
        ("a: 1\n? [b, c]\n: 2\n", "a key has to be one word", 2),
        ("a: 1\nb: .nan\n", ".nan is not a finite number", 2),
        ('a: "\\u0000"\n', "control character", 1),
        ('"\\u0000": a\n', "control character", 1),
        ('a: "\\U00110000"\n', "an invalid escape", None),
        ("a: 1\nb: \x01\n", "a character that YAML does not allow", 2),
        ("a: {<<: 5}\n", "<< takes a mapping", 1),
    ],
)
def test_an_error_names_its_line(text: str, words: str, line: int | None) -> None:
    message, where = first_error(text)
    assert words in message
    assert where == line


def test_errors_that_hide_no_others_are_reported_together() -> None:
    _, problems = parse_text("a: !x 1\na: 2\nb: .inf\nc: !y 2\n")
    assert sorted(problem.line or 0 for problem in problems) == [1, 2, 3, 4]


def test_long_lines_are_stopped() -> None:
    assert first_error("a: 1\n" + "!" * 70_000) == ("a line of more than 65536 characters", 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"[1, 2]", "should hold sections"),
        (b"just text", "should hold sections"),
        (b"a: \xff\xfe", "is not text in UTF-8"),
        (b"\x80PK\x03\x04", "is not text in UTF-8"),
    ],
)
def test_files_that_are_not_a_mapping(content: bytes, words: str, error_of) -> None:
    error = error_of(lambda: parse_bytes(content, Path("x.yaml"), "config"))
    assert error.message == "x.yaml is not a valid config:"
    assert words in error.details[0]


def test_a_byte_order_mark_is_accepted() -> None:
    assert parse_bytes(b"\xef\xbb\xbfa: 1", Path("x"), "config").data == {"a": 1}


def test_unreadable_paths(here: Path, error_of) -> None:
    (here / "configs").mkdir()
    (here / "configs" / "a.yaml").write_text("a: 1")
    error = error_of(lambda: read_bytes(Path("configs"), "config"))
    assert "configs" in error.message
    assert "folder" in error.message
    assert error.hint == "It holds a.yaml."
    (here / "big.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    os.mkfifo(here / "pipe")
    for name, words in (("big.yaml", "1 MiB"), ("pipe", "pipe"), ("a\0b", ""), ("x" * 5000, "")):
        message = error_of(lambda name=name: read_bytes(Path(name), "config")).message
        assert "can't be read" in message
        assert words in message
