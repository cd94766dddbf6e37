"""The files and links of `model_checkpoints/`: what their names say and where they lead.

One look at a folder, so that what is told of it agrees with itself while a training writes there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from topoqa_train.bounded_read import opened
from topoqa_train.runs.ranking import LINKS, SELECTION, VAL_LOSS

SUFFIXES = (".chkpt", ".ckpt")
# Of each end of a checkpoint, to tell whether it is a copy of another.
_LOOKED_AT = 2**16
_NUMBER = r"(-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|-?inf|nan)"
_EPOCH = re.compile(r"(?:^|[^A-Za-z])epoch[-_=]?(\d{1,9})(?!\d)")
_FIGURES = {
    VAL_LOSS: re.compile(rf"(?:^|[^A-Za-z])val(?:_loss)?[-_=]{_NUMBER}"),
    SELECTION: re.compile(rf"(?:^|[^A-Za-z])sel(?:ection)?(?:_metric)?[-_=]{_NUMBER}"),
}
# A bare val_loss, `model.0.05577.chkpt`, and the number that Lightning adds to a name in use.
_BARE = re.compile(r"^[A-Za-z_]+\.(\d+\.\d+)(?:-v\d+)?$")
_LAST = re.compile(r"last(?:-v(\d+))?\.")


@dataclass(frozen=True)
class Written:
    """A figure as a file's name gives it: rounded to `digits` decimals."""

    value: float
    digits: int

    def agrees(self, exact: float) -> bool:
        """Whether `exact` could have been rounded to this."""
        if not (math.isfinite(exact) and math.isfinite(self.value)):
            return exact == self.value or (math.isnan(exact) and math.isnan(self.value))
        # Half a unit of the last digit, and room for figures that were single precision.
        return abs(exact - self.value) <= 0.5 * 10.0**-self.digits + 1e-6 * abs(exact)


@dataclass(frozen=True)
class Named:
    """What the name of a checkpoint says; `epoch` counts from 0 and is None where none is said."""

    epoch: int | None
    figures: Mapping[str, Written] = field(hash=False)


def parse(name: str) -> Named:
    """Read a file's name."""
    stem = _stem(name)
    epoch = _EPOCH.search(stem)
    figures = {
        metric: _written(found[1])
        for metric, pattern in _FIGURES.items()
        if (found := pattern.search(stem)) is not None
    }
    bare = _BARE.match(stem)
    if bare is not None and not figures:
        figures = {VAL_LOSS: _written(bare[1])}
    return Named(None if epoch is None else int(epoch[1]), figures)


def _stem(name: str) -> str:
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def _written(text: str) -> Written:
    mantissa, _, exponent = text.lower().partition("e")
    digits = len(mantissa.partition(".")[2]) - (int(exponent) if exponent else 0)
    return Written(float(text), max(0, min(digits, 300)))


@dataclass(frozen=True)
class Proven:
    """The epoch of a checkpoint file, as far as it is known, and the figures that are its own.

    `doubt` is a line for whoever reads them: what could not be told, or does not agree.
    """

    epoch: int | None
    figures: Mapping[str, float] = field(hash=False)
    doubt: str | None = None


def prove(name: str, rows: Sequence[Mapping[str, float]]) -> Proven:
    """Hold the name of a checkpoint against the metrics of its run."""
    named = parse(name)
    if named.epoch is None:
        return _by_its_figures(name, named, rows)
    row = row_of(named.epoch, rows)
    if row is None:
        return Proven(
            named.epoch, _of_name(named), f"{name}: the metrics have no epoch {named.epoch}"
        )
    return _of_the_row(name, named, row)


def row_of(epoch: int | None, rows: Sequence[Mapping[str, float]]) -> Mapping[str, float] | None:
    """The last row of an epoch."""
    return next((row for row in reversed(rows) if row["epoch"] == epoch), None)


def _by_its_figures(name: str, named: Named, rows: Sequence[Mapping[str, float]]) -> Proven:
    """A file that names no epoch is of the one epoch that has its figures, if there is just one."""
    if not named.figures:
        return Proven(None, {}, f"{name}: nothing tells of which epoch it is")
    fitting = [row for row in rows if not _disagreeing(named, row)]
    if len(fitting) == 1:
        return Proven(int(fitting[0]["epoch"]), fitting[0])
    many = f"{len(fitting)} epochs have" if fitting else "no epoch has"
    told = ", ".join(f"{metric} {written.value}" for metric, written in named.figures.items())
    return Proven(None, _of_name(named), f"{name}: {many} {told}, so nothing else is known of it")


def _of_the_row(name: str, named: Named, row: Mapping[str, float]) -> Proven:
    epoch, own = named.epoch, _of_name(named)
    wrong = _disagreeing(named, row)
    doubt = "; ".join(
        f"{name}: epoch {epoch} has {metric} {row.get(metric, math.nan):.5f} in the metrics"
        for metric in wrong
    )
    if VAL_LOSS in wrong:
        return Proven(epoch, own, f"{doubt}: shown with what its name says alone")
    # Of a selection metric that the metrics don't have, or have otherwise, the name is the witness.
    kept = {metric: own[metric] for metric in own if metric in wrong or not _finite(row, metric)}
    return Proven(epoch, {**row, **kept}, doubt or None)


def _disagreeing(named: Named, row: Mapping[str, float]) -> list[str]:
    """The figures of the name that the row has otherwise."""
    return [
        metric
        for metric in _FIGURES
        if (written := named.figures.get(metric)) is not None
        and not (metric == SELECTION and not _finite(row, metric))
        and not written.agrees(row.get(metric, math.nan))
    ]


def _of_name(named: Named) -> dict[str, float]:
    return {metric: written.value for metric, written in named.figures.items()}


def _finite(row: Mapping[str, float], metric: str) -> bool:
    return math.isfinite(row.get(metric, math.nan))


@dataclass(frozen=True)
class Shelf:
    """The checkpoints of a run as they lay when it was read; `last.ckpt` is not among the `files`.

    `last` is where its training goes on: of several (`last-v1.ckpt`) the newest. `links` holds each
    link's path and the file it leads to, or is a copy of; `broken` the name of a link that leads to
    no file of the run, and what is written in it.
    """

    files: tuple[Path, ...] = ()
    links: Mapping[Path, Path] = field(default_factory=dict, hash=False)
    broken: Mapping[str, str] = field(default_factory=dict, hash=False)
    last: Path | None = None

    def links_to(self, file: Path) -> list[Path]:
        """The links that lead to `file`, `best.ckpt` first."""
        found = [link for link, target in self.links.items() if target == file]
        return sorted(found, key=lambda link: (_place(link.name), len(link.name), link.name))


def scan(root: Path, folders: Iterable[Path]) -> Shelf:
    """Look through `folders` of the run in `root`.

    One that is not there is empty, and so is one that is a link out of the run.
    """
    files: list[Path] = []
    links: list[Path] = []
    within = [folder for folder in folders if leads_within(folder, root)]
    for entry in [entry for folder in within for entry in _entries(folder)]:
        if entry.is_symlink():
            links.append(entry)
        elif entry.is_file():
            files.append(entry)
    led = {link: _target(link, root, files) for link in links}
    copies = _copies(files)
    return Shelf(
        files=tuple(file for file in files if not is_last(file.name) and file not in copies),
        links={**copies, **{link: target for link, target in led.items() if target is not None}},
        broken={link.name: _text(link) for link, target in led.items() if target is None},
        last=max((file for file in files if is_last(file.name)), key=_sitting, default=None),
    )


def leads_within(path: Path, root: Path) -> bool:
    """Whether `path` is there, and is in `root` when all links are followed."""
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a loop
        return False


def is_last(name: str) -> bool:
    """Whether it is where a training goes on, rather than one that is ranked."""
    return _LAST.match(name) is not None


def _sitting(last: Path) -> int:
    """0 for `last.ckpt`, and for those of later sittings the number that Lightning gave them."""
    match = _LAST.match(last.name)
    return int(match[1]) if match and match[1] else 0


def _entries(folder: Path) -> Sequence[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return ()
    return [entry for entry in found if not entry.name.startswith(".") and _belongs(entry)]


def _belongs(entry: Path) -> bool:
    """A checkpoint, a link to one, or a link that only its name, `best` say, tells to be one."""
    bare_link = _place(entry.name) < len(LINKS) and entry.is_symlink()
    return bare_link or entry.name.endswith(SUFFIXES)


def _place(name: str) -> int:
    """0 for the best, 1 for the second best, 2 for the third best, 3 for any other link."""
    for place, link in enumerate(LINKS):
        # `best_val_loss.ckpt`, `best.sel--0.49300.ckpt`: some name the ranking metric.
        if re.match(rf"{_stem(link)}(?![A-Za-z])", name):
            return place
    return len(LINKS)


def _copies(files: Sequence[Path]) -> dict[Path, Path]:
    """What a copy of the run that followed its links has in their places, and the files meant."""
    stand_ins = [file for file in files if _place(file.name) < len(LINKS)]
    others = [file for file in files if file not in stand_ins and not is_last(file.name)]
    alike = {each: [file for file in others if _are_alike(each, file)] for each in stand_ins}
    return {each: meant[0] for each, meant in alike.items() if len(meant) == 1}


def _are_alike(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same: they are zip files, with checksums at their end."""
    try:
        size = one.stat().st_size
        return size == other.stat().st_size and _ends(one, size) == _ends(other, size)
    except OSError:
        return False


def _ends(file: Path, size: int) -> tuple[bytes, bytes]:
    with opened(file) as content:
        first = content.read(_LOOKED_AT)
        content.seek(max(0, size - _LOOKED_AT))
        return first, content.read(_LOOKED_AT)


def _target(link: Path, root: Path, files: Sequence[Path]) -> Path | None:
    """Which of the run's own `files` a link leads to.

    Where it leads nowhere, or out of the run as it may after a copy, the file of that name beside
    it is meant.
    """
    try:
        inside = root / link.resolve(strict=True).relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a loop; ValueError: out of the run
        inside = link.parent / PureWindowsPath(_text(link)).name
    return inside if inside in files else None


def _text(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
