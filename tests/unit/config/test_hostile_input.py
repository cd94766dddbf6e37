"""Whatever stands in a file or an override: a valid config or a `ConfigError`, nothing else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from topoqa_train.config.load import config_from_bytes
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
    """A refusal has words, and they are ours."""
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
