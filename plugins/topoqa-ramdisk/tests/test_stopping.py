from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from topoqa_ramdisk.stopping import Stop, caught
from topoqa_train.errors import InterruptedRunError, TerminatedRunError

# Says which signals it hears, and ends at the first SIGTERM.
LISTENER = """
import signal, sys, time
def heard(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(0)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, heard)
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""


@pytest.fixture
def listener():
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGINT, InterruptedRunError),
        (signal.SIGTERM, TerminatedRunError),
        (signal.SIGHUP, TerminatedRunError),
    ],
)
def test_a_signal_waits_until_it_is_asked_for(number, error) -> None:
    before = signal.getsignal(number)
    with caught() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        with pytest.raises(error):
            stop.check()
        with pytest.raises(error):
            stop.check()
    assert signal.getsignal(number) is before


def test_what_was_asked_first_counts() -> None:
    with caught() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(TerminatedRunError):
            stop.check()


def test_signals_are_passed_on_each_once(listener) -> None:
    with caught() as stop, stop.passed_to(listener):
        os.kill(os.getpid(), signal.SIGINT)
        assert listener.stdout.readline() == "SIGINT\n"
        os.kill(os.getpid(), signal.SIGHUP)
        assert listener.stdout.read() == "SIGTERM\n"


def test_one_that_came_before_the_child_is_passed_on_too(listener) -> None:
    stop = Stop()
    stop.note(signal.SIGTERM, None)
    with stop.passed_to(listener):
        assert listener.stdout.read() == "SIGTERM\n"


def test_none_is_passed_on_afterwards(listener) -> None:
    stop = Stop()
    with stop.passed_to(listener):
        pass
    stop.note(signal.SIGINT, None)
    stop.note(signal.SIGINT, None)
    listener.send_signal(signal.SIGTERM)
    assert listener.stdout.read() == "SIGTERM\n"


def test_a_child_that_ended_already_is_no_trouble(listener) -> None:
    listener.kill()
    listener.wait()
    stop = Stop()
    with stop.passed_to(listener):
        stop.note(signal.SIGINT, None)


def test_under_nohup_a_closed_terminal_stops_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with caught() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            stop.check()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
