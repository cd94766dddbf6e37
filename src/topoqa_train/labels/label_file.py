"""Label files: the decoys of a split and the DockQ of each."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from topoqa_train import bounded_read
from topoqa_train.config.yaml.scalars import shorten
from topoqa_train.errors import DataError

MODEL = "MODEL"
DOCKQ = "dockq"
TARGET = "TARGET"
MOST_BYTES = 2**28
MOST_LINES = 10**7
LONGEST_LINE = 2**20
_LONGEST_NAME = 1000
_LONGEST_PART = 255  # bytes; the limit of common file systems
_MAX_SHOWN = 10
_LAYOUT = f"A label file is a CSV with the columns {MODEL} and {DOCKQ}, and optionally {TARGET}."


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled decoy: `dockq` in 0..1, `line` its line in the file, from 1."""

    model: str
    dockq: float
    target: str
    line: int


@dataclass(frozen=True)
class Labels:
    """The labels of one split in the order of the file; each model once.

    `left_out_lines` are the lines of rows without a finite dockq.
    """

    split: str
    path: Path
    rows: tuple[Label, ...]
    left_out_lines: tuple[int, ...] = ()

    @property
    def left_out(self) -> int:
        """Number of rows without a finite dockq."""
        return len(self.left_out_lines)


class Reason(StrEnum):
    """Reason why a label can't be used for training."""

    NO_GRAPH = "no graph"
    SEVERAL_GRAPHS = "several graphs"
    BROKEN_GRAPH = "broken graph"
    UNFIT_GRAPH = "unfit graph"
    OTHER_WIDTHS = "graph of other widths"
    NO_DOCKQ = "no dockq"
    DUPLICATE = "duplicate row"


@dataclass(frozen=True)
class LeftOut:
    """A label that can't be used for training; `line` is its line in the file, from 1."""

    model: str
    line: int
    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class LabelTable:
    """The usable labels of a file, and the text of each row by the line in which it ends.

    So a part of a file can be written with every column that it has.
    """

    labels: Labels
    header: str
    rows: dict[int, str] = field(repr=False)

    @property
    def repeated_lines(self) -> tuple[int, ...]:
        """Lines of rows that repeat an earlier row."""
        known = {*(row.line for row in self.labels.rows), *self.labels.left_out_lines}
        return tuple(line for line in self.rows if line not in known)

    @property
    def left_out(self) -> list[LeftOut]:
        """Rows that need no graph: those without a DockQ, and repeated ones."""
        reasons = {
            **dict.fromkeys(self.labels.left_out_lines, Reason.NO_DOCKQ),
            **dict.fromkeys(self.repeated_lines, Reason.DUPLICATE),
        }
        return [LeftOut("", line, reason) for line, reason in sorted(reasons.items())]

    def text(self, labels: Iterable[Label]) -> str:
        """Return the text of a file of these labels, in the order given."""
        return "".join([self.header, *(self.rows[label.line] for label in labels)])


def require_file(path: Path) -> None:
    """Raise `DataError` if the label file `path` does not exist."""
    if not path.is_file():
        raise DataError(f"there is no label file {path}")


def target_of(model: str) -> str:
    """Return the target in a decoy's name: the part before the first `_` or `/`.

    A name that begins with either is its own target.
    """
    return re.split(r"[_/]", model, maxsplit=1)[0] or model


@dataclass
class _Errors:
    """The first few errors of a file, and the number of all."""

    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, error: str) -> None:
        self.count += 1
        if self.count <= _MAX_SHOWN:
            self.shown.append(error)

    def lines(self) -> list[str]:
        more = self.count - len(self.shown)
        return [*self.shown, *([f"and {more} more"] if more else [])]


def read_labels(path: Path, *, split: str) -> Labels:
    """Read a label file.

    Rows without a finite dockq (empty, NaN, not a number) are left out and counted. A model that
    is listed twice with the same values is kept once.

    Raises:
        DataError: the file does not exist, is not text, misses a column, has no usable row, or has
            a dockq outside 0..1, an invalid name, or a model with two values; lines are named.
    """
    return _labels_in(_read_content(path, split=split), path, split=split)


def _labels_in(content: bytes, path: Path, *, split: str) -> Labels:
    """Parse the content of a label file; see `read_labels`."""
    errors = _Errors()
    left_out: list[int] = []
    rows: dict[str, Label] = {}
    for label in _rows(content, path, split, errors, left_out):
        _keep(label, rows, errors)
    if errors.count:
        raise DataError(f"the {split} labels {path} can't be used", details=errors.lines())
    if not rows:
        raise DataError(
            f"the {split} labels {path} have no usable row",
            details=[f"{len(left_out)} rows without a finite {DOCKQ}"] if left_out else [],
            hint=_LAYOUT,
        )
    return Labels(split, path, tuple(rows.values()), tuple(left_out))


def read_table(path: Path, *, split: str) -> LabelTable:
    """Read a label file with every column; raise `DataError` as `read_labels` does."""
    content = _read_content(path, split=split)
    labels = _labels_in(content, path, split=split)
    lines = list(_lines_of(content))
    reader, before = csv.reader(lines), 0
    pieces: dict[int, str] = {}
    for cells in reader:
        piece = "".join(lines[before : reader.line_num])
        before = reader.line_num
        if not pieces or any(cell.strip() for cell in cells):
            pieces[reader.line_num] = piece if piece.endswith(("\n", "\r")) else f"{piece}\n"
    (_, header), *rows = pieces.items()
    return LabelTable(labels, header, dict(rows))


def _read_content(path: Path, *, split: str) -> bytes:
    """Return the bytes of a label file; raise `DataError` if they can't be text."""
    try:
        content = bounded_read.content(path, MOST_BYTES)
    except FileNotFoundError:
        raise DataError(
            f"there is no file of {split} labels {path}", hint=f"Set paths.{split}_labels."
        ) from None
    except OSError as error:
        raise DataError(f"the {split} labels {path} can't be read: {error.strerror}") from error
    if b"\0" in content:
        raise _not_text(path, split)
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(f"the {split} labels {path} are empty", hint=_LAYOUT)
    return content


def _lines_of(content: bytes) -> Iterator[str]:
    """Yield the lines as text with their line ends; raise `csv.Error` beyond the limits."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    for number, line in enumerate(text, 1):
        if number > MOST_LINES:
            raise csv.Error(f"more than {MOST_LINES} lines")
        if len(line) > LONGEST_LINE:
            raise csv.Error(f"a line of more than {LONGEST_LINE} characters")
        yield line


def _rows(
    content: bytes, path: Path, split: str, errors: _Errors, left_out: list[int]
) -> Iterator[Label]:
    """Yield the usable rows; collect errors and the lines of rows without a dockq."""
    reader = csv.reader(_lines_of(content))
    try:
        header = next(reader, None)
        columns = _columns(header, path, split)
        for cells in reader:
            if cells and any(cell.strip() for cell in cells):
                yield from _label(cells, columns, reader.line_num, errors, left_out)
    except csv.Error as error:
        line = max(1, reader.line_num)
        raise DataError(f"{path}:{line}: not CSV: {error}", hint=_LAYOUT) from error
    except UnicodeDecodeError:
        raise _not_text(path, split) from None


def _not_text(path: Path, split: str) -> DataError:
    return DataError(f"the {split} labels {path} are not text in UTF-8", hint=_LAYOUT)


def _columns(header: Sequence[str] | None, path: Path, split: str) -> dict[str, int]:
    """Return the position of each known column."""
    names = [name.strip() for name in header or ()]
    missing = [name for name in (MODEL, DOCKQ) if name not in names]
    if missing:
        raise DataError(
            f"the {split} labels {path} have no column {' and no column '.join(missing)}",
            details=[f"it has the columns: {', '.join(map(repr, names))[:300] or 'none'}"],
            hint=_LAYOUT + _delimiter_hint(names),
        )
    twice = [name for name in (MODEL, DOCKQ, TARGET) if names.count(name) > 1]
    if twice:
        raise DataError(f"the {split} labels {path} list the column {twice[0]} twice")
    return {name: names.index(name) for name in (MODEL, DOCKQ, TARGET) if name in names}


def _delimiter_hint(names: Sequence[str]) -> str:
    used = {";": "semicolons", "\t": "tabs"}
    found = [word for mark, word in used.items() if len(names) == 1 and mark in names[0]]
    return f" The separator is a comma; this file seems to use {found[0]}." if found else ""


def _label(
    cells: Sequence[str],
    columns: dict[str, int],
    line: int,
    errors: _Errors,
    left_out: list[int],
) -> Iterator[Label]:
    values = {
        name: cells[position].strip() if position < len(cells) else ""
        for name, position in columns.items()
    }
    dockq = _number(values[DOCKQ])
    if dockq is None:
        left_out.append(line)
        return
    error = _name_error(values[MODEL]) or _target_error(values.get(TARGET, ""))
    if error is None and not 0.0 <= dockq <= 1.0:
        error = f"{DOCKQ} of {shorten(values[MODEL])} is {dockq:g}; the range is 0..1"
    if error is not None:
        errors.add(f"line {line}: {error}")
        return
    yield Label(values[MODEL], dockq, values.get(TARGET) or target_of(values[MODEL]), line)


def _number(text: str) -> float | None:
    try:
        # Python reads '0_1' as 1.
        value = math.nan if "_" in text else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _name_error(model: str) -> str | None:
    """Return why `model` can't name a file in the folder of graphs, or None if it can."""
    shown = repr(shorten(model))
    parts = model.replace("\\", "/").split("/")
    if not model:
        return f"no {MODEL}"
    if not model.isprintable():
        return f"{MODEL} {shown} holds unprintable characters"
    if any(part in ("", ".", "..") for part in parts):
        return f"{MODEL} {shown} is not a plain path below the folder of graphs"
    if len(model) > _LONGEST_NAME or max(len(part.encode()) for part in parts) > _LONGEST_PART:
        return f"{MODEL} {shown} is too long for a file name"
    return None


def _target_error(target: str) -> str | None:
    if not target.isprintable():
        return f"{TARGET} {shorten(target)!r} holds unprintable characters"
    return f"{TARGET} {shorten(target)!r} is too long" if len(target) > _LONGEST_NAME else None


def _keep(label: Label, rows: dict[str, Label], errors: _Errors) -> None:
    known = rows.setdefault(label.model, label)
    lines, name = f"lines {known.line} and {label.line}", shorten(label.model)
    if known.dockq != label.dockq:
        errors.add(f"{lines}: {name} has {DOCKQ} {known.dockq:g} and {label.dockq:g}")
    elif known.target != label.target:
        targets = f"{shorten(known.target)} and {shorten(label.target)}"
        errors.add(f"{lines}: {name} has {TARGET} {targets}")
