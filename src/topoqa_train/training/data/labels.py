"""Label files: which decoys there are, and how good each is."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from topoqa_train.errors import DataError

MODEL = "MODEL"
DOCKQ = "dockq"
TARGET = "TARGET"
_NAMED_LINES = 10
_LAYOUT = f"It takes a CSV with the columns {MODEL} and {DOCKQ}, and {TARGET} if you like."


@dataclass(frozen=True)
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


def target_of(model: str) -> str:
    """The target of a decoy by its name: what stands before the first `_` or `/`.

    A name that begins with either is its own target.
    """
    return re.split(r"[_/]", model, maxsplit=1)[0] or model


def read_labels(path: Path, *, split: str) -> Labels:
    """Read a label file.

    Rows without a finite dockq (empty, NaN, no number) are left out and counted. A model that
    comes twice with the same values is kept once.

    Raises:
        DataError: no such file, no text, no such columns, a dockq outside 0..1, a model that is
            no plain name, a model with two values, or not one usable row; lines are named.
    """
    faults: list[str] = []
    left_out: list[int] = []
    rows: dict[str, Label] = {}
    for label in _rows(path, split, faults, left_out):
        _keep(label, rows, faults)
    if faults:
        shown = faults[:_NAMED_LINES]
        if len(faults) > len(shown):
            shown.append(f"and {len(faults) - len(shown)} more")
        raise DataError(f"the {split} labels {path} can't be used", details=shown)
    if not rows:
        raise DataError(
            f"the {split} labels {path} name no decoy",
            details=[f"{len(left_out)} rows without a finite {DOCKQ}"] if left_out else [],
            hint=_LAYOUT,
        )
    return Labels(split, path, tuple(rows.values()), tuple(left_out))


def _rows(path: Path, split: str, faults: list[str], left_out: list[int]) -> Iterator[Label]:
    """The usable rows one by one; what is wrong or without a dockq is noted on the way."""
    reader = csv.reader(io.StringIO(_text(path, split), newline=""))
    try:
        header = next(reader, None)
        columns = _columns(header, path, split)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield from _label(cells, columns, reader.line_num, faults, left_out)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not CSV: {error}", hint=_LAYOUT) from error


def _text(path: Path, split: str) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"there is no file of {split} labels {path}", hint=f"Set paths.{split}_labels."
        ) from None
    except OSError as error:
        raise DataError(f"the {split} labels {path} can't be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(f"the {split} labels {path} are not text in UTF-8", hint=_LAYOUT)
    if not text.strip():
        raise DataError(f"the {split} labels {path} are empty", hint=_LAYOUT)
    return text


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
    faults: list[str],
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
    fault = _fault_of_name(values[MODEL])
    if fault is None and not 0.0 <= dockq <= 1.0:
        fault = f"{DOCKQ} of {values[MODEL]} is {dockq:g}; it lies in 0..1"
    if fault is not None:
        faults.append(f"line {line}: {fault}")
        return
    yield Label(values[MODEL], dockq, values.get(TARGET) or target_of(values[MODEL]), line)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _fault_of_name(model: str) -> str | None:
    """Why `model` can't name a file below the folder of graphs, or None if it can."""
    if not model:
        return f"no {MODEL}"
    if not model.isprintable():
        return f"{MODEL} {model!r} holds characters that can't be printed"
    if any(part in ("", ".", "..") for part in model.replace("\\", "/").split("/")):
        return f"{MODEL} {model!r} is no plain name below the folder of graphs"
    return None


def _keep(label: Label, rows: dict[str, Label], faults: list[str]) -> None:
    known = rows.setdefault(label.model, label)
    if known.dockq != label.dockq:
        faults.append(
            f"lines {known.line} and {label.line}: {label.model} has "
            f"{DOCKQ} {known.dockq:g} and {label.dockq:g}"
        )
    elif known.target != label.target:
        faults.append(
            f"lines {known.line} and {label.line}: {label.model} has "
            f"{TARGET} {known.target} and {label.target}"
        )
