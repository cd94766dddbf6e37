from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

import pytest
from hypothesis import example, given
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


@pytest.mark.parametrize(
    ("metric", "value", "name"),
    [
        (VAL_LOSS, 0.0530719, "checkpoint.val-0.05307_epoch127.chkpt"),
        (SELECTION, 0.05, "checkpoint.sel--0.67100_val-0.05000_epoch127.chkpt"),
        (SELECTION, math.nan, "checkpoint.sel--0.67100_val-nan_epoch127.chkpt"),
        (VAL_LOSS, math.inf, "checkpoint.val-inf_epoch127.chkpt"),
    ],
)
def test_file_names(metric: str, value: float, name: str) -> None:
    assert file_name(metric, 127, value, -0.671) == name


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


number = st.one_of(
    st.sampled_from([0.1, 0.2, 0.3, math.inf, math.nan]), st.floats(min_value=-10, max_value=10)
)
histories = st.lists(st.tuples(number, number, number), max_size=25).map(
    lambda rows: [entry(epoch, *values) for epoch, values in enumerate(rows)]
)


@given(entries=histories, metric=st.sampled_from(METRICS))
@example(entries=[entry(0, math.nan, math.nan)], metric=VAL_LOSS)
@example(entries=[entry(0, math.nan, -0.5), entry(1, math.inf), entry(2, 1e300)], metric=VAL_LOSS)
def test_it_agrees_with_sorting_everything(entries: list[Ranked], metric: str) -> None:
    """Without the NaNs; infinity is behind every number."""
    ranking = ranking_of(entries, metric)
    defined = [each for each in entries if not math.isnan(each.value(metric))]
    wanted = sorted(defined, key=lambda each: (each.value(metric), each.epoch))[: len(LINKS)]
    assert epochs(ranking) == [each.epoch for each in wanted]
    other = [each for each in entries if not math.isnan(each.value(ranking.other_metric))]
    best = min(other, key=lambda each: (each.value(ranking.other_metric), each.epoch), default=None)
    assert ranking.other is best
    links = [*LINKS[: len(wanted)], *([f"best_{ranking.other_metric}.ckpt"] if best else [])]
    assert list(ranking.links()) == links
    assert ranking.files() == {each.file for each in (*wanted, best) if each}


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
