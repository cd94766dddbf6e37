from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topoqa_train.runs import status, summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.views import eta
from topoqa_train.views.eta import Progress
from topoqa_train.views.json_models import Runtime

PROGRESS = Progress(
    epochs_done=4,
    num_epochs=10,
    patience=5,
    without_improvement=2,
    seconds=[4.0, 2.0, 2.0, 3.0],
    total_seconds=None,
    open_seconds=0.5,
)


def test_times_follow_the_formulae() -> None:
    runtime = eta.estimate(PROGRESS)
    assert (runtime.mean_epoch_seconds, runtime.median_epoch_seconds) == (2.75, 2.5)
    assert runtime.elapsed_seconds == 11.5
    assert runtime.open_epoch_seconds == 0.5
    assert (runtime.pace.fast, runtime.pace.median, runtime.pace.slow) == (2.0, 2.5, 3.7)
    assert (runtime.epochs_left.fewest, runtime.epochs_left.most) == (3, 6)
    assert runtime.time_left.best == 2 * 2.0 + 1.5
    assert runtime.time_left.median == 5 * 2.5 + 2.0
    assert runtime.time_left.worst == pytest.approx(5 * 3.7 + 3.2)


def test_an_open_epoch_takes_no_more_than_itself_from_what_is_left() -> None:
    left = eta.estimate(replace(PROGRESS, open_seconds=1000.0)).time_left
    assert (left.best, left.median) == (2 * 2.0, 5 * 2.5)


def test_only_the_last_epochs_set_the_pace() -> None:
    slow_before = replace(PROGRESS, seconds=[100.0] * 50 + [1.0] * eta.RECENT)
    runtime = eta.estimate(slow_before)
    assert runtime.pace.slow == 1.0
    assert runtime.median_epoch_seconds == 100.0


@pytest.mark.parametrize(
    ("patience", "without_improvement", "fewest"),
    [(None, 3, 6), (5, 0, 5), (5, 5, 0), (5, 9, 0), (0, 0, 1), (50, 2, 6)],
)
def test_early_stopping_may_end_it_sooner(
    patience: int | None, without_improvement: int, fewest: int
) -> None:
    course = replace(PROGRESS, patience=patience, without_improvement=without_improvement)
    left = eta.estimate(course).epochs_left
    assert (left.fewest, left.most) == (fewest, 6)


def test_what_is_over_has_nothing_left() -> None:
    runtime = eta.estimate(replace(PROGRESS, open_seconds=None))
    assert (runtime.epochs_left, runtime.time_left, runtime.open_epoch_seconds) == (None,) * 3
    assert runtime.elapsed_seconds == 11.0


def test_before_the_first_epoch_no_pace_is_invented() -> None:
    runtime = eta.estimate(replace(PROGRESS, epochs_done=0, seconds=[], open_seconds=7.0))
    assert (runtime.pace, runtime.time_left, runtime.mean_epoch_seconds) == (None, None, None)
    assert runtime.elapsed_seconds == 7.0
    assert runtime.epochs_left is not None


def test_the_total_is_used_for_epochs_without_times() -> None:
    untimed = replace(PROGRESS, seconds=[math.nan] * 4, total_seconds=20.0)
    runtime = eta.estimate(untimed)
    assert (runtime.elapsed_seconds, runtime.mean_epoch_seconds) == (20.0, 5.0)
    assert runtime.median_epoch_seconds is None
    assert runtime.pace.fast == runtime.pace.slow == 5.0


@given(
    seconds=st.lists(st.floats(0, 1e5) | st.just(math.nan), max_size=40),
    done=st.integers(0, 300),
    num_epochs=st.none() | st.integers(1, 300),
    patience=st.none() | st.integers(0, 50),
    without_improvement=st.integers(0, 300),
    gone=st.none() | st.floats(0, 1e6),
)
def test_best_is_never_later_than_worst(
    seconds: list[float],
    done: int,
    num_epochs: int | None,
    patience: int | None,
    without_improvement: int,
    gone: float | None,
) -> None:
    course = Progress(done, num_epochs, patience, without_improvement, seconds, None, gone)
    left = eta.estimate(course).time_left
    if left is not None:
        assert 0 <= left.best <= left.median <= left.worst


@pytest.mark.parametrize(
    ("values", "waited"),
    [
        ([], 0),
        ([3.0], 0),
        ([3.0, 2.0, 2.0, 4.0], 2),
        ([math.nan, math.nan], 2),
        ([3.0, math.nan, 1.0], 0),
        ([1.0, -math.inf, 2.0], 2),
    ],
)
def test_epochs_without_a_gain(values: list[float], waited: int) -> None:
    rows = [{"val_loss": value} for value in values]
    assert eta.epochs_without_improvement(rows, "val_loss") == waited
    assert eta.epochs_without_improvement(rows, "no_such") == len(values)


class TestOfARun:
    @pytest.fixture
    def runtime(self, run_files: Any, clock: Any) -> Callable[..., Runtime]:
        """Of a run of four epochs of 2.5 s that last wrote 10 s ago."""

        def _runtime(**changes: Any) -> Runtime:
            parameters = {"num_epochs": 9, "early_stopping_patience": 3}
            run = run_files("r", **{"training_parameters": parameters, **changes})
            wrote = clock.now().timestamp() - 10
            for file in (run / "run_metadata.json", run / "metrics" / "metrics.csv"):
                if file.exists():
                    os.utime(file, (wrote, wrote))
            return eta.runtime_of(summary.read(RunPaths(Path(run)), clock), clock)

        return _runtime

    def test_that_trains(self, runtime: Any) -> None:
        found = runtime(status="running", process=status.this_process())
        assert (found.epochs_done, found.num_epochs) == (4, 9)
        assert found.open_epoch_seconds == pytest.approx(10.0, abs=0.01)
        assert found.elapsed_seconds == pytest.approx(20.0, abs=0.01)
        # The best was epoch 1 of 0 to 3, patience is 3.
        assert (found.epochs_left.fewest, found.epochs_left.most) == (1, 5)

    def test_that_is_over(self, runtime: Any) -> None:
        found = runtime()
        assert (found.elapsed_seconds, found.open_epoch_seconds) == (10, None)
        assert found.time_left is None

    def test_that_died(self, runtime: Any) -> None:
        found = runtime(
            status="running", process={**status.this_process(), "started": 1.0, "ticks": 1}
        )
        assert (found.elapsed_seconds, found.open_epoch_seconds) == (10, None)
        assert found.time_left is None

    def test_that_has_no_epoch_yet(self, runtime: Any) -> None:
        found = runtime(epochs=[], status="running", process=status.this_process())
        assert (found.epochs_done, found.pace) == (0, None)
        assert found.open_epoch_seconds == pytest.approx(10.0, abs=0.01)

    @pytest.mark.parametrize("number", [None, "many", 7.5, True])
    def test_without_a_number_of_epochs(self, runtime: Any, number: object) -> None:
        found = runtime(
            training_parameters={"num_epochs": number},
            status="running",
            process=status.this_process(),
        )
        assert (found.num_epochs, found.epochs_left, found.time_left) == (None, None, None)

    @pytest.mark.parametrize(("recorded", "mean"), [(120.0, 30.0), (None, None)])
    def test_whose_epochs_have_no_times(
        self, run_files: Any, clock: Any, epoch: Any, recorded: float | None, mean: float | None
    ) -> None:
        untimed = [epoch(0.05, 0.5, {"epoch_seconds": math.nan})] * 4
        read = summary.read(RunPaths(Path(run_files("r", untimed))), clock)
        found = eta.runtime_of(replace(read, recorded_seconds=recorded), clock)
        assert (found.elapsed_seconds, found.mean_epoch_seconds) == (recorded, mean)
