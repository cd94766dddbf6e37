"""A stop that was asked for is raised where the training looks, as what it was."""

from __future__ import annotations

import pytest

from topoqa_train.errors import InterruptedRunError, TerminatedRunError
from topoqa_train.stopping import StopRequest


def test_no_request_raises_nothing() -> None:
    StopRequest().check()


def test_the_first_who_asks_gives_the_reason() -> None:
    stop = StopRequest()
    stop.interrupt()
    stop.terminate()
    with pytest.raises(InterruptedRunError):
        stop.check()


def test_terminated_ends_with_143() -> None:
    stop = StopRequest()
    stop.terminate()
    with pytest.raises(TerminatedRunError) as caught:
        stop.check()
    assert caught.value.exit_status == 143
