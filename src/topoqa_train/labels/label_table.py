"""A label file line by line, so that a part of it can be written out with every column it has."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from topoqa_train.labels.label_file import Label, Labels, labels_in, lines_of, read_content


class Reason(StrEnum):
    """Why a label can't be trained on."""

    NO_GRAPH = "no graph"
    SEVERAL_GRAPHS = "several graphs"
    BROKEN_GRAPH = "broken graph"
    UNFIT_GRAPH = "unfit graph"
    OTHER_WIDTHS = "graph of other widths"
    NO_DOCKQ = "no dockq"
    DUPLICATE = "duplicate row"


@dataclass(frozen=True)
class LeftOut:
    """A label that can't be trained on. `line` is that of its file, from 1."""

    model: str
    line: int
    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class LabelTable:
    """The usable labels of a file, and each row as it stands there, by the line that it ends in."""

    labels: Labels
    header: str
    rows: dict[int, str] = field(repr=False)

    @property
    def repeated_lines(self) -> tuple[int, ...]:
        """Lines of rows that say again what a row before them says."""
        known = {*(row.line for row in self.labels.rows), *self.labels.left_out_lines}
        return tuple(line for line in self.rows if line not in known)

    @property
    def left_out(self) -> list[LeftOut]:
        """Rows whose graphs need not be looked up: those without a DockQ, and repeated ones."""
        reasons = {
            **dict.fromkeys(self.labels.left_out_lines, Reason.NO_DOCKQ),
            **dict.fromkeys(self.repeated_lines, Reason.DUPLICATE),
        }
        return [LeftOut("", line, reason) for line, reason in sorted(reasons.items())]

    def text(self, labels: Iterable[Label]) -> str:
        """A file of these labels alone, in the order given."""
        return "".join([self.header, *(self.rows[label.line] for label in labels)])


def read_table(path: Path, *, split: str) -> LabelTable:
    """Read a label file with every column; see `read_labels` for what is refused."""
    content = read_content(path, split=split)
    labels = labels_in(content, path, split=split)
    lines = list(lines_of(content))
    reader, before = csv.reader(lines), 0
    pieces: dict[int, str] = {}
    for cells in reader:
        piece = "".join(lines[before : reader.line_num])
        before = reader.line_num
        if not pieces or any(cell.strip() for cell in cells):
            pieces[reader.line_num] = piece if piece.endswith(("\n", "\r")) else f"{piece}\n"
    (_, header), *rows = pieces.items()
    return LabelTable(labels, header, dict(rows))
