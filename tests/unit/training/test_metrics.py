from __future__ import annotations

import random

import numpy as np
import pytest
from scipy import stats

from topoqa_train.training.metrics import (
    CLASSES,
    TOPS,
    Metrics,
    evaluate,
    pearson,
    selection_metric,
    spearman,
)

NAMES = {
    "val_loss",
    "val_pearson_corr",
    "val_spearman_corr",
    "val_target_spearman",
    "val_ranking_loss",
    *(f"val_top{count}_{name}" for count in (1, 10) for name in ("acceptable", "medium", "high")),
}


def plain(scores: list[float], dockq: list[float], targets: list[str]) -> dict[str, float]:
    """The same by plain loops and scipy, for distinct finite scores and targets that differ."""
    groups = {
        target: sorted(
            (
                (score, truth)
                for score, truth, own in zip(scores, dockq, targets, strict=True)
                if own == target
            ),
            reverse=True,
        )
        for target in set(targets)
    }
    found = {
        "val_loss": sum((s - t) ** 2 for s, t in zip(scores, dockq, strict=True)) / len(scores),
        "val_pearson_corr": stats.pearsonr(scores, dockq).statistic,
        "val_spearman_corr": stats.spearmanr(scores, dockq).statistic,
        "val_target_spearman": np.mean(
            [stats.spearmanr(*zip(*group, strict=True)).statistic for group in groups.values()]
        ),
        "val_ranking_loss": np.mean(
            [max(truth for _, truth in group) - group[0][1] for group in groups.values()]
        ),
    }
    for count in TOPS:
        for name, least in CLASSES.items():
            hits = [any(truth >= least for _, truth in group[:count]) for group in groups.values()]
            found[f"val_top{count}_{name}"] = sum(hits) / len(hits)
    return found


@pytest.mark.parametrize("sizes", [(5,), (3, 12, 30), (2, 2, 2, 2, 11)])
def test_against_plain_loops_and_scipy(rng: random.Random, sizes: tuple[int, ...]) -> None:
    targets = [f"t{number}" for number, size in enumerate(sizes) for _ in range(size)]
    rng.shuffle(targets)
    scores = [rng.random() for _ in targets]
    dockq = [round(rng.random(), 2) if rng.random() < 0.3 else rng.random() for _ in targets]
    metrics = evaluate(scores, dockq, targets)
    assert set(metrics.values) == NAMES
    assert metrics.values == pytest.approx(plain(scores, dockq, targets), abs=1e-12)
    assert metrics.undefined == frozenset()
    assert all(type(value) is float for value in metrics.values.values())


def test_ties_have_the_mean_rank(rng: random.Random) -> None:
    one = [rng.randrange(4) / 4 for _ in range(40)]
    other = [rng.randrange(5) / 5 for _ in range(40)]
    assert spearman(np.array(one), np.array(other)) == pytest.approx(
        stats.spearmanr(one, other).statistic, abs=1e-12
    )


def test_val_loss_is_the_mean_over_graphs_not_over_batches() -> None:
    """37 graphs at batch 16 are batches of 16, 16 and 5: a mean of their means is another."""
    dockq = np.linspace(0, 1, 37)
    squares = dockq**2
    over_batches = np.mean([squares[:16].mean(), squares[16:32].mean(), squares[32:].mean()])
    value = evaluate(np.zeros(37), dockq, np.zeros(37)).values["val_loss"]
    assert value == pytest.approx(sum(squares) / 37, abs=1e-12)
    assert abs(value - over_batches) > 0.05


def test_constant_predictions_count_as_zero_and_are_named() -> None:
    metrics = evaluate([0.5] * 4, [0.1, 0.2, 0.3, 0.9], ["a", "a", "b", "b"])
    correlations = {"val_pearson_corr", "val_spearman_corr", "val_target_spearman"}
    assert metrics.undefined == correlations
    assert all(metrics.values[name] == 0.0 for name in correlations)


def test_nearly_constant_predictions_give_finite_metrics() -> None:
    scores = [0.5, np.nextafter(0.5, 1), 0.5]
    metrics = evaluate(scores, [0.1, 0.9, 0.2], ["a"] * 3)
    assert all(np.isfinite(value) for value in metrics.values.values())
    assert -1 <= metrics.values["val_pearson_corr"] <= 1


def test_one_constant_target_counts_as_zero_in_the_mean() -> None:
    metrics = evaluate([0.1, 0.2, 0.5, 0.5], [0.1, 0.2, 0.3, 0.9], ["a", "a", "b", "b"])
    assert metrics.values["val_target_spearman"] == pytest.approx(0.5)
    assert metrics.undefined == {"val_target_spearman"}


def test_targets_that_nothing_can_rank_are_left_out_of_the_mean() -> None:
    metrics = evaluate(
        [0.1, 0.2, 0.7, 0.3, 0.9], [0.1, 0.2, 0.5, 0.4, 0.4], ["a", "a", "single", "same", "same"]
    )
    assert metrics.values["val_target_spearman"] == pytest.approx(1.0)
    assert metrics.undefined == frozenset()
    alone = evaluate([0.1, 0.2], [0.3, 0.4], ["a", "b"])
    assert alone.values["val_target_spearman"] == 0.0
    assert alone.undefined == {"val_target_spearman"}


def test_a_single_graph() -> None:
    metrics = evaluate([0.3], [0.5], ["a"])
    assert metrics.values["val_loss"] == pytest.approx(0.04)
    assert metrics.values["val_ranking_loss"] == 0.0
    assert metrics.values["val_top1_medium"] == 1.0
    assert metrics.values["val_top1_high"] == 0.0
    assert len(metrics.undefined) == 3


@pytest.mark.parametrize(
    ("dockq", "classes"),
    [(0.2299, 0), (0.23, 1), (0.4899, 1), (0.49, 2), (0.7999, 2), (0.80, 3), (1.0, 3)],
)
def test_class_limits_belong_to_the_class(dockq: float, classes: int) -> None:
    values = evaluate([0.5], [dockq], ["a"]).values
    hits = [values[f"val_top1_{name}"] for name in ("acceptable", "medium", "high")]
    assert hits == [1.0] * classes + [0.0] * (3 - classes)


def test_the_tenth_counts_and_the_eleventh_does_not() -> None:
    scores = np.linspace(1, 0, 11)
    for place, hit in ((9, 1.0), (10, 0.0)):
        dockq = np.zeros(11)
        dockq[place] = 0.9
        values = evaluate(scores, dockq, ["a"] * 11).values
        assert values["val_top10_high"] == hit
        assert values["val_top1_high"] == 0.0
        assert values["val_ranking_loss"] == pytest.approx(0.9)


def test_equal_scores_count_against_the_model_in_any_order(rng: random.Random) -> None:
    dockq = [0.9, 0.1, 0.5]
    orders = [rng.sample(dockq, 3) for _ in range(5)] + [sorted(dockq), sorted(dockq)[::-1]]
    for order in orders:
        values = evaluate([0.5] * 3, order, ["a"] * 3).values
        assert values["val_ranking_loss"] == pytest.approx(0.8)
        assert values["val_top1_acceptable"] == 0.0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_prediction_that_is_not_finite_never_ranks(wrong: float) -> None:
    metrics = evaluate([wrong, 0.5, 0.4], [0.9, 0.3, 0.2], ["a"] * 3)
    assert not np.isfinite(metrics.values["val_loss"])
    assert metrics.values["val_ranking_loss"] == pytest.approx(0.6)
    assert metrics.values["val_spearman_corr"] == 0.0
    assert len(metrics.undefined) == 3


def test_the_order_of_the_graphs_does_not_count(rng: random.Random) -> None:
    rows = [(rng.randrange(5) / 5, rng.randrange(5) / 5, rng.choice("abc")) for _ in range(30)]
    shuffled = rng.sample(rows, len(rows))
    one, other = (evaluate(*zip(*some, strict=True)) for some in (rows, shuffled))
    assert isinstance(one, Metrics)
    assert one.values == pytest.approx(other.values, abs=1e-12)
    assert one.undefined == other.undefined


@pytest.mark.parametrize(
    ("scores", "dockq", "targets"),
    [([], [], []), ([0.1], [0.1, 0.2], ["a"]), ([[0.1]], [[0.1]], [["a"]])],
)
def test_shapes_that_do_not_fit(
    scores: list[float], dockq: list[float], targets: list[str]
) -> None:
    with pytest.raises(ValueError, match="want one"):
        evaluate(scores, dockq, targets)


def test_pearson_survives_large_and_small_numbers() -> None:
    one = np.array([1e-200, 2e-200, 3e-200])
    assert pearson(one, np.array([1e200, 2e200, 3e200])) == pytest.approx(1.0)
    assert pearson(one, np.array([3.0, 2.0, 1.0])) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("loss", "rho", "weight", "delta", "expected"),
    [
        (0.05, 0.7, 1.0, 0.0, -0.65),
        (0.05, -0.7, 1.0, 0.0, 0.05),
        (0.05, 0.7, 0.0, 0.0, 0.05),
        (0.05, 0.7, 2.0, 0.5, -0.35),
        (0.05, 0.4, 2.0, 0.5, 0.05),
    ],
)
def test_selection_metric(
    loss: float, rho: float, weight: float, delta: float, expected: float
) -> None:
    value = selection_metric(loss, rho, weight=weight, min_delta=delta)
    assert value == pytest.approx(expected)


def test_selection_metric_of_nan_is_nan() -> None:
    assert np.isnan(selection_metric(np.nan, 0.5, weight=1.0, min_delta=0.0))


def test_metrics_do_not_depend_on_the_alignment_of_arrays() -> None:
    # A resumed run must write the very digits of an undisturbed one; BLAS and numpy sum
    # differently at different alignments.
    rng = np.random.default_rng(20260101)
    predicted, dockq = rng.random(37), rng.random(37)
    targets = np.arange(37) // 5

    def aligned(values: np.ndarray, offset: int) -> np.ndarray:
        room = np.empty(len(values) + 8)
        view = room[offset : offset + len(values)]
        view[:] = values
        return view

    seen = {
        tuple(evaluate(aligned(predicted, i), aligned(dockq, j), targets).values.items())
        for i in range(8)
        for j in range(8)
    }
    assert len(seen) == 1
