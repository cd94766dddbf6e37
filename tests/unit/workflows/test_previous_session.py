from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.runs import ledger
from topoqa_train.runs.ledger import Ledger, SelectedCheckpoint
from topoqa_train.runs.status import Status, this_process
from topoqa_train.workflows import previous_session

MANIFEST = Path("/m/tiny.yaml")


@pytest.fixture
def find(run_files: Any, clock: Any) -> Any:
    root = run_files.root

    def _find(*, resume: bool = False, identities: Any = None) -> Any:
        return previous_session.find(
            root, "batch", MANIFEST, clock, identities=identities or {}, resume=resume
        )

    return _find


def record(session: Ledger, job: str, run_id: str, root: Path | None = None) -> None:
    session.add(job, f"id-{job}", run_id, root or session.root)
    session.write()


@pytest.fixture
def stopped(run_files: Any, clock: Any) -> Ledger:
    """A batch that did one job and was stopped in another."""
    run_files("a_1")
    run_files("b_1", status="interrupted")
    new = ledger.begin(run_files.root, "batch", MANIFEST, clock)
    for job in ("a", "b", "gone"):
        record(new, job, f"{job}_1")
    new.leave()
    return new


def test_without_a_session_before_there_is_nothing_to_resume(find: Any) -> None:
    assert find().notes == ()
    (note,) = find(resume=True).notes
    assert "no batch of tiny.yaml to resume" in note
    assert find().run_of("a") is None


def test_runs_are_known_by_job_unless_they_are_gone(find: Any, stopped: Ledger) -> None:
    previous = find()
    assert {job: run.status for job, run in previous.runs.items()} == {
        "a": Status.COMPLETED,
        "b": Status.INTERRUPTED,
    }
    assert previous.run_of("a", "id-a") is previous.runs["a"]
    assert previous.run_of("a") is previous.runs["a"]
    assert previous.run_of("a", "other") is None
    assert previous.run_of("gone") is None


def test_a_run_is_looked_for_in_the_folder_it_was_created_in(
    find: Any, stopped: Ledger, run_files: Any, tmp_path: Path
) -> None:
    record(stopped, "c", "c_1", tmp_path / "elsewhere")
    assert find().run_of("c") is None
    run_files.root = tmp_path / "elsewhere"
    run_files("c_1")
    assert find().run_of("c").paths.root == tmp_path / "elsewhere" / "c_1"


def test_jobs_that_changed_are_named(find: Any, stopped: Ledger) -> None:
    same = {"a": "id-a", "b": "id-b", "new": "id"}
    assert find(resume=True, identities=same).notes == ()
    (note,) = find(resume=True, identities={"a": "id-a", "b": "other"}).notes
    assert note.endswith("the last batch: b")


def test_resume_is_offered_until_it_is_finished(find: Any, stopped: Ledger, clock: Any) -> None:
    (note,) = find().notes
    assert "last batch of tiny.yaml did not finish (1 done, 1 interrupted)" in note
    assert "--resume" in note
    stopped.finish(clock)
    assert find().notes == ()


def test_a_running_session_can_t_be_resumed(find: Any, stopped: Ledger) -> None:
    stopped.process = this_process()
    stopped.write()
    with pytest.raises(RequestError, match="still running"):
        find(resume=True)
    assert "this is a second one" in find().notes[0]


def test_nor_a_session_with_a_running_run(find: Any, stopped: Ledger, run_files: Any) -> None:
    run_files("c_1", status="running", process=this_process())
    record(stopped, "c", "c_1")
    with pytest.raises(RequestError) as caught:
        find(resume=True)
    assert caught.value.details == ("running: c",)


def test_the_selected_checkpoint_is_there_to_resume_with(
    find: Any, stopped: Ledger, run_files: Any
) -> None:
    best = run_files.root / "a_1" / "model_checkpoints" / "best.ckpt"
    stopped.selected = SelectedCheckpoint(base="a_1", checkpoint=best, run_id="a_1", epoch=1)
    stopped.write()
    assert find(resume=True).selected.checkpoint == best
    assert find().selected is None


def test_a_new_session_takes_over_the_jobs_of_the_last_only_on_request(
    find: Any, stopped: Ledger, run_files: Any, clock: Any
) -> None:
    clock.advance(60)
    with find().new_ledger(run_files.root, clock, takes_over=True) as second:
        assert set(second.jobs) == {"a", "b", "gone"}
        with pytest.raises(RequestError, match="still running"):
            find(resume=True)
    find(resume=True)
    clock.advance(60)
    with find().new_ledger(run_files.root, clock, takes_over=False) as third:
        assert third.jobs == {}


def test_a_session_that_fails_is_not_running_any_more(
    find: Any, run_files: Any, clock: Any
) -> None:
    with (
        pytest.raises(KeyError),
        find().new_ledger(run_files.root, clock, takes_over=False),
    ):
        raise KeyError
    find(resume=True)


class TestRecovery:
    """Runs that started but were never recorded in their ledger."""

    def named(self, session: Ledger, job: str, key: str = "session") -> dict[str, Any]:
        return {"job": job, key: {"ledger": session.path.name, "identity": f"id-{job}"}}

    def test_a_run_that_names_the_ledger_is_recovered(
        self, find: Any, stopped: Ledger, run_files: Any
    ) -> None:
        run_files("c_1", status="interrupted", **self.named(stopped, "c"))
        # The key of earlier versions.
        run_files("d_1", folder="history", **self.named(stopped, "d", "begun_by"))
        previous = find()
        assert previous.run_of("c", "id-c").paths.run_id == "c_1"
        assert previous.run_of("d", "id-d").status == Status.COMPLETED
        assert previous.run_of("c", "other") is None
        # A recorded run is not replaced.
        run_files("a_2", **self.named(stopped, "a"))
        assert find().run_of("a").paths.run_id == "a_1"

    def test_runs_of_other_sessions_are_not(
        self, find: Any, stopped: Ledger, run_files: Any
    ) -> None:
        run_files("c_1", job="c", session={"ledger": "batch_tiny_other.json", "identity": "id"})
        run_files("c_2", job="c")
        run_files("c_3", job="c", session=None)
        assert find().run_of("c") is None

    def test_of_several_the_one_that_came_furthest_is_recovered(
        self, find: Any, stopped: Ledger, run_files: Any
    ) -> None:
        for name, epochs in (("c_1", 3), ("c_2", 7), ("c_3", "?")):
            named = self.named(stopped, "c")
            run_files(name, status="interrupted", progress={"epochs_done": epochs}, **named)
        assert find().run_of("c").paths.run_id == "c_2"

    def test_other_folders_are_searched_where_runs_were_expected(
        self, find: Any, stopped: Ledger, run_files: Any, clock: Any, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        stopped.require([], [elsewhere, tmp_path / "never made"])
        run_files.root = elsewhere
        run_files("c_1", **self.named(stopped, "c"))
        found = find()
        assert found.run_of("c").paths.root == elsewhere / "c_1"
        with found.new_ledger(stopped.root, clock, takes_over=True) as second:
            assert second.root_of("c") == elsewhere
            assert second.run_folders == stopped.run_folders

    def test_nothing_is_recovered_for_a_finished_session(
        self, find: Any, stopped: Ledger, run_files: Any, clock: Any
    ) -> None:
        stopped.finish(clock)
        run_files("c_1", **self.named(stopped, "c"))
        assert find().run_of("c") is None

    def test_an_unreadable_ledger_is_rebuilt_from_run_metadata(
        self, find: Any, stopped: Ledger, run_files: Any, clock: Any
    ) -> None:
        run_files("c_1", **self.named(stopped, "c"))
        stopped.path.write_text('{"jobs": {')
        previous = find(resume=True)
        assert set(previous.runs) == {"c"}
        (note,) = previous.notes
        assert str(stopped.path) in note
        assert previous.warnings == previous.notes
        with previous.new_ledger(run_files.root, clock, takes_over=True) as second:
            assert set(second.jobs) == {"c"}
        assert find(resume=True).warnings == ()

    @pytest.mark.parametrize(("content", "reported"), [("", 0), ('{"jobs": {', 1)])
    def test_an_unreadable_ledger_that_no_run_names_is_ignored(
        self, find: Any, stopped: Ledger, run_files: Any, content: str, reported: int
    ) -> None:
        stopped.path.write_text(content)
        previous = find()
        assert previous.ledger is None
        assert len(previous.warnings) == len(previous.notes) == reported
        assert all(str(stopped.path) in warning for warning in previous.warnings)
        run_files("c_1", **self.named(stopped, "c"))
        assert set(find().runs) == {"c"}

    def test_an_unreadable_run_is_named(self, find: Any, stopped: Ledger, run_files: Any) -> None:
        file = run_files.root / "a_1" / "run_metadata.json"
        file.write_text("{")
        previous = find(resume=True)
        assert set(previous.runs) == {"b"}
        (warning,) = previous.warnings
        assert str(file) in warning
        assert warning.endswith("a is restarted.")


class TestTwoThatResume:
    def test_the_second_is_refused_while_the_first_runs(
        self, find: Any, stopped: Ledger, run_files: Any, clock: Any
    ) -> None:
        first, second = find(), find()
        with first.new_ledger(run_files.root, clock, takes_over=True):
            with (
                pytest.raises(RequestError, match="another process is resuming the last batch"),
                second.new_ledger(run_files.root, clock, takes_over=True),
            ):
                pass
            # A session that starts over does not touch the previous one.
            with second.new_ledger(run_files.root, clock, takes_over=False) as other:
                assert other.jobs == {}

    def test_the_second_is_refused_after_the_first(
        self, find: Any, stopped: Ledger, run_files: Any, clock: Any
    ) -> None:
        first, second = find(), find()
        with first.new_ledger(run_files.root, clock, takes_over=True):
            pass
        with (
            pytest.raises(RequestError, match="already resumed the last batch"),
            second.new_ledger(run_files.root, clock, takes_over=True),
        ):
            pass
        with find().new_ledger(run_files.root, clock, takes_over=True) as third:
            assert third.number == 3
