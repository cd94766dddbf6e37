"""What is said of data, as people read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from topoqa_train.labels.label_table import LeftOut, Reason
from topoqa_train.ui import formatting
from topoqa_train.ui.tables.leaderboard import shown_path
from topoqa_train.views.data import DataStats, FilterReport, SplitStats, Spread

_NAMED = 6
# Reasons that are told one by one, with what is wrong.
_TOLD = (Reason.SEVERAL_GRAPHS, Reason.BROKEN_GRAPH, Reason.UNFIT_GRAPH, Reason.OTHER_WIDTHS)


def filter_lines(report: FilterReport, here: Path) -> list[str]:
    """What was kept, then what was left out, by reason."""
    out = shown_path(report.out, here)
    lines = [f"{out}: {report.kept} of {report.total} rows kept"]
    lines += left_out_lines(report.left_out)
    if report.rejects is not None:
        lines.append(f"{shown_path(report.rejects, here)}: those left out")
    return lines


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """A line a reason with some names; for what is wrong with a file a line each."""
    lines = []
    for reason in Reason:
        those = [item for item in left_out if item.reason == reason]
        if not those:
            continue
        more = f" and {len(those) - _NAMED} more" if len(those) > _NAMED else ""
        if reason in _TOLD:
            lines.append(f"  {reason}: {len(those)}")
            lines += [f"    {item.detail}" for item in those[:_NAMED]]
            lines += [f"   {more}"] if more else []
        else:
            names = [item.model or f"line {item.line}" for item in those[:_NAMED]]
            lines.append(f"  {reason}: {len(those)}  ({', '.join(names)}{more})")
    return lines


def stats_tables(stats: DataStats) -> RenderableType:
    """Sizes of the graphs, DockQ by class, then what memory it takes."""
    widths = f"{stats.node_dim} columns a node, {stats.edge_dim} an edge"
    head = stats.name if stats.node_dim is None else f"{stats.name}: {widths}"
    lines = [Text(line) for part in stats.splits for line in _left_out(part)]
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
    table = _table(headings)
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
    table = _table(["DockQ", *names])
    for part in splits:
        total = max(1, part.decoys)
        table.add_row(
            part.split,
            *(f"{count} ({100 * count / total:.0f} %)" for count in part.classes.values()),
        )
    return table


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left", no_wrap=True)
    return table


def _left_out(part: SplitStats) -> list[str]:
    lines = left_out_lines(part.left_out)
    rows = part.decoys + len(part.left_out)
    head = f"{part.split}: {len(part.left_out)} of {rows} rows can't be used"
    return [head, *lines] if lines else []


def _memory(stats: DataStats) -> list[RenderableType]:
    batch = stats.batch
    if batch is None:
        return []
    held = sum(part.memory_bytes for part in stats.splits)
    network = f"{batch.network}, {batch.parameters} weights, 32 bit"
    table = _table(["memory", "", ""])
    table.columns[2].justify = "left"
    for row in (
        ("all graphs", formatting.size(held), "as training holds them"),
        (f"a batch of {batch.batch_size}", formatting.size(batch.mean_bytes), "on average"),
        ("", formatting.size(batch.largest_bytes), "of the largest graphs"),
        ("a training step with those", formatting.size(batch.step_bytes), network),
    ):
        table.add_row(*row)
    return [
        table,
        Text(
            "Tensors alone, counted on the CPU: a process takes up to twice that for a step, "
            "and 0.4 GiB for its libraries."
        ),
    ]
