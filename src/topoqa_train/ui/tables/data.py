"""Tables and lines on labels and graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from topoqa_train.errors import shown_path
from topoqa_train.labels.label_file import LeftOut, Reason
from topoqa_train.ui import formatting
from topoqa_train.views.data import DataStats, FilterReport, SplitStats, Spread

_NAMED = 6
# Reasons for which each graph's own error is shown.
_DETAILED = (Reason.SEVERAL_GRAPHS, Reason.BROKEN_GRAPH, Reason.UNFIT_GRAPH, Reason.OTHER_WIDTHS)


def filter_lines(report: FilterReport, here: Path) -> list[str]:
    """Return how many rows were kept, then the rejected ones by reason."""
    out = shown_path(report.out, here)
    lines = [f"{out}: {report.kept} of {report.total} rows kept"]
    lines += rejected_lines(report.left_out)
    if report.rejects is not None:
        lines.append(f"{shown_path(report.rejects, here)}: the rejected rows")
    return lines


def rejected_lines(rejected: Sequence[LeftOut]) -> list[str]:
    """Return a line per reason with some names; errors in graphs get a line each."""
    lines = []
    for reason in Reason:
        items = [item for item in rejected if item.reason == reason]
        if not items:
            continue
        more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
        if reason in _DETAILED:
            lines.append(f"  {reason}: {len(items)}")
            lines += [f"    {item.detail}" for item in items[:_NAMED]]
            lines += [f"   {more}"] if more else []
        else:
            names = [item.model or f"line {item.line}" for item in items[:_NAMED]]
            lines.append(f"  {reason}: {len(items)}  ({', '.join(names)}{more})")
    return lines


def stats_tables(stats: DataStats) -> RenderableType:
    """Return tables of graph sizes, DockQ classes and memory."""
    widths = f"{stats.node_dim} columns per node, {stats.edge_dim} per edge"
    head = stats.name if stats.node_dim is None else f"{stats.name}: {widths}"
    lines = [Text(line) for part in stats.splits for line in _rejected(part)]
    if stats.shared_targets:
        names = ", ".join(stats.shared_targets[:_NAMED])
        more = ", ..." if len(stats.shared_targets) > _NAMED else ""
        count = len(stats.shared_targets)
        lines.append(Text(f"in more than one split: {count} targets ({names}{more})"))
    if lines:
        lines.append(Text())
    return Group(
        Text(head), Text(), _sizes(stats.splits), Text(), _classes(stats.splits), Text(),
        *lines, *_memory(stats),
    )  # fmt: skip


def _sizes(splits: Sequence[SplitStats]) -> Table:
    headings = ("split", "targets", "decoys", "nodes", "median", "edges", "median", "memory")
    table = formatting.table(headings, left=["split"])
    for part in splits:
        table.add_row(
            part.split,
            str(part.targets),
            str(part.decoys),
            *_spread(part.nodes),
            *_spread(part.edges),
            formatting.size(part.memory_bytes),
        )
    return table


def _spread(spread: Spread | None) -> tuple[str, str]:
    if spread is None:
        return "-", "-"
    return f"{spread.least} to {spread.most}", str(spread.median)


def _classes(splits: Sequence[SplitStats]) -> Table:
    names = list(splits[0].classes) if splits else []
    table = formatting.table(["DockQ", *names], left=["DockQ"])
    for part in splits:
        total = max(1, part.decoys)
        table.add_row(
            part.split,
            *(f"{count} ({100 * count / total:.0f} %)" for count in part.classes.values()),
        )
    return table


def _rejected(part: SplitStats) -> list[str]:
    lines = rejected_lines(part.left_out)
    rows = part.decoys + len(part.left_out)
    head = f"{part.split}: {len(part.left_out)} of {rows} rows can't be used"
    return [head, *lines] if lines else []


def _memory(stats: DataStats) -> list[RenderableType]:
    batch = stats.batch
    if batch is None:
        return []
    total = sum(part.memory_bytes for part in stats.splits)
    network = f"{batch.network}, {batch.parameters} weights, 32 bit"
    table = formatting.table(["memory", "", " "], left=["memory", " "])
    for row in (
        ("all graphs", formatting.size(total), "as training holds them"),
        (f"a batch of {batch.batch_size}", formatting.size(batch.mean_bytes), "on average"),
        ("", formatting.size(batch.largest_bytes), "of the largest graphs"),
        ("a training step on those", formatting.size(batch.step_bytes), network),
    ):
        table.add_row(*row)
    note = (
        "Tensors only, counted on the CPU: a process takes up to twice that for a step, "
        "and 0.4 GiB for its libraries."
    )
    return [table, Text(note)]
