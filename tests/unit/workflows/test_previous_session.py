from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.runs import ledger
from topoqa_train.runs.status import Status, this_process
from topoqa_train.workflows import previous_session
from topoqa_train.workflows.previous_session import Earlier

MANIFEST = Path("/m/tiny.yaml")


@pytest.fixture
def look(run_files: Any, clock: Any) -> Any:
    return lambda: previous_session.look(run_files.root, "batch", MANIFEST, clock)


@pytest.fixture
def stopped(run_files: Any, clock: Any) -> ledger.Ledger:
    """A batch that did one job and was stopped in another."""
    run_files("a_1")
    run_files("b_1", status="interrupted")
    begun = ledger.begin(run_files.root, "batch", MANIFEST, clock)
    begun.note("a", "id-a", "a_1")
    begun.note("b", "id-b", "b_1")
    begun.note("gone", "id-gone", "gone_1")
    begun.leave()
    return begun


def test_nothing_before_is_nothing_to_go_on_with(look: Any) -> None:
    earlier = look()
    assert earlier == Earlier("batch", MANIFEST)
    assert (earlier.offer(), earlier.run_of("a")) == (None, None)
    earlier.check_over()


def test_runs_are_known_by_job_and_those_that_are_gone_are_not(
    look: Any, stopped: ledger.Ledger
) -> None:
    earlier = look()
    assert {job: run.status for job, run in earlier.runs.items()} == {
        "a": Status.COMPLETED,
        "b": Status.INTERRUPTED,
    }
    assert earlier.run_of("a", "id-a") is earlier.runs["a"]
    assert earlier.run_of("a") is earlier.runs["a"]
    assert earlier.run_of("a", "other") is None
    assert earlier.run_of("gone") is None


def test_a_job_s_run_is_looked_for_where_its_runs_go(
    look: Any, stopped: ledger.Ledger, run_files: Any, clock: Any, tmp_path: Path
) -> None:
    stopped.note("c", "id-c", "c_1", tmp_path / "elsewhere")
    assert look().run_of("c") is None
    run_files.root = tmp_path / "elsewhere"
    run_files("c_1")
    # The ledger is where it was.
    found = previous_session.look(stopped.root, "batch", MANIFEST, clock).run_of("c")
    assert found is not None
    assert found.paths.root == tmp_path / "elsewhere" / "c_1"


def test_what_changed_is_named(look: Any, stopped: ledger.Ledger) -> None:
    earlier = look()
    assert earlier.changed({"a": "id-a", "b": "id-b", "new": "id"}) is None
    assert earlier.changed({"a": "id-a", "b": "other"}).endswith("the last batch: b")


def test_it_is_offered_until_it_is_finished(look: Any, stopped: ledger.Ledger, clock: Any) -> None:
    assert look().offer() == (
        "The last batch of tiny.yaml did not finish (1 done, 1 interrupted): --resume goes on "
        "with it; this begins anew."
    )
    stopped.finish(clock)
    assert look().offer() is None


def test_one_at_work_can_t_be_gone_on_with(
    look: Any, stopped: ledger.Ledger, run_files: Any, clock: Any
) -> None:
    stopped.process = this_process()
    stopped.write()
    with pytest.raises(RequestError, match="still at work"):
        look().check_over()
    assert "this is a second" in look().offer()


def test_nor_one_with_a_run_at_work(look: Any, stopped: ledger.Ledger, run_files: Any) -> None:
    run_files("c_1", status="running", process=this_process())
    stopped.note("c", "id-c", "c_1")
    with pytest.raises(RequestError) as caught:
        look().check_over()
    assert caught.value.details == ("running: c",)


def test_a_new_start_knows_what_the_last_did_only_if_it_goes_on(
    look: Any, stopped: ledger.Ledger, run_files: Any, clock: Any
) -> None:
    clock.advance(60)
    with look().begun(run_files.root, clock, goes_on=True) as second:
        assert set(second.jobs) == {"a", "b", "gone"}
        assert look().lives
    assert not look().lives
    clock.advance(60)
    with look().begun(run_files.root, clock, goes_on=False) as third:
        assert third.jobs == {}


def test_a_start_that_fails_is_no_longer_at_work(look: Any, run_files: Any, clock: Any) -> None:
    with pytest.raises(KeyError), look().begun(run_files.root, clock, goes_on=False):
        raise KeyError
    assert not look().lives


class TestTakenUp:
    """Runs that were made a moment before their ledger could note them."""

    def begun_by(self, book: ledger.Ledger, job: str) -> dict[str, Any]:
        return {"job": job, "begun_by": {"ledger": book.path.name, "identity": f"id-{job}"}}

    def test_a_run_that_its_ledger_does_not_know_is_known_by_its_own_word(
        self, look: Any, stopped: ledger.Ledger, run_files: Any
    ) -> None:
        run_files("c_1", status="interrupted", **self.begun_by(stopped, "c"))
        run_files("d_1", folder="history", **self.begun_by(stopped, "d"))
        earlier = look()
        assert earlier.run_of("c", "id-c").paths.run_id == "c_1"
        assert earlier.run_of("d", "id-d").status == Status.COMPLETED
        assert earlier.run_of("c", "other") is None
        # What it noted itself stands.
        run_files("a_2", **self.begun_by(stopped, "a"))
        assert look().run_of("a").paths.run_id == "a_1"

    def test_nobody_elses_run_is_taken_up(
        self, look: Any, stopped: ledger.Ledger, run_files: Any
    ) -> None:
        run_files("c_1", job="c", begun_by={"ledger": "batch_tiny_other.json", "identity": "id"})
        run_files("c_2", job="c")
        run_files("c_3", job="c", begun_by=None)
        assert look().run_of("c") is None

    def test_the_one_that_came_furthest_is_taken_up(
        self, look: Any, stopped: ledger.Ledger, run_files: Any
    ) -> None:
        for name, epochs in (("c_1", 3), ("c_2", 7), ("c_3", "?")):
            word = self.begun_by(stopped, "c")
            run_files(name, status="interrupted", progress={"epochs_done": epochs}, **word)
        assert look().run_of("c").paths.run_id == "c_2"

    def test_it_is_looked_for_where_runs_were_expected(
        self, look: Any, stopped: ledger.Ledger, run_files: Any, clock: Any, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        stopped.expect([elsewhere, tmp_path / "never made"])
        run_files.root = elsewhere
        run_files("c_1", **self.begun_by(stopped, "c"))
        found = previous_session.look(stopped.root, "batch", MANIFEST, clock)
        assert found.run_of("c").paths.root == elsewhere / "c_1"
        with found.begun(stopped.root, clock, goes_on=True) as second:
            assert second.root_of("c") == elsewhere
            assert second.roots == stopped.roots

    def test_of_one_that_was_finished_nothing_is_taken_up(
        self, look: Any, stopped: ledger.Ledger, run_files: Any, clock: Any
    ) -> None:
        stopped.finish(clock)
        run_files("c_1", **self.begun_by(stopped, "c"))
        assert look().run_of("c") is None

    def test_a_ledger_that_can_t_be_read_is_made_anew_from_what_its_runs_say(
        self, look: Any, stopped: ledger.Ledger, run_files: Any, clock: Any
    ) -> None:
        run_files("c_1", **self.begun_by(stopped, "c"))
        stopped.path.write_text('{"jobs": {')
        earlier = look()
        assert set(earlier.runs) == {"c"}
        (fault,) = earlier.faults
        assert str(stopped.path) in fault
        with earlier.begun(run_files.root, clock, goes_on=True) as second:
            assert set(second.jobs) == {"c"}
        assert look().faults == ()

    def test_an_empty_ledger_was_begun_if_a_run_says_so(
        self, look: Any, stopped: ledger.Ledger, run_files: Any
    ) -> None:
        stopped.path.write_text("")
        assert look() == Earlier("batch", MANIFEST)
        run_files("c_1", **self.begun_by(stopped, "c"))
        assert set(look().runs) == {"c"}

    def test_a_run_that_can_t_be_read_is_named(
        self, look: Any, stopped: ledger.Ledger, run_files: Any
    ) -> None:
        file = run_files.root / "a_1" / "run_metadata.json"
        file.write_text("{")
        earlier = look()
        assert set(earlier.runs) == {"b"}
        (fault,) = earlier.faults
        assert str(file) in fault
        assert fault.endswith("a is begun anew.")


class TestTwoThatGoOn:
    def test_the_second_is_refused(
        self, look: Any, stopped: ledger.Ledger, run_files: Any, clock: Any
    ) -> None:
        first, second = look(), look()
        with first.begun(run_files.root, clock, goes_on=True):
            with (
                pytest.raises(RequestError, match="another process is going on with the last"),
                second.begun(run_files.root, clock, goes_on=True),
            ):
                pass
            # A new start has nothing to do with it.
            with second.begun(run_files.root, clock, goes_on=False) as other:
                assert other.jobs == {}

    def test_what_was_gone_on_with_meanwhile_is_to_be_looked_at_again(
        self, look: Any, stopped: ledger.Ledger, run_files: Any, clock: Any
    ) -> None:
        first, second = look(), look()
        with first.begun(run_files.root, clock, goes_on=True):
            pass
        with (
            pytest.raises(RequestError, match="was gone on with meanwhile"),
            second.begun(run_files.root, clock, goes_on=True),
        ):
            pass
        with look().begun(run_files.root, clock, goes_on=True) as third:
            assert third.number == 3
