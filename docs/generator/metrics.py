"""`metrics.md`: the columns of metrics.csv, as the code that fills it has them."""

from __future__ import annotations

from generator import meanings
from generator.markdown import code, page, prose, table
from topoqa_train.runs import ranking
from topoqa_train.runs.metrics_file import LEADING_COLUMNS
from topoqa_train.training.metrics import CLASSES, TOPS, evaluate


def render() -> str:
    """The page."""
    columns = names()
    said = {**meanings.METRICS, **_hit_rates()}
    if set(columns) != set(said):
        raise RuntimeError(f"meanings.METRICS differs in {sorted(set(columns) ^ set(said))}")
    rows = [[code(name), _better(name), prose(said[name])] for name in columns]
    return page(
        "Metrics",
        "`metrics/metrics.csv` has a row an epoch. Numbers are written so that they read back as "
        "the very same floats. Any of these columns can rank a leaderboard: "
        "`topoqa-train leaderboard --metric NAME`. The metrics of the test split, `test` in "
        "`run_metadata.json`, have the same names without `val_`. Definitions and undefined cases: "
        "[Metrics, defined](../explanation/metrics.md).",
        table(["column", "better", "what"], rows),
    )


def names() -> list[str]:
    """The columns in the table's order."""
    figures = evaluate([0.1, 0.9], [0.2, 0.8], ["1ABC", "1ABC"]).values
    return [*LEADING_COLUMNS, *(name for name in figures if name not in LEADING_COLUMNS)]


def _better(name: str) -> str:
    if name in meanings.NO_MERIT:
        return ""
    return "low" if ranking.lower_is_better(name) else "high"


def _hit_rates() -> dict[str, str]:
    return {
        f"val_top{top}_{name}": f"share of targets with a decoy of DockQ at least {least:.2f} "
        + ("on top" if top == 1 else f"among the {top} on top")
        for top in TOPS
        for name, least in CLASSES.items()
    }
