"""Label files: which decoys there are, and how good each is."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
_LONGEST_PART = 255  # bytes of a file's name
_NAMED_LINES = 10
_LAYOUT = f"It takes a CSV with the columns {MODEL} and {DOCKQ}, and {TARGET} if you like."


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled decoy: `dockq` in 0..1, `line` of the file, from 1, where it stands."""

    model: str
    dockq: float
    target: str
    line: int


@dataclass(frozen=True)
class Labels:
    """The labels of one split in the file's order; each model once.

    `left_out_lines` are those of rows without a finite dockq.
    """

    split: str
    path: Path
    rows: tuple[Label, ...]
    left_out_lines: tuple[int, ...] = ()

    @property
    def left_out(self) -> int:
        """How many rows had no finite dockq."""
        return len(self.left_out_lines)


def require_file(path: Path) -> None:
    """Raise `DataError` if the label file `path` does not exist."""
    if not path.is_file():
        raise DataError(f"there is no label file {path}")


def target_of(model: str) -> str:
    """The target of a decoy by its name: what stands before the first `_` or `/`.

    A name that begins with either is its own target.
    """
    return re.split(r"[_/]", model, maxsplit=1)[0] or model


@dataclass
class _Faults:
    """The first few lines that are wrong, and how many there are."""

    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, fault: str) -> None:
        self.count += 1
        if self.count <= _NAMED_LINES:
            self.shown.append(fault)

    def lines(self) -> list[str]:
        more = self.count - len(self.shown)
        return [*self.shown, *([f"and {more} more"] if more else [])]


def read_labels(path: Path, *, split: str) -> Labels:
    """Read a label file.

    Rows without a finite dockq (empty, NaN, no number) are left out and counted. A model that
    comes twice with the same values is kept once.

    Raises:
        DataError: no such file, no text, no such columns, a dockq outside 0..1, a model that is
            no plain name, a model with two values, or not one usable row; lines are named.
    """
    return labels_in(read_content(path, split=split), path, split=split)


def labels_in(content: bytes, path: Path, *, split: str) -> Labels:
    """`read_labels` on what `read_content` read."""
    faults = _Faults()
    left_out: list[int] = []
    rows: dict[str, Label] = {}
    for label in _rows(content, path, split, faults, left_out):
        _keep(label, rows, faults)
    if faults.count:
        raise DataError(f"the {split} labels {path} can't be used", details=faults.lines())
    if not rows:
        raise DataError(
            f"the {split} labels {path} name no decoy",
            details=[f"{len(left_out)} rows without a finite {DOCKQ}"] if left_out else [],
            hint=_LAYOUT,
        )
    return Labels(split, path, tuple(rows.values()), tuple(left_out))


def read_content(path: Path, *, split: str) -> bytes:
    """The bytes of a label file; raises `DataError` where they can't be one."""
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


def lines_of(content: bytes) -> Iterator[str]:
    """The lines as text, each with the line end that it has; `csv.Error` where they never end."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    for number, line in enumerate(text, 1):
        if number > MOST_LINES:
            raise csv.Error(f"more than {MOST_LINES} lines")
        if len(line) > LONGEST_LINE:
            raise csv.Error(f"a line of more than {LONGEST_LINE} characters")
        yield line


def _rows(
    content: bytes, path: Path, split: str, faults: _Faults, left_out: list[int]
) -> Iterator[Label]:
    """The usable rows one by one; what is wrong or without a dockq is noted on the way."""
    reader = csv.reader(lines_of(content))
    try:
        header = next(reader, None)
        columns = _columns(header, path, split)
        for cells in reader:
            if cells and any(cell.strip() for cell in cells):
                yield from _label(cells, columns, reader.line_num, faults, left_out)
    except csv.Error as error:
        line = max(1, reader.line_num)
        raise DataError(f"{path}:{line}: not CSV: {error}", hint=_LAYOUT) from error
    except UnicodeDecodeError:
        raise _not_text(path, split) from None


def _not_text(path: Path, split: str) -> DataError:
    return DataError(f"the {split} labels {path} are not text in UTF-8", hint=_LAYOUT)


def _columns(header: Sequence[str] | None, path: Path, split: str) -> dict[str, int]:
    """Column name to position, of the columns that count."""
    names = [name.strip() for name in header or ()]
    missing = [name for name in (MODEL, DOCKQ) if name not in names]
    if missing:
        raise DataError(
            f"the {split} labels {path} have no column {' and no column '.join(missing)}",
            details=[f"columns there: {', '.join(map(repr, names))[:300] or 'none'}"],
            hint=_LAYOUT + _delimiter_hint(names),
        )
    twice = [name for name in (MODEL, DOCKQ, TARGET) if names.count(name) > 1]
    if twice:
        raise DataError(f"the {split} labels {path} have the column {twice[0]} twice")
    return {name: names.index(name) for name in (MODEL, DOCKQ, TARGET) if name in names}


def _delimiter_hint(names: Sequence[str]) -> str:
    used = {";": "semicolons", "\t": "tabs"}
    found = [word for mark, word in used.items() if len(names) == 1 and mark in names[0]]
    return f" The columns are parted by commas; these look parted by {found[0]}." if found else ""


def _label(
    cells: Sequence[str],
    columns: dict[str, int],
    line: int,
    faults: _Faults,
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
    fault = _fault_of_name(values[MODEL]) or _fault_of_target(values.get(TARGET, ""))
    if fault is None and not 0.0 <= dockq <= 1.0:
        fault = f"{DOCKQ} of {shorten(values[MODEL])} is {dockq:g}; it lies in 0..1"
    if fault is not None:
        faults.add(f"line {line}: {fault}")
        return
    yield Label(values[MODEL], dockq, values.get(TARGET) or target_of(values[MODEL]), line)


def _number(text: str) -> float | None:
    try:
        # Python's own: '0_1' would be 1.
        value = math.nan if "_" in text else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _fault_of_name(model: str) -> str | None:
    """Why `model` can't name a file below the folder of graphs, or None if it can."""
    shown = repr(shorten(model))
    parts = model.replace("\\", "/").split("/")
    if not model:
        return f"no {MODEL}"
    if not model.isprintable():
        return f"{MODEL} {shown} holds characters that can't be printed"
    if any(part in ("", ".", "..") for part in parts):
        return f"{MODEL} {shown} is no plain name below the folder of graphs"
    if len(model) > _LONGEST_NAME or max(len(part.encode()) for part in parts) > _LONGEST_PART:
        return f"{MODEL} {shown} is too long to be the name of a file"
    return None


def _fault_of_target(target: str) -> str | None:
    if not target.isprintable():
        return f"{TARGET} {shorten(target)!r} holds characters that can't be printed"
    return f"{TARGET} {shorten(target)!r} is too long" if len(target) > _LONGEST_NAME else None


def _keep(label: Label, rows: dict[str, Label], faults: _Faults) -> None:
    known = rows.setdefault(label.model, label)
    lines, name = f"lines {known.line} and {label.line}", shorten(label.model)
    if known.dockq != label.dockq:
        faults.add(f"{lines}: {name} has {DOCKQ} {known.dockq:g} and {label.dockq:g}")
    elif known.target != label.target:
        targets = f"{shorten(known.target)} and {shorten(label.target)}"
        faults.add(f"{lines}: {name} has {TARGET} {targets}")
