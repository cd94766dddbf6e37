from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from topoqa_train.launch.signals import caught, passed_on

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> object:
    """The handlers before; they have to be back after."""
    before = [signal.getsignal(number) for number in NUMBERS]
    yield before
    after = [signal.getsignal(number) for number in NUMBERS]
    for number, handler in zip(NUMBERS, before, strict=True):
        signal.signal(number, handler)
    assert after == before


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_is_counted(number: signal.Signals) -> None:
    with caught() as signals:
        assert (signals.first, signals.count) == (None, 0)
        signal.raise_signal(number)
        assert (signals.first, signals.count) == (number, 1)


def test_the_first_is_remembered_and_all_are_counted() -> None:
    with caught() as signals:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            signal.raise_signal(number)
    assert (signals.first, signals.count) == (signal.SIGTERM, 3)


def test_an_error_brings_the_old_handlers_back() -> None:
    with pytest.raises(KeyError), caught():
        raise KeyError


def test_nested_contexts() -> None:
    with caught() as outer:
        with caught() as inner:
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert (inner.first, inner.count) == (signal.SIGINT, 1)
    assert (outer.first, outer.count) == (signal.SIGTERM, 1)


def test_a_repeated_hang_up_counts_once() -> None:
    with caught() as signals:
        for number in (signal.SIGHUP, signal.SIGHUP):
            signal.raise_signal(number)
        assert (signals.first, signals.count) == (signal.SIGHUP, 1)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGHUP)
    assert (signals.first, signals.count) == (signal.SIGHUP, 2)


def test_under_nohup_a_hang_up_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    heard: list[str] = []
    try:
        with caught() as signals:
            signal.raise_signal(signal.SIGHUP)
        with passed_on(lambda: heard.append("interrupt"), lambda: heard.append("terminate")):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (signals.count, heard) == (0, [])


def test_each_signal_calls_its_function() -> None:
    heard: list[str] = []
    with passed_on(lambda: heard.append("interrupt"), lambda: heard.append("terminate")):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGINT)
    assert heard == ["terminate", "interrupt", "terminate", "interrupt"]


@pytest.mark.parametrize(
    "context",
    [caught, lambda: passed_on(lambda: None, lambda: None)],
    ids=["caught", "passed_on"],
)
def test_outside_the_main_thread_no_handler_is_set(context: Callable[[], object]) -> None:
    found: list[object] = []

    def enter() -> None:
        before = [signal.getsignal(number) for number in NUMBERS]
        with context() as signals:  # type: ignore[attr-defined]
            found.append([signal.getsignal(number) for number in NUMBERS] == before)
            found.append(signals is None or signals.count)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found[0] is True
    assert found[1] in (True, 0)
