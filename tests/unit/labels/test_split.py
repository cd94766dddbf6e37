from __future__ import annotations

import random

import pytest

from topoqa_train.errors import DataError
from topoqa_train.labels.label_file import Label
from topoqa_train.labels.split import Wish, split_by_target

ROWS = [
    Label(f"{target}_{number}", 0.5, target, line)
    for line, (target, number) in enumerate(
        ((target, number) for number in range(3) for target in "ABCDEFGHIJ"), start=2
    )
]


def targets(rows: list[Label]) -> set[str]:
    return {row.target for row in rows}


def test_whole_targets_go_to_one_split_each() -> None:
    wishes = {"val": Wish(0.2), "test": Wish(0.3)}
    splits = split_by_target(ROWS, wishes, seed=1)
    assert list(splits) == ["train", "val", "test"]
    assert [len(targets(splits[name])) for name in splits] == [5, 2, 3]
    assert sum(len(targets(rows)) for rows in splits.values()) == 10
    assert {row.model for rows in splits.values() for row in rows} == {row.model for row in ROWS}
    for rows in splits.values():
        assert [row.line for row in rows] == sorted(row.line for row in rows)


def test_the_seed_decides_and_the_order_of_rows_does_not(rng: random.Random) -> None:
    wishes = {"val": Wish(0.3)}
    one = split_by_target(ROWS, wishes, seed=7)
    shuffled = rng.sample(ROWS, len(ROWS))
    assert targets(one["val"]) == targets(split_by_target(shuffled, wishes, seed=7)["val"])
    drawn = {frozenset(targets(split_by_target(ROWS, wishes, seed=s)["val"])) for s in range(20)}
    assert len(drawn) > 5


def test_what_is_tested_on_stays_when_validation_is_drawn_otherwise() -> None:
    tests = [
        targets(split_by_target(ROWS, {"val": Wish(share), "test": Wish(0.2)}, seed=3)["test"])
        for share in (0.1, 0.5)
    ]
    assert tests[0] == tests[1]


def test_named_targets_go_where_they_are_named_to() -> None:
    wishes = {"val": Wish(0.9, ("C", "A")), "test": Wish(0.0, ("J",))}
    splits = split_by_target(ROWS, wishes, seed=1)
    assert (targets(splits["val"]), targets(splits["test"])) == ({"A", "C"}, {"J"})


def test_a_share_is_drawn_from_what_is_not_named() -> None:
    splits = split_by_target(ROWS, {"val": Wish(0.5), "test": Wish(0.0, ("A",))}, seed=1)
    assert "A" not in targets(splits["val"])
    assert len(targets(splits["val"])) == 5


def test_a_split_that_wishes_for_nothing_is_left_out() -> None:
    assert list(split_by_target(ROWS, {"val": Wish(0.01), "test": Wish()}, seed=1)) == [
        "train",
        "val",
    ]


@pytest.mark.parametrize(
    ("rows", "wishes", "words"),
    [
        (ROWS[:1], {"val": Wish(0.2)}, "one target \\(A\\) can't be split"),
        (ROWS, {"val": Wish(0.2, ("Z",))}, "no label has the target Z"),
        (ROWS, {"val": Wish(0.2, ("A",)), "test": Wish(0, ("A",))}, "named for val and test"),
        (ROWS, {"val": Wish(0.2, tuple("ABCDEFGHIJ"))}, "10 targets can't be split"),
        (ROWS, {}, "can't be split into training and validation"),
        (ROWS[:2], {"val": Wish(0.2), "test": Wish(0.9)}, "2 targets can't be split"),
    ],
)
def test_what_cannot_be_split(rows: list[Label], wishes: dict[str, Wish], words: str) -> None:
    with pytest.raises(DataError, match=words):
        split_by_target(rows, wishes, seed=1)
