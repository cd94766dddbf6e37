from __future__ import annotations

import pytest

from topoqa_train.ui.live.job_state import JobView, State
from topoqa_train.ui.live.row_folding import Fold, Row, rows


def views(states: str) -> list[JobView]:
    """One job a letter: d(one), t(rains), f(ailed), w(aits)."""
    words: dict[str, State] = {"d": "done", "t": "training", "f": "failed", "w": "waiting"}
    return [
        JobView(str(place), "sweep", state=words[letter]) for place, letter in enumerate(states)
    ]


def shown(found: list[Row]) -> list[str]:
    return [row.text if isinstance(row, Fold) else row.name for row in found]


def test_nothing_is_folded_if_all_fits() -> None:
    every = views("ddtw")
    assert rows(every, 4) == every
    assert rows([], 4) == []


@pytest.mark.parametrize(
    ("states", "room", "wanted"),
    [
        ("ddddtwwwww", 3, ["… 4 done", "4", "… 5 waiting"]),
        ("ddddtwwwww", 5, ["… 3 done", "3", "4", "5", "… 4 waiting"]),
        ("ddddttwwww", 4, ["… 4 done", "4", "5", "… 4 waiting"]),
        ("fdddddtwww", 6, ["0", "… 4 done", "5", "6", "7", "… 2 waiting"]),
        ("wwwwwwwwww", 3, ["0", "1", "… 8 waiting"]),
        ("dddddddddd", 3, ["… 8 done", "8", "9"]),
        ("tttttttttt", 4, ["0", "1", "2", "… 7 training"]),
        ("dftwdftwdf", 1, ["… 3 done, 3 failed, 2 training, 2 waiting"]),
        ("ddddtwwwww", 0, ["… 4 done, 1 training, 5 waiting"]),
    ],
)
def test_other_jobs_are_folded(states: str, room: int, wanted: list[str]) -> None:
    found = shown(rows(views(states), room))
    assert found == wanted
    assert len(found) <= max(1, room)


def test_a_fold_shows_the_best_of_its_jobs() -> None:
    every = views("dddtw")
    (every[0].best, every[0].best_epoch), (every[1].best, every[1].best_epoch) = (
        (-0.5, 3),
        (-0.7, 4),
    )
    (fold, *_) = rows(every, 3)
    assert isinstance(fold, Fold)
    assert fold.best_text == "-0.700 @ 4"
    assert Fold(tuple(every[3:])).best_text == ""
