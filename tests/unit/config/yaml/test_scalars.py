from __future__ import annotations

import pytest

from topoqa_train.config.yaml.scalars import described, is_printable, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-3", 0.005),
        (".5", 0.5),
        ("1.", 1.0),
        ("-3", -3),
        ("1_000", 1000),
        ("0x1f", 31),
        ("0o17", 15),
        ("007", 7),
        ("true", True),
        ("False", False),
        ("", None),
        ("~", None),
        ("null", None),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    resolved = resolve(text)
    assert resolved == value
    assert type(resolved) is type(value)


@pytest.mark.parametrize(
    "text", ["yes", "on", "2026-01-31", "1e", "0x", "1.2.3", "~/graphs", "5 e3"]
)
def test_other_scalars_are_text(text: str) -> None:
    assert resolve(text) == text


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan", "1e999", "9" * 101])
def test_numbers_that_no_computation_can_use(text: str) -> None:
    with pytest.raises(ValueError, match=r"finite|digits"):
        resolve(text)


@pytest.mark.parametrize("text", ["\x00", "a\x1b[31m", "\ud800", "\x7f", "\ufeff"])
def test_control_characters_and_surrogates_are_not_printable(text: str) -> None:
    assert not is_printable(text)


def test_values_are_described_as_in_yaml() -> None:
    shown = [described(value) for value in (None, True, "fast", 0.5, 1.0, [1], {"a": 1})]
    assert shown == ["nothing", "true", "'fast'", "0.5", "1", "a list", "a mapping"]
    assert len(described("x" * 500)) < 50
