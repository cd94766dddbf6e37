from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.inspection import monitor
from topoqa_train.runs import status
from topoqa_train.runs.paths import RunPaths
from topoqa_train.views.json_models import MonitorDocument

ME = status.this_process()
DEAD = {**ME, "started": 1.0, "ticks": 1}
RUNNING = {"status": "running", "process": ME, "training_parameters": {"num_epochs": 9}}


@pytest.fixture
def look(clock: Any) -> Callable[[Path], MonitorDocument]:
    return lambda run: monitor.look(RunPaths(run), clock, Path)


def change(run: Path, **metadata: Any) -> None:
    file = run / "run_metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **metadata}))


class TestLook:
    def test_best_second_and_third_have_the_metrics_of_their_epochs(
        self, look: Any, run_files: Any, epoch: Any
    ) -> None:
        # Lowest val_loss in epoch 1; by the selection metric 2, then 3, then 1.
        run = run_files(
            "r", [epoch(0.09, 0.1), epoch(0.04, 0.2), epoch(0.06, 0.8), epoch(0.08, 0.3)]
        )
        document = look(run)
        kept = [document.best, document.second_best, document.third_best]
        assert [each.epoch for each in kept] == [2, 3, 1]
        assert [each.metrics.val_loss for each in kept] == [0.06, 0.08, 0.04]
        assert document.ranking_metric == "selection_metric"
        assert document.best.links == ["best.ckpt"]
        assert sorted(document.third_best.links) == ["best_val_loss.ckpt", "third_best.ckpt"]
        assert Path(document.best.path).read_text() == "weights of epoch 2"

    def test_val_loss_wins_where_it_ranks(self, look: Any, run_files: Any, epoch: Any) -> None:
        run = run_files("r", [epoch(0.04, 0.2), epoch(0.06, 0.8)], ranking_metric="val_loss")
        document = look(run)
        assert (document.ranking_metric, document.best.epoch) == ("val_loss", 0)

    def test_paths_are_shown_as_asked(self, clock: Any, run_files: Any) -> None:
        run = run_files("r")
        document = monitor.look(RunPaths(run), clock, lambda path: path.relative_to(run.parent))
        assert document.run_dir == "r"
        assert document.best.path.startswith("r/model_checkpoints/checkpoint.")

    def test_history_and_its_last_rows(self, look: Any, run_files: Any) -> None:
        document = look(run_files("r"))
        assert [row.epoch for row in document.metrics_history] == [0, 1, 2, 3]
        assert document.latest == document.metrics_history[-1]
        assert [row.epoch for row in document.recent(2).metrics_history] == [2, 3]
        assert document.recent(0).metrics_history == []
        assert document.recent(4) == document.recent(5) == document.recent(9) == document

    def test_before_the_first_epoch(self, look: Any, run_files: Any) -> None:
        document = look(run_files("r", [], **RUNNING))
        assert (document.best, document.latest, document.learning_rate) == (None, None, None)
        assert document.status == "running"
        assert "no epoch has ended yet" in document.warnings


@pytest.mark.parametrize(
    ("rates", "value", "before", "until"),
    [
        ([0.005, 0.005], 0.005, None, None),
        ([0.005, 0.005, 0.001, 0.001], 0.001, 0.005, 1),
        ([0.005, 0.001, 0.0002], 0.0002, 0.001, 1),
        ([0.005, float("nan")], 0.005, None, None),
    ],
)
def test_the_learning_rate_and_the_one_before(
    rates: list[float], value: float, before: float | None, until: int | None
) -> None:
    rows = [{"epoch": float(n), "learning_rate": rate} for n, rate in enumerate(rates)]
    found = monitor.learning_rate(rows)
    assert found is not None
    assert (found.value, found.before, found.before_until_epoch) == (value, before, until)


def test_no_learning_rate() -> None:
    assert monitor.learning_rate([]) is None
    assert monitor.learning_rate([{"epoch": 0.0}]) is None


class TestFollow:
    @pytest.fixture
    def followed(self, clock: Any) -> Callable[..., Iterator[MonitorDocument]]:
        """Follow a run; each wait does the next of `meanwhile`."""

        def _followed(run: Path, *meanwhile: Callable[[], None]) -> Iterator[MonitorDocument]:
            steps = iter(meanwhile)

            def wait(seconds: float) -> None:
                clock.advance(seconds)
                next(steps)()

            return monitor.follow(RunPaths(run), clock, Path, interval=5.0, wait=wait)

        return _followed

    def test_a_run_that_has_ended_is_read_once(self, followed: Any, run_files: Any) -> None:
        assert [document.status for document in followed(run_files("r"))] == ["completed"]

    def test_it_waits_and_ends_with_the_run(
        self, followed: Any, run_files: Any, clock: Any
    ) -> None:
        run, before = run_files("r", **RUNNING), clock.monotonic()
        looks = followed(run, lambda: None, lambda: change(run, status="completed"))
        assert [look.status for look in looks] == ["running", "running", "completed"]
        assert clock.monotonic() - before == 10.0

    def test_new_epochs_are_seen(self, followed: Any, run_files: Any) -> None:
        run = run_files("r", **RUNNING)
        table = run / "metrics" / "metrics.csv"

        def one_more() -> None:
            last = table.read_text().splitlines()[-1]
            table.write_text(table.read_text() + last.replace("3,", "4,", 1) + "\n")

        looks = followed(run, one_more, lambda: change(run, status="completed"))
        assert [look.runtime.epochs_done for look in looks] == [4, 5, 5]

    def test_time_passes_between_epochs(self, followed: Any, run_files: Any, clock: Any) -> None:
        run = run_files("r", **RUNNING)
        for file in (run / "run_metadata.json", run / "metrics" / "metrics.csv"):
            os.utime(file, (clock.now().timestamp(),) * 2)
        looks = followed(run, lambda: None, lambda: change(run, status="completed"))
        assert [look.runtime.open_epoch_seconds for look in looks] == [0.0, 5.0, None]

    def test_a_process_that_dies_ends_it(self, followed: Any, run_files: Any) -> None:
        run = run_files("r", **RUNNING)
        *_, last = followed(run, lambda: change(run, process=DEAD))
        assert last.status == "interrupted"
        assert any("process died" in line for line in last.warnings)

    def test_a_run_that_moves_to_history_is_followed(self, followed: Any, run_files: Any) -> None:
        run = run_files("r", **RUNNING)
        run_files("newer", **RUNNING)
        moved = run.parent / "history" / "r"

        def move() -> None:
            moved.parent.mkdir()
            run.rename(moved)

        looks = list(followed(run, move, lambda: change(moved, status="completed")))
        assert [look.run_id for look in looks] == ["r"] * 3
        assert [look.run_dir for look in looks] == [str(run), str(moved), str(moved)]
        assert looks[-1].best.path.startswith(str(moved))

    def test_a_newer_run_is_not_followed(self, followed: Any, run_files: Any) -> None:
        run = run_files("r", **RUNNING)
        newer = run_files("newer", **RUNNING)
        latest = run.parent / "latest"
        latest.symlink_to("r")

        def switch() -> None:
            latest.unlink()
            latest.symlink_to(newer.name)

        looks = followed(run, switch, lambda: change(run, status="completed"))
        assert [look.run_id for look in looks] == ["r"] * 3

    def test_a_run_that_is_deleted(self, followed: Any, run_files: Any) -> None:
        run = run_files("r", **RUNNING)
        looks = followed(run, lambda: shutil.rmtree(run), *[lambda: None] * 10)
        assert next(looks).status == "running"
        with pytest.raises(RequestError, match="run r is gone"):
            next(looks)
