from __future__ import annotations

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.launch import base
from topoqa_train.launch.children import ChildLauncher
from topoqa_train.worker.inprocess import InProcessLauncher


@pytest.mark.parametrize(
    ("name", "kind"), [(base.DEFAULT, ChildLauncher), ("in-process", InProcessLauncher)]
)
def test_launchers_are_made_by_name(name: str, kind: type) -> None:
    assert isinstance(base.make(name, 2), kind)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(RequestError) as caught:
        base.make("childern", 2)
    assert "'childern'; did you mean 'children'?" in caught.value.message
    assert "in-process" in caught.value.details[0]


def test_nothing_is_started_before_there_is_a_task() -> None:
    with ChildLauncher(4) as launcher:
        assert launcher.run([], lambda event: None, keep_going=False) == []
        assert launcher._children == []
