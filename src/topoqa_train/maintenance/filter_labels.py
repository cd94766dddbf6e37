"""The labels that can be trained on, in a file of their own; the others, each with a reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from topoqa_train import atomic
from topoqa_train.datasets import Progress
from topoqa_train.errors import DataError, RequestError
from topoqa_train.labels import label_file
from topoqa_train.labels.graph_index import GraphIndex, graph_folder
from topoqa_train.labels.label_file import Label
from topoqa_train.labels.label_table import LabelTable, LeftOut, Reason, read_table
from topoqa_train.views.data import FilterReport


def filter_labels(
    source: Path,
    graphs: Path,
    out: Path,
    progress: Progress,
    *,
    rejects: Path | None = None,
    force: bool = False,
) -> FilterReport:
    """Write the labels of `source` that have a sound graph to `out`, every column, in their order.

    Left out are labels without a graph, with a broken one, with one that can't be trained on, with
    one of other widths than most, without a dockq, and rows that say again what one before them
    says. `rejects` gets the rows left out, with the columns LINE and REASON before the others.

    Raises:
        DataError: the labels or the folder of graphs can't be used, or no label is left.
        RequestError: a file to be written is there already (without `force`) or is the source.
    """
    label_file.require_file(source)
    for path in (out, rejects):
        _check_target(path, source, force=force)
    if rejects is not None and rejects.resolve() == out.resolve():
        raise RequestError(f"{out} can't be both --out and --rejects")
    table = read_table(source, split=source.stem)
    index = GraphIndex.scan(graph_folder(graphs))
    good, left_out = _sift(table, index, progress)
    if not good:
        raise DataError(
            f"no label of {source} has a graph that can be trained on",
            details=summary_lines(left_out),
        )
    atomic.write_text(out, table.text(good))
    if rejects is not None:
        atomic.write_text(rejects, _rejected(table, left_out))
    return FilterReport(source, index.root, out, len(good), tuple(left_out), rejects)


def _check_target(path: Path | None, source: Path, *, force: bool) -> None:
    if path is None:
        return
    if not path.parent.is_dir():
        raise RequestError(f"there is no folder {path.parent} to write {path.name} to")
    if not path.exists():
        return
    if path.samefile(source):
        raise RequestError(f"{path} is the file that is read; write another one")
    if path.is_dir():
        raise RequestError(f"{path} is a folder; name a file in it")
    if not force:
        raise RequestError(f"{path} is there already", hint="Overwrite it with --force.")


def _sift(
    table: LabelTable, index: GraphIndex, progress: Progress
) -> tuple[list[Label], list[LeftOut]]:
    # Loads torch, which no module of this floor may do on import.
    from topoqa_train.training.data import audit

    left_out = table.left_out
    seen: list[tuple[Label, audit.Widths]] = []
    rows = table.labels.rows
    with progress("reading graphs", len(rows)) as advance:
        for item in audit.look(rows, index, advance):
            if isinstance(item, LeftOut):
                left_out.append(item)
            else:
                seen.append((item.label, item.widths))
    odd = audit.odd_ones(seen)
    good = [label for label, _ in seen if label.model not in odd]
    return good, sorted([*left_out, *odd.values()], key=lambda item: item.line)


def _rejected(table: LabelTable, left_out: Sequence[LeftOut]) -> str:
    pieces = [f"LINE,REASON,{table.header}"]
    for item in left_out:
        cells = io.StringIO()
        why = item.reason + (f": {item.detail}" if item.detail else "")
        csv.writer(cells, lineterminator="").writerow([item.line, why])
        pieces.append(f"{cells.getvalue()},{table.rows[item.line]}")
    return "".join(pieces)


def summary_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """How many labels were left out for which reason, a line each."""
    counts = {reason: sum(item.reason == reason for item in left_out) for reason in Reason}
    return [f"{reason}: {count}" for reason, count in counts.items() if count]


def to_document(report: FilterReport) -> dict[str, Any]:
    """As JSON types; paths are absolute."""
    return {
        "labels": str(report.source.resolve()),
        "graphs": str(report.graphs.resolve()),
        "out": str(report.out.resolve()),
        "rejects": None if report.rejects is None else str(report.rejects.resolve()),
        "total": report.total,
        "kept": report.kept,
        "left_out": [
            {
                "model": item.model or None,
                "line": item.line,
                "reason": str(item.reason),
                "detail": item.detail or None,
            }
            for item in report.left_out
        ],
    }
