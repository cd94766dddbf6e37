from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.runs import leaderboard, ranking, summary
from topoqa_train.runs.leaderboard import Leaderboard
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import this_process
from topoqa_train.runs.summary import RunSummary

RunFiles = Callable[..., Path]


@pytest.fixture
def runs(run_files: Any, clock: Any) -> Callable[[], list[RunSummary]]:
    """All runs written so far, in the order of their names."""

    def _runs() -> list[RunSummary]:
        return [
            summary.read(RunPaths(run), clock)
            for run in sorted(run_files.root.iterdir(), reverse=True)
        ]

    return _runs


def order(ranked: Leaderboard) -> list[tuple[int | None, str]]:
    return [(entry.rank, entry.run.paths.run_id) for entry in ranked.entries]


def test_lower_selection_metrics_come_first(run_files: RunFiles, runs: Any, epoch: Any) -> None:
    run_files("a", [epoch(0.05, 0.2)])
    run_files("b", [epoch(0.09, 0.9)])
    run_files("c", [epoch(0.07, 0.5)])
    ranked = leaderboard.rank(runs())
    assert ranked.metric == "selection_metric"
    assert order(ranked) == [(1, "b"), (2, "c"), (3, "a")]
    assert ranked.notes == ()
    assert ranked.winner().value == pytest.approx(0.09 - 0.9)


def test_equals_share_a_rank_sorted_by_name(run_files: RunFiles, runs: Any, epoch: Any) -> None:
    for name, loss in (("a", 0.3), ("d", 0.1), ("b", 0.2), ("c", 0.2), ("e", 0.4)):
        run_files(name, [epoch(loss)], ranking_metric="val_loss")
    ranked = leaderboard.rank(runs())
    assert ranked.metric == "val_loss"
    assert order(ranked) == [(1, "d"), (2, "b"), (2, "c"), (4, "a"), (5, "e")]


class TestMetric:
    def test_settings_that_differ_can_t_be_compared(
        self, run_files: RunFiles, runs: Any, epoch: Any
    ) -> None:
        run_files("a", [epoch(0.05, 0.2)], weight=1.0)
        run_files("b", [epoch(0.09, 0.9)], weight=2.0)
        for asked in (None, "selection_metric"):
            ranked = leaderboard.rank(runs(), metric=asked)
            assert ranked.metric == "val_loss"
            assert order(ranked) == [(1, "a"), (2, "b")]
            assert "can't be compared" in ranked.notes[0]

    @pytest.mark.parametrize("value", [[], {}, "1", None])
    def test_settings_of_another_type_spare_the_others(
        self, run_files: RunFiles, runs: Any, value: Any
    ) -> None:
        run_files("a")
        file = run_files("b") / "run_metadata.json"
        document = json.loads(file.read_text())
        document["selection"]["spearman_weight"] = value
        file.write_text(json.dumps(document))
        assert {run.paths.run_id for run in runs()} == {"a", "b"}
        assert leaderboard.rank(runs()).metric == "val_loss"

    def test_settings_of_runs_without_an_epoch_do_not_count(
        self, run_files: RunFiles, runs: Any
    ) -> None:
        run_files("a", weight=1.0)
        run_files("b", [], weight=2.0, status="failed")
        ranked = leaderboard.rank(runs())
        assert (ranked.metric, ranked.notes) == ("selection_metric", ())

    def test_runs_ranked_by_either_are_ranked_by_val_loss(
        self, run_files: RunFiles, runs: Any, epoch: Any
    ) -> None:
        run_files("a", [epoch(0.05, 0.2), epoch(0.09, 0.9)], ranking_metric="selection_metric")
        run_files("b", [epoch(0.06, 0.2)], ranking_metric="val_loss")
        ranked = leaderboard.rank(runs())
        assert ranked.metric == "val_loss"
        assert "can't be compared" in ranked.notes[0]
        best = ranked.entries[0].best
        assert (best.epoch, best.link.name) == (0, "best_val_loss.ckpt")

    def test_each_metric_has_its_direction(
        self, run_files: RunFiles, runs: Any, epoch: Any
    ) -> None:
        run_files("a", [epoch(0.05, 0.2, {"val_top1_medium": 0.5})])
        run_files("b", [epoch(0.09, 0.9, {"val_top1_medium": 0.25})])
        assert order(leaderboard.rank(runs(), metric="val_loss")) == [(1, "a"), (2, "b")]
        assert order(leaderboard.rank(runs(), metric="val_spearman_corr")) == [(1, "b"), (2, "a")]
        assert order(leaderboard.rank(runs(), metric="val_top1_medium")) == [(1, "a"), (2, "b")]

    @pytest.mark.parametrize(
        ("lower", "metrics"),
        [
            (True, "val_loss train_mse selection_metric val_ranking_loss epoch_seconds lr-Adam"),
            (True, "learning_rate step"),
            (False, "val_spearman_corr val_target_spearman val_top10_high val_top1_acceptable"),
            (False, "val_steepness"),
        ],
    )
    def test_which_way_is_better(self, metrics: str, lower: bool) -> None:
        for metric in metrics.split():
            assert ranking.lower_is_better(metric) is lower, metric

    def test_an_unknown_metric_gives_those_there_are(self, run_files: RunFiles, runs: Any) -> None:
        run_files("a")
        with pytest.raises(RequestError) as caught:
            leaderboard.rank(runs(), metric="accuracy")
        assert "'accuracy'" in caught.value.message
        assert "val_spearman_corr" in caught.value.details[0]

    def test_one_that_only_some_runs_have_leaves_the_others_unranked(
        self, run_files: RunFiles, runs: Any, epoch: Any
    ) -> None:
        run_files("a", [epoch(0.5, extra={"val_new": 1.0})])
        run_files("b", [epoch(0.1)])
        run_files("c", [], status="failed")
        ranked = leaderboard.rank(runs(), metric="val_new")
        assert order(ranked) == [(1, "a"), (None, "c"), (None, "b")]
        assert ranked.notes == ("Not ranked, without val_new: b",)

    def test_one_that_came_with_a_later_epoch_is_known(
        self, run_files: RunFiles, runs: Any, epoch: Any
    ) -> None:
        run_files("a", [epoch(0.5)])
        run_files(
            "b", [epoch(0.4, extra={"val_new": math.nan}), epoch(0.3, extra={"val_new": 2.0})]
        )
        assert order(leaderboard.rank(runs(), metric="val_new"))[0] == (1, "b")


class TestWhatIsShown:
    @pytest.mark.parametrize("metric", [None, "selection_metric", "val_loss", "val_spearman_corr"])
    @pytest.mark.parametrize("ranking", ["selection_metric", "val_loss"])
    def test_metrics_are_those_of_the_checkpoint(
        self,
        run_files: RunFiles,
        runs: Any,
        epoch: Any,
        metric: str | None,
        ranking: str,
        rng: Any,
    ) -> None:
        for name in "abcdef":
            history = [epoch(rng.random(), rng.random()) for _ in range(6)]
            run_files(name, history, ranking_metric=ranking)
        ranked = leaderboard.rank(runs(), metric=metric)
        for entry in ranked.entries:
            assert entry.best.link.read_text() == f"weights of epoch {entry.best.epoch}"
            assert entry.best.path.name.endswith(f"_epoch{entry.best.epoch}.chkpt")
            row = entry.run.rows[entry.best.epoch]
            assert entry.best.metrics == row
            assert entry.value == row[ranked.metric]
            assert f"val-{row['val_loss']:.5f}_" in entry.best.path.name
            if ranked.metric in ("val_loss", "selection_metric"):
                assert entry.value == min(each[ranked.metric] for each in entry.run.rows)

    @pytest.mark.parametrize("status", ["failed", "interrupted", "running", "created"])
    def test_an_unfinished_run_is_ranked_as_what_it_is(
        self, run_files: RunFiles, runs: Any, epoch: Any, status: str
    ) -> None:
        run_files("done", [epoch(0.5)])
        run_files("other", [epoch(0.1)], status=status, process=this_process())
        ranked = leaderboard.rank(runs())
        assert order(ranked) == [(1, "other"), (2, "done")]
        assert ranked.entries[0].run.status == status

    def test_a_run_without_a_checkpoint_comes_last_unranked(
        self, run_files: RunFiles, runs: Any, epoch: Any
    ) -> None:
        run_files("a", [], status="failed")
        run_files("b")
        run_files("c", [epoch(math.nan, math.nan)])
        assert order(leaderboard.rank(runs())) == [(1, "b"), (None, "c"), (None, "a")]

    def test_an_empty_leaderboard_has_no_winner(self, run_files: RunFiles, runs: Any) -> None:
        assert leaderboard.rank([]).winner() is None
        run_files("a", [], status="failed")
        assert leaderboard.rank(runs()).winner() is None


class TestReverse:
    def test_the_worst_comes_first_and_the_winner_is_the_best(
        self, run_files: RunFiles, runs: Any, epoch: Any
    ) -> None:
        for name, loss in (("a", 0.3), ("b", 0.1), ("c", 0.2)):
            run_files(name, [epoch(loss)])
        run_files("d", [])
        ranked = leaderboard.rank(runs(), reverse=True)
        assert order(ranked) == [(None, "d"), (3, "a"), (2, "c"), (1, "b")]
        assert ranked.winner().run.paths.run_id == "b"

    def test_of_equals_the_first_completed_run_wins_either_way(
        self, run_files: RunFiles, runs: Any, epoch: Any
    ) -> None:
        for name in "abc":
            run_files(name, [epoch(0.3)], status="failed" if name == "a" else "completed")
        winners = [leaderboard.rank(runs(), reverse=reverse).winner() for reverse in (False, True)]
        assert [winner.run.paths.run_id for winner in winners] == ["b", "b"]


class TestDocument:
    def test_it_is_json_with_absolute_paths_and_no_nan(
        self, run_files: RunFiles, runs: Any, epoch: Any
    ) -> None:
        run_files("a", [epoch(0.3, extra={"val_new": math.nan})])
        run_files("b", [], status="failed")
        document = leaderboard.to_document(leaderboard.rank(runs(), notes=["one is broken"]))
        text = json.dumps(document, allow_nan=False)
        first, second = json.loads(text)["runs"]
        assert document["notes"] == ["one is broken"]
        assert first["rank"] == 1
        assert first["metrics"]["val_new"] is None
        assert first["metrics"]["val_loss"] == 0.3
        assert Path(first["checkpoint"]).is_file()
        assert Path(first["checkpoint"]).is_absolute()
        assert first["training_seconds"] == 2.5
        assert second == {
            "rank": None,
            "run_id": "b",
            "run_dir": str(run_files.root / "b"),  # type: ignore[attr-defined]
            "status": "failed",
            "value": None,
            "checkpoint": None,
            "epoch": None,
            "metrics": {},
            "created": "2026-01-31T12:00:00.000+00:00",
            "training_seconds": 0.0,
            "read_only": False,
            "warnings": [],
        }

    def test_a_limit_keeps_the_first(self, run_files: RunFiles, runs: Any, epoch: Any) -> None:
        for name, loss in (("a", 0.3), ("b", 0.1), ("c", 0.2)):
            run_files(name, [epoch(loss)])
        document = leaderboard.to_document(leaderboard.rank(runs()), limit=2)
        assert [run["run_id"] for run in document["runs"]] == ["b", "c"]


def test_incomparable_runs_are_noted(run_files: RunFiles, runs: Any, epoch: Any) -> None:
    run_files("a", [epoch(0.05, 0.2)], data={"fingerprint": "one"})
    run_files("b", [epoch(0.09, 0.9)], data={"fingerprint": "one"})
    assert leaderboard.rank(runs()).notes == ()
    run_files("c", [epoch(0.07, 0.5)], data={"fingerprint": "two"})
    run_files("d", [epoch(0.07, 0.5)], training_parameters={"fast_dev_run": True})
    run_files("e", [epoch(0.08, 0.5)], training_parameters={"limit_val_batches": 2})
    notes = leaderboard.rank(runs()).notes
    assert any("2 different data sets" in note for note in notes)
    assert "Validated on a part of the graphs only: d, e" in notes


def test_a_fingerprint_may_be_of_another_type(run_files: RunFiles, runs: Any, epoch: Any) -> None:
    run_files("a", [epoch(0.05, 0.2)], data={"fingerprint": {"whole": "one"}})
    run_files("b", [epoch(0.09, 0.9)], data={"fingerprint": ["two"]})
    ranked = leaderboard.rank(runs())
    assert order(ranked) == [(1, "b"), (2, "a")]
    assert any("2 different data sets" in note for note in ranked.notes)
