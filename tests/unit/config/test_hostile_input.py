"""Any content of a file or an override gives a valid config or a `ConfigError`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from limits import within

from topoqa_train.config.load import config_from_bytes, load_config
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.overrides import parse_override, parse_trainer_args
from topoqa_train.config.recipes import find_recipe
from topoqa_train.errors import ConfigError

HERE = Path("x.yaml")
GOOD = find_recipe("configs", "sched_boost_seed222").read_bytes()
MANIFEST = find_recipe("manifests", "run_core").read_bytes()
WORDS = """paths trainer model mlflow graph_dir learning_rate tags options dataset demo graph seed
jobs name config shared overrides fine_tune phase2 seeds {seed} [ ] { } , ' " & &a *a ! !x !!int
!!str | > # % @ ` ? << ~ --- ... .inf 1e999 0x 5e-3 true null \\u0000 \\ud800 \\U00110000 %YAML 1.1
%TAG \ufeff é 😀 ../configs/sched_boost_seed222.yaml"""
SIGNS = (":", ": ", " - ", "\n", "\n  ", " ", "\t", "\u2028")
BITS = st.sampled_from((*WORDS.split(), *SIGNS))
SPLICES = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 30), BITS), max_size=4)


def refused(error: ConfigError) -> None:
    """Check that a refusal has a message, and that it is not pydantic's."""
    rows = [error.message, *error.details]
    assert all(rows)
    assert not any("validation error" in row or "Input should" in row for row in rows)


def read(content: bytes) -> None:
    try:
        loaded = config_from_bytes(content, HERE)
    except ConfigError as error:
        refused(error)
    else:
        assert config_from_bytes(loaded.to_yaml().encode(), HERE).config == loaded.config


def spliced(text: bytes, splices: list[tuple[int, int, str]]) -> bytes:
    for start, length, bit in splices:
        at = start % len(text)
        text = text[:at] + bit.encode() + text[at + length :]
    return text


@settings(max_examples=80)
@given(st.binary(max_size=80))
@example(b"\xef\xbb\xbf")
@example(b"paths: {dataset: demo}\x85")
def test_any_bytes(content: bytes) -> None:
    read(content)


@settings(max_examples=150)
@given(st.lists(BITS | st.text(max_size=3), max_size=25))
def test_any_pieces_of_yaml(pieces: list[str]) -> None:
    read("".join(pieces).encode("utf-8", "surrogatepass"))


@settings(max_examples=60)
@given(SPLICES)
def test_any_damage_to_a_config(splices: list[tuple[int, int, str]]) -> None:
    read(spliced(GOOD, splices))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(splices=SPLICES)
def test_any_damage_to_a_manifest(splices: list[tuple[int, int, str]], tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(spliced(MANIFEST, splices))
    try:
        load_manifest(path)
    except ConfigError as error:
        refused(error)


@settings(max_examples=150)
@given(st.text(max_size=20) | st.lists(BITS, max_size=8).map("".join), st.booleans())
def test_any_override(text: str, with_equals: bool) -> None:
    assignment = f"{text[:3]}={text[3:]}" if with_equals else text
    for read_it in (lambda: parse_override(assignment, base=Path()), lambda: _applied(assignment)):
        try:
            read_it()
        except ConfigError as error:
            refused(error)
    try:
        parse_trainer_args([assignment])
    except ConfigError as error:
        refused(error)


def _applied(assignment: str) -> None:
    config_from_bytes(GOOD, HERE, [parse_override(assignment, base=Path())])


def message_of(content: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        config_from_bytes(content, HERE)
    refused(caught.value)
    rows = [caught.value.message, *caught.value.details]
    assert len(rows) <= 52
    assert max(map(len, rows)) < 500
    return "\n".join(rows)


LAUGHS = b"".join(
    b"a%d: &a%d {<<: [*a%d, *a%d], k%d: 1}\n" % (n, n, n - 1, n - 1, n) for n in range(1, 40)
)
ALIASES = b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)
BOMBS = {
    **{f"deep {s}": (s.encode() * 15_000, "levels deep") for s in ("[", "{a: ", "- ", "? ")},
    "aliases of aliases": (b"a0: &a0 [lol, lol]\n" + ALIASES, "more than 20000 values"),
    "merges of merges": (b"a0: &a0 {x: 1}\n" + LAUGHS, "more than 20000 values"),
    "a wide merge, often": (
        b"a: &a {" + b", ".join(b"k%d: 1" % n for n in range(4000)) + b"}\n"
        + b"".join(b"m%d: {<<: *a}\n" % n for n in range(4000)),
        "more than 20000 values",
    ),
    "an anchor in itself": (b"a: &a {<<: *a}\n", "levels deep"),
    "a class": (b'x: !!python/object/apply:os.system ["true"]\n', "the tag"),
    "many digits": (b"trainer: {num_epochs: " + b"9" * 60_000 + b"}\n", "too many digits"),
    "many hexadecimals": (b"trainer: {threads: 0x" + b"f" * 60_000 + b"}", "too many digits"),
    "many small lines in quotes": (b'a: "' + b"x\n" * 400_000 + b'"', "data"),
    "many documents": (b"---\n" * 200_000, "a second document"),
    "many tags": (b"".join(b"%%TAG !a%d! x\n" % n for n in range(50_000)) + b"---\na: 1\n", "data"),
    "many keys": (b"".join(b"k%d: 1\n" % n for n in range(80_000)), "more than 20000 values"),
    "many unknown keys": (b"".join(b"k%d: 1\n" % n for n in range(5_000)), "and "),
    "a long key": (b"? " + b"k" * 60_000 + b"\n: 1\n", "kkkk..."),
    "long keys": (b"".join(b"%s%d: 1\n" % (b"k" * 900, n) for n in range(100)), "kkkk..."),
    "clocks and dates": (b"trainer: {num_epochs: 1:30:00, threads: 2001-01-01}\n", "valid integer"),
    "lists as keys": (b"[a, b]: 1\n? {c: d}\n: 2\n", "a key has to be one word"),
    "other text": ("paths: {dataset: demo}\n".encode("utf-16"), "not text in UTF-8"),
    "a null byte": (b"paths: {dataset: demo\0}\n", "does not allow"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), BOMBS.values(), ids=BOMBS)
def test_bombs(content: bytes, words: str) -> None:
    assert words in within(lambda: message_of(content), mebibytes=96)


NAMES = ["../x", "/x", "a/b", "a\\b", "..", ".", "", "-x", ".x", "latest", "history", "a\0b"]
NAMES += [
    "a\n",
    "a\nb",
    "History",
    "x" * 129,
    "é" * 100,
    "a:b",
    "a b ",
    "*",
    "\u202e",
    "{seed}",
    "$HOME",
    "~",
]


@pytest.mark.parametrize("name", [*NAMES, "a\x1b[2J"])
def test_names_of_jobs_and_runs_outside_the_run_root(tmp_path: Path, name: str) -> None:
    (tmp_path / "c.yaml").write_bytes(b"paths: {dataset: demo}\n")
    for key in ("name", "run_name"):
        job = {"name": "ok", "config": "c.yaml", key: name}
        path = tmp_path / "m.yaml"
        path.write_text(json.dumps({"jobs": [job]}))
        with pytest.raises(ConfigError) as caught:
            load_manifest(path)
        refused(caught.value)
        assert name not in caught.value.details[0] or name.isprintable()


def test_special_files_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "endless.yaml").symlink_to("/dev/zero")
    (tmp_path / "round.yaml").symlink_to("round.yaml")
    for name in ("pipe", "endless", "round"):
        for load in (load_config, load_manifest):
            with pytest.raises(ConfigError, match=name):
                load(tmp_path / f"{name}.yaml")
