"""Write the labels that can be trained on to a new file, and the others with the reason."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from topoqa_train import atomic
from topoqa_train.datasets import Progress
from topoqa_train.errors import DataError, RequestError
from topoqa_train.labels import label_file
from topoqa_train.labels.graph_index import GraphIndex, graph_folder
from topoqa_train.labels.label_file import LabelTable, LeftOut, Reason, read_table
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
    """Write the labels of `source` that have a valid graph to `out`, with every column, in order.

    Labels are left out for each `Reason`. `rejects` gets the rows left out, with the columns LINE
    and REASON before the others.

    Raises:
        DataError: the labels or the folder of graphs can't be used, or no label is left.
        RequestError: an output file exists (without `force`) or is the source.
    """
    from topoqa_train.training.data import audit  # imports torch

    label_file.require_file(source)
    for path in (out, rejects):
        _check_target(path, source, force=force)
    if rejects is not None and rejects.resolve() == out.resolve():
        raise RequestError(f"{out} can't be both --out and --rejects")
    table = read_table(source, split=source.stem)
    index = GraphIndex.scan(graph_folder(graphs))
    with progress("reading graphs", len(table.labels.rows)) as advance:
        (found,) = audit.audit_tables(
            {source.stem: table}, index, advance, keep=lambda item: item.label
        ).values()
    good, left_out = found.kept, found.left_out
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
        raise RequestError(f"{path} is the file that is read; name another one")
    if path.is_dir():
        raise RequestError(f"{path} is a folder; name a file in it")
    if not force:
        raise RequestError(f"{path} exists already", hint="Overwrite it with --force.")


def _rejected(table: LabelTable, left_out: Sequence[LeftOut]) -> str:
    text = io.StringIO(f"LINE,REASON,{table.header}")
    text.seek(0, io.SEEK_END)
    writer = csv.writer(text, lineterminator=",")  # the row follows, as it is in the source
    for item in left_out:
        writer.writerow([item.line, item.reason + (f": {item.detail}" if item.detail else "")])
        text.write(table.rows[item.line])
    return text.getvalue()


def summary_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """Return how many labels were left out for each reason, a line each."""
    counts = Counter(item.reason for item in left_out)
    return [f"{reason}: {counts[reason]}" for reason in Reason if reason in counts]


def to_document(report: FilterReport) -> dict[str, Any]:
    """Return the report as JSON types, with absolute paths."""
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
