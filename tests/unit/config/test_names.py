from __future__ import annotations

import pytest

from topoqa_train.config.names import plain_name, problem_of_name


@pytest.mark.parametrize(
    "name", ["a", "sched_boost_seed222_2026-01-31_23-59-59", "A.b+c", "x" * 128]
)
def test_plain_names(name: str) -> None:
    assert problem_of_name(name) is None


@pytest.mark.parametrize("text", ["my config", "", "..", "-x", "latest", "ü" * 300, "x" * 300])
def test_any_text_becomes_a_plain_name(text: str) -> None:
    assert problem_of_name(plain_name(text)) is None


def test_a_plain_name_stays_as_it_is() -> None:
    assert plain_name("sched_boost_seed222") == "sched_boost_seed222"
