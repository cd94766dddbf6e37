from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topoqa_train.runs.ranking import LINKS, SELECTION, VAL_LOSS, Ranked, Ranking, file_name

METRICS = (VAL_LOSS, SELECTION)


def entry(epoch: int, val_loss: float, selection: float = 0.0, rho: float = 0.0) -> Ranked:
    return Ranked(f"epoch{epoch}.chkpt", epoch, val_loss, selection, rho)


def ranking_of(entries: Sequence[Ranked], metric: str = VAL_LOSS) -> Ranking:
    ranking = Ranking(metric)
    for each in entries:
        ranking.add(each)
    return ranking


def epochs(ranking: Ranking) -> list[int]:
    return [each.epoch for each in ranking.best]


class TestNames:
    def test_file_names(self) -> None:
        assert file_name(VAL_LOSS, 127, 0.05307, -0.6) == "checkpoint.val-0.05307_epoch127.chkpt"
        assert (
            file_name(SELECTION, 127, 0.0530719, -0.671)
            == "checkpoint.sel--0.67100_val-0.05307_epoch127.chkpt"
        )

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_nan_metrics_still_give_a_name(self, value: float) -> None:
        name = file_name(SELECTION, 1, value, value)
        assert name.endswith("_epoch1.chkpt")
        assert "/" not in name


class TestOrder:
    def test_the_three_best_are_in_order(self) -> None:
        losses = [0.5, 0.2, 0.4, 0.1, 0.3]
        ranking = ranking_of([entry(epoch, loss) for epoch, loss in enumerate(losses)])
        assert epochs(ranking) == [3, 1, 4]
        assert ranking.links() == {
            "best.ckpt": "epoch3.chkpt",
            "second_best.ckpt": "epoch1.chkpt",
            "third_best.ckpt": "epoch4.chkpt",
            "best_selection_metric.ckpt": "epoch0.chkpt",
        }

    def test_of_equals_the_earlier_epoch_stays_ahead_and_stays_in(self) -> None:
        ranking = ranking_of([entry(epoch, 0.5, selection=0.5) for epoch in range(6)])
        assert epochs(ranking) == [0, 1, 2]
        assert ranking.other is not None
        assert ranking.other.epoch == 0
        assert not ranking.would_keep(entry(6, 0.5, selection=0.5))

    @pytest.mark.parametrize("metric", METRICS)
    def test_each_metric_orders_by_itself_and_keeps_the_best_of_the_other(
        self, metric: str
    ) -> None:
        entries = [entry(0, 0.3, -0.1), entry(1, 0.2, -0.5), entry(2, 0.1, -0.3)]
        ranking = ranking_of(entries, metric)
        assert epochs(ranking) == ([2, 1, 0] if metric == VAL_LOSS else [1, 2, 0])
        assert ranking.other_metric != metric
        assert ranking.other is not None
        assert ranking.other.epoch == (1 if metric == VAL_LOSS else 2)
        assert f"best_{ranking.other_metric}.ckpt" in ranking.links()

    def test_the_other_best_outlives_the_three(self) -> None:
        good_otherwise = entry(0, 0.9, selection=-9.0)
        ranking = ranking_of([good_otherwise, *(entry(n, 0.5 - n / 100) for n in range(1, 9))])
        assert epochs(ranking) == [8, 7, 6]
        assert ranking.other == good_otherwise
        assert good_otherwise.file in ranking.files()


class TestNan:
    def test_a_nan_never_ranks(self) -> None:
        ranking = ranking_of([entry(0, math.nan), entry(1, 0.5), entry(2, math.nan)])
        assert epochs(ranking) == [1]
        assert list(ranking.links()) == ["best.ckpt", "best_selection_metric.ckpt"]

    def test_a_nan_is_not_kept(self) -> None:
        ranking = Ranking(VAL_LOSS)
        nothing = entry(0, math.nan, math.nan)
        assert not ranking.would_keep(nothing)
        ranking.add(nothing)
        assert (ranking.best, ranking.other, ranking.files()) == ([], None, set())

    def test_a_nan_of_one_metric_may_be_the_best_by_the_other(self) -> None:
        ranking = ranking_of([entry(0, math.nan, selection=-0.5)])
        assert ranking.best == []
        assert ranking.other is not None
        assert ranking.links() == {"best_selection_metric.ckpt": "epoch0.chkpt"}

    def test_infinity_ranks_behind_every_number(self) -> None:
        ranking = ranking_of([entry(0, math.inf), entry(1, 1e300)])
        assert epochs(ranking) == [1, 0]


number = st.one_of(
    st.sampled_from([0.1, 0.2, 0.3, math.nan]), st.floats(min_value=-10, max_value=10)
)
histories = st.lists(st.tuples(number, number, number), max_size=25).map(
    lambda rows: [entry(epoch, *values) for epoch, values in enumerate(rows)]
)


@given(entries=histories, metric=st.sampled_from(METRICS))
def test_it_agrees_with_sorting_everything(entries: list[Ranked], metric: str) -> None:
    ranking = ranking_of(entries, metric)
    defined = [each for each in entries if not math.isnan(each.value(metric))]
    wanted = sorted(defined, key=lambda each: (each.value(metric), each.epoch))[: len(LINKS)]
    assert epochs(ranking) == [each.epoch for each in wanted]
    other = [each for each in entries if not math.isnan(each.value(ranking.other_metric))]
    best = min(other, key=lambda each: (each.value(ranking.other_metric), each.epoch), default=None)
    assert ranking.other is best


@given(entries=histories, metric=st.sampled_from(METRICS))
def test_what_would_be_kept_is_what_is_kept(entries: list[Ranked], metric: str) -> None:
    ranking = Ranking(metric)
    for each in entries:
        worth = ranking.would_keep(each)
        before = ranking.files()
        ranking.add(each)
        assert worth == (each.file in ranking.files())
        if not worth:
            assert ranking.files() == before


@given(entries=histories, metric=st.sampled_from(METRICS), cut=st.integers(0, 25))
def test_a_resumed_ranking_is_the_same(entries: list[Ranked], metric: str, cut: int) -> None:
    uninterrupted = ranking_of(entries, metric)
    before = ranking_of(entries[:cut], metric)
    resumed = Ranking.from_json(json.loads(json.dumps(before.to_json())))
    for each in entries[cut:]:
        resumed.add(each)
    assert resumed.links() == uninterrupted.links()
    assert json.dumps(resumed.to_json()) == json.dumps(uninterrupted.to_json())


def test_the_document_holds_json_types_alone() -> None:
    document = ranking_of([entry(0, 0.5, -0.2, 0.3), entry(1, 0.4)]).to_json()
    assert json.loads(json.dumps(document)) == document
    assert document["best"][1] == asdict(entry(0, 0.5, -0.2, 0.3))


def test_a_missing_file_has_no_rank() -> None:
    ranking = Ranking("val_loss")
    for epoch, val_loss in enumerate((0.4, 0.3, 0.2, 0.1)):
        ranking.add(Ranked(f"c{epoch}", epoch, val_loss, -epoch, 0.0))
    assert [entry.file for entry in ranking.best] == ["c3", "c2", "c1"]
    assert ranking.files() == {"c3", "c2", "c1"}
    ranking.keep_only({"c2", "last.ckpt"})
    assert ranking.files() == {"c2"}
    # The best by the other metric is lost too: the best one left takes its place.
    assert ranking.links() == {"best.ckpt": "c2", "best_selection_metric.ckpt": "c2"}
