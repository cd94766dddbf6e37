from __future__ import annotations

import pytest

from topoqa_train.ui.live.job_state import JobView, State
from topoqa_train.ui.live.row_folding import Fold, Row, rows


def views(states: str) -> list[JobView]:
    """One job a letter: d(one), t(rains), f(ailed), w(aits)."""
    words: dict[str, State] = {"d": "done", "t": "trains", "f": "failed", "w": "waits"}
    return [
        JobView(str(place), "sweep", state=words[letter]) for place, letter in enumerate(states)
    ]


def shown(found: list[Row]) -> list[str]:
    return [row.words if isinstance(row, Fold) else row.name for row in found]


def test_what_has_room_is_shown_whole() -> None:
    every = views("ddtw")
    assert rows(every, 4) == every
    assert rows([], 4) == []


@pytest.mark.parametrize(
    ("states", "room", "wanted"),
    [
        ("ddddtwwwww", 3, ["… 4 done", "4", "… 5 wait"]),
        ("ddddtwwwww", 5, ["… 3 done", "3", "4", "5", "… 4 wait"]),
        ("ddddttwwww", 4, ["… 4 done", "4", "5", "… 4 wait"]),
        ("fdddddtwww", 6, ["0", "… 4 done", "5", "6", "7", "… 2 wait"]),
        ("wwwwwwwwww", 3, ["0", "1", "… 8 wait"]),
        ("dddddddddd", 3, ["… 8 done", "8", "9"]),
        ("tttttttttt", 4, ["0", "1", "2", "… 7 train"]),
        ("dftwdftwdf", 1, ["… 3 done, 3 failed, 2 train, 2 wait"]),
        ("ddddtwwwww", 0, ["… 4 done, 1 trains, 5 wait"]),
    ],
)
def test_the_rest_is_folded(states: str, room: int, wanted: list[str]) -> None:
    found = shown(rows(views(states), room))
    assert found == wanted
    assert len(found) <= max(1, room)


def test_a_fold_has_the_best_of_its_jobs() -> None:
    every = views("dddtw")
    every[0].best, every[1].best = -0.5, -0.7
    (fold, *_) = rows(every, 3)
    assert isinstance(fold, Fold)
    assert fold.best is every[1]
    assert Fold(tuple(every[3:])).best is None
