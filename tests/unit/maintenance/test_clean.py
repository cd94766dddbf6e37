from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from legacy_runs import training, write_legacy_run

from topoqa_train.errors import MachineError, RequestError
from topoqa_train.maintenance import clean, deletion
from topoqa_train.maintenance.clean import CleanRequest
from topoqa_train.runs import ledger, lock, status
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore
from topoqa_train.testing.datasets import quiet
from topoqa_train.views.cleanup import CleanPlan

FINISHED = ("completed", "failed")


@pytest.fixture
def store(run_files: Any) -> RunStore:
    return RunStore(run_files.root)


@pytest.fixture
def make(run_files: Any, epoch: Any) -> Callable[..., Path]:
    """A run that ended on a day of January, from 1; the clock stands at noon of the 31st."""

    def _make(name: str, day: int = 1, loss: float = 0.05, **options: Any) -> Path:
        made: dict[str, Any] = {"status": "completed", **options}
        if made["status"] in FINISHED:
            made.setdefault("completed", f"2026-01-{day:02d}T11:00:00.000+00:00")
        run: Path = run_files(name, [epoch(loss)], **made)
        return run

    return _make


@pytest.fixture
def plan(store: RunStore, clock: Any) -> Callable[..., CleanPlan]:
    return lambda *names, **fields: clean.plan(
        store, CleanRequest(names=names, **fields), clock, quiet
    )


def doomed(planned: CleanPlan) -> list[str]:
    return [run.run_id for run in planned.doomed]


def spared(planned: CleanPlan) -> dict[str, str]:
    return {run.run_id: run.why for run in planned.spared}


class TestWhichRuns:
    def test_by_age(self, make: Any, plan: Any) -> None:
        make("old", 1)
        make("older", 1, folder="history")
        make("new", 30)
        make("exactly", 21, completed="2026-01-21T12:00:00.000+00:00")
        planned = plan(older_than=timedelta(days=10))
        assert doomed(planned) == ["old", "older"]
        assert planned.doomed[0].reasons == ("30 days old",)
        assert doomed(plan(older_than=timedelta(hours=1))) == ["exactly", "new", "old", "older"]

    def test_by_state_and_every_condition_has_to_fit(self, make: Any, plan: Any) -> None:
        make("good")
        make("bad", status="failed")
        make("bad_new", 31, status="failed")
        make("stopped", status="interrupted")
        both = (Status.INTERRUPTED, Status.FAILED)
        assert doomed(plan(statuses=(Status.FAILED,))) == ["bad", "bad_new"]
        assert doomed(plan(statuses=both)) == ["bad", "bad_new", "stopped"]
        old = timedelta(days=10)
        assert doomed(plan(statuses=(Status.FAILED,), older_than=old)) == ["bad"]

    def test_the_best_of_them_stay(self, make: Any, plan: Any) -> None:
        for number, loss in enumerate((0.09, 0.05, 0.07, 0.06)):
            make(f"run{number}", loss=loss)
        # Better than all, but it goes in no case, so it takes no place.
        make("stopped", loss=0.01, status="interrupted")
        planned = plan(keep_best=2)
        assert doomed(planned) == ["run0", "run2"]
        assert spared(planned) == {
            "run1": "is number 1 of these by selection_metric",
            "run3": "is number 2 of these by selection_metric",
        }
        assert planned.doomed[0].reasons == ("not among the best 2",)

    def test_best_by_another_metric(self, make: Any, plan: Any, run_files: Any, epoch: Any) -> None:
        run_files("low_loss", [epoch(0.01, 0.1)], completed="2026-01-01T00:00:00+00:00")
        run_files("high_rho", [epoch(0.09, 0.9)], completed="2026-01-01T00:00:00+00:00")
        assert doomed(plan(keep_best=1, metric="val_loss")) == ["high_rho"]
        assert doomed(plan(keep_best=1, metric="val_spearman_corr")) == ["low_loss"]
        with pytest.raises(RequestError, match="no run has a metric 'accuracy'"):
            plan(keep_best=1, metric="accuracy")

    def test_a_run_without_metrics_is_not_among_the_best(
        self, make: Any, plan: Any, run_files: Any
    ) -> None:
        make("good")
        run_files("empty", [], status="failed")
        assert doomed(plan(keep_best=5)) == ["empty"]

    def test_by_name(self, make: Any, plan: Any) -> None:
        make("a")
        make("b", status="interrupted")
        make("c")
        assert doomed(plan("a", "b")) == ["a", "b"]
        assert doomed(plan("a", "b", statuses=(Status.INTERRUPTED,))) == ["b"]
        with pytest.raises(RequestError, match="no run is called 'd'"):
            plan("d")

    def test_a_folder_that_is_not_there(self, tmp_path: Path, clock: Any) -> None:
        with pytest.raises(RequestError, match="there is no folder of runs"):
            clean.plan(RunStore(tmp_path / "no"), CleanRequest(keep_best=1), clock, quiet)

    def test_without_a_condition_it_refuses(self, make: Any, plan: Any) -> None:
        make("a")
        with pytest.raises(RequestError, match="name criteria"):
            plan()


class TestWhatStays:
    def test_what_is_held_and_why(self, make: Any, plan: Any, store: RunStore, clock: Any) -> None:
        make("base")
        make("tuned", 31, started_from={"run_id": "base"})
        make("newest")
        make("running", status="running", process=status.this_process())
        make("swept")
        make("free")
        (store.root / "latest").symlink_to("newest")
        begun = ledger.begin(store.root, "batch", Path("/m.yaml"), clock)
        begun.add("job", "identity", "swept", store.root)
        begun.write()
        planned = plan(older_than=timedelta(days=10))
        assert doomed(planned) == ["free"]
        assert spared(planned) == {
            "base": "is the starting point of tuned",
            "newest": "is what latest points at",
            "swept": "belongs to a batch in progress",
        }
        assert spared(plan("running")) == {"running": "is running"}

    def test_a_starting_point_goes_with_all_that_started_from_it(
        self, make: Any, plan: Any, store: RunStore
    ) -> None:
        make("sweep")
        make("phase1", started_from={"run_id": "sweep"})
        make("phase2", started_from={"run_id": "phase1"})
        make("other", 31, started_from={"run_id": "lonely"})
        make("lonely")
        planned = plan(older_than=timedelta(days=10))
        assert doomed(planned) == ["phase1", "phase2", "sweep"]
        assert spared(planned) == {"lonely": "is the starting point of other"}
        # What holds the last run of a chain holds the chain.
        (store.root / "latest").symlink_to("phase2")
        planned = plan("sweep", "phase1", "phase2")
        assert doomed(planned) == []
        assert set(spared(planned)) == {"sweep", "phase1", "phase2"}

    def test_an_interrupted_run_that_something_needs(self, make: Any, plan: Any) -> None:
        make("stopped", status="interrupted")
        make("tuned", started_from={"run_id": "stopped"})
        planned = plan("stopped")
        assert spared(planned) == {"stopped": "is the starting point of tuned"}

    def test_runs_of_another_program_are_deleted_only_by_name(
        self, make: Any, plan: Any, store: RunStore
    ) -> None:
        write_legacy_run(store.root, "theirs", training(5))
        make("ours")
        assert doomed(plan(older_than=timedelta(hours=1))) == ["ours"]
        assert doomed(plan(keep_best=1)) == []
        assert doomed(plan("theirs")) == ["theirs"]

    def test_one_that_can_t_be_read(self, make: Any, plan: Any) -> None:
        (make("broken") / "run_metadata.json").write_text("{")
        assert doomed(plan(older_than=timedelta(0))) == []
        assert spared(plan("broken")) == {"broken": "can't be read"}

    def test_an_interrupted_run_s_age_is_that_of_its_files(
        self, make: Any, plan: Any, clock: Any
    ) -> None:
        import os

        run = make("stopped", status="interrupted")
        moment = clock.now().timestamp() - 5 * 24 * 3600
        os.utime(run / "run_metadata.json", (moment, moment))
        by_state = {"statuses": (Status.INTERRUPTED,)}
        assert doomed(plan(older_than=timedelta(days=4), **by_state)) == ["stopped"]
        assert doomed(plan(older_than=timedelta(days=6), **by_state)) == []


class TestExecute:
    def execute(self, store: RunStore, planned: CleanPlan, clock: Any) -> list[str]:
        return clean.execute(store, planned, clock, quiet)

    def test_planned_runs_are_deleted_and_nothing_else(
        self, make: Any, plan: Any, store: RunStore, clock: Any
    ) -> None:
        make("old")
        make("older", folder="history")
        make("new", 31)
        (store.root / "full_pipeline_x.log").write_text("log")
        planned = plan(older_than=timedelta(days=10))
        assert store.find("old")  # planning alone deletes nothing
        assert self.execute(store, planned, clock) == ["old", "older"]
        assert [run.run_id for run in store.all()] == ["new"]
        assert (store.root / "full_pipeline_x.log").exists()

    def test_one_that_moved_to_history_meanwhile_is_found(
        self, make: Any, plan: Any, store: RunStore, clock: Any
    ) -> None:
        run = make("old")
        planned = plan(older_than=timedelta(days=10))
        (store.root / "history").mkdir()
        run.rename(store.root / "history" / "old")
        assert self.execute(store, planned, clock) == ["old"]
        assert store.all() == []

    def test_a_run_that_changed_since_stays_and_is_reported(
        self, make: Any, plan: Any, store: RunStore, clock: Any
    ) -> None:
        for name in ("written", "resumed", "needed", "gone", "old"):
            make(name)
        planned = plan(older_than=timedelta(days=10))
        document = json.loads((store.root / "resumed" / "run_metadata.json").read_text())
        document |= {"status": "running", "process": status.this_process()}
        (store.root / "resumed" / "run_metadata.json").write_text(json.dumps(document))
        make("tuned", 31, started_from={"run_id": "needed"})
        (store.root / "gone").rename(store.root.parent / "gone")
        with lock.writing(RunPaths(store.root / "written")), pytest.raises(MachineError) as caught:
            self.execute(store, planned, clock)
        report = "\n".join(caught.value.details)
        assert "no run is called 'gone'" in report
        assert "needed is kept: it is the starting point of tuned" in report
        assert "resumed is kept: it is running" in report
        assert "run written is being written by another process" in report
        assert {run.run_id for run in store.all()} == {"written", "resumed", "needed", "tuned"}

    def test_leftovers_of_a_deletion_that_was_cut_off_go_too(
        self, make: Any, plan: Any, store: RunStore, clock: Any
    ) -> None:
        run = make("half")
        run.rename(store.root / ".deleting_half_0123")
        make("old")
        planned = plan(older_than=timedelta(days=10))
        assert [path.name for path, _ in planned.leftovers] == [".deleting_half_0123"]
        assert planned.size > planned.doomed[0].size > 0
        self.execute(store, planned, clock)
        assert deletion.leftovers(store) == []


@pytest.mark.parametrize(
    ("text", "hours"), [("30d", 720), ("12h", 12), ("2w", 336), (" 1 d ", 24), ("0h", 0)]
)
def test_ages(text: str, hours: int) -> None:
    assert clean.parse_age(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "3m", "30 days", "999999d", "٣d"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(RequestError, match="is no age"):
        clean.parse_age(text)


def test_states() -> None:
    assert clean.parse_status("failed") is Status.FAILED
    for text in ("running", "created", "done", ""):
        with pytest.raises(RequestError, match="is no state to delete by"):
            clean.parse_status(text)


def test_the_document_is_json(make: Any, plan: Any, store: RunStore) -> None:
    make("old")
    make("newest")
    (store.root / "latest").symlink_to("newest")
    planned = plan(older_than=timedelta(days=10))
    document = clean.to_document(planned, None)
    assert json.loads(json.dumps(document)) == document
    assert document["delete"][0]["run_dir"] == str(store.root / "old")
    assert document["delete"][0]["bytes"] == document["bytes"] > 0
    assert document["keep"] == [{"run_id": "newest", "why": "is what latest points at"}]
    assert document["deleted"] is None
    assert clean.to_document(planned, ["old"])["deleted"] == ["old"]
