"""`metrics.md`: the columns of metrics.csv, taken from the code that writes it."""

from __future__ import annotations

from generator import descriptions
from generator.markdown import code, page, prose, table
from topoqa_train.runs import ranking
from topoqa_train.runs.metrics_file import LEADING_COLUMNS
from topoqa_train.training.metrics import CLASSES, TOPS, evaluate


def render() -> str:
    """Return the page."""
    columns = names()
    described = {**descriptions.METRICS, **_hit_rates()}
    if set(columns) != set(described):
        differing = sorted(set(columns) ^ set(described))
        raise RuntimeError(f"descriptions.METRICS differs in {differing}")
    rows = [[code(name), _better(name), prose(described[name])] for name in columns]
    return page(
        "Metrics",
        "`metrics/metrics.csv` has one row per epoch. Numbers read back as the same "
        "floats. Each of these columns can rank a leaderboard: "
        "`topoqa-train leaderboard --metric NAME`. The metrics of the test split, `test` in "
        "`run_metadata.json`, have the same names without `val_`. Definitions and undefined cases: "
        "[Metrics, defined](../explanation/metrics.md).",
        table(["column", "better", "meaning"], rows),
    )


def names() -> list[str]:
    """Return the columns in the order of the table."""
    values = evaluate([0.1, 0.9], [0.2, 0.8], ["1ABC", "1ABC"]).values
    return [*LEADING_COLUMNS, *(name for name in values if name not in LEADING_COLUMNS)]


def _better(name: str) -> str:
    if name in descriptions.NEUTRAL_METRICS:
        return ""
    return "low" if ranking.lower_is_better(name) else "high"


def _hit_rates() -> dict[str, str]:
    return {
        f"val_top{top}_{name}": f"share of targets with a decoy of DockQ at least {least:.2f} "
        + ("at rank 1" if top == 1 else f"among the top {top}")
        for top in TOPS
        for name, least in CLASSES.items()
    }
