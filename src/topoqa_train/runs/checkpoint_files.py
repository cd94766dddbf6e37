"""Checkpoint files of a run: names, link targets and metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from topoqa_train.bounded_read import opened
from topoqa_train.runs.ranking import LINKS, SELECTION, VAL_LOSS

SUFFIXES = (".chkpt", ".ckpt")
# Bytes of each end of a checkpoint that are compared to find copies.
# A run can hold gigabytes, and the leaderboard looks at every run.
_COMPARED = 2**16
_NUMBER = r"(-?\d+\.?\d*|-?inf|nan)"
# Lightning, earlier versions and the previous pipeline write different names; all are recognised.
# At most 9 digits: a longer number is no epoch, and int() refuses a very long one.
_EPOCH = re.compile(r"(?:^|[^A-Za-z])epoch[-_=]?(\d{1,9})(?!\d)")
_METRICS = {
    VAL_LOSS: re.compile(rf"(?:^|[^A-Za-z])val(?:_loss)?[-_=]{_NUMBER}"),
    SELECTION: re.compile(rf"(?:^|[^A-Za-z])sel(?:ection)?(?:_metric)?[-_=]{_NUMBER}"),
}
# A bare val_loss, `model.0.05577.chkpt`, and the number that Lightning adds to a name in use.
_BARE = re.compile(r"^[A-Za-z_]+\.(\d+\.\d+)(?:-v\d+)?$")
_LAST = re.compile(r"last(?:-v(\d+))?\.")


@dataclass(frozen=True)
class Match:
    """The epoch of a checkpoint file, None if unknown, and the metrics that it has.

    `doubt` is a line on what is unknown, or on what the file's name and the table disagree about.
    """

    epoch: int | None
    metrics: Mapping[str, float] = field(hash=False)
    doubt: str | None = None


def parse(name: str) -> tuple[int | None, dict[str, str]]:
    """Return the epoch and the metrics, as text, that a file's name gives."""
    stem = _stem(name)
    epoch = _EPOCH.search(stem)
    found = {metric: pattern.search(stem) for metric, pattern in _METRICS.items()}
    texts = {metric: match[1] for metric, match in found.items() if match is not None}
    bare = _BARE.match(stem)
    if bare is not None and not texts:
        texts = {VAL_LOSS: bare[1]}
    return None if epoch is None else int(epoch[1]), texts


def _stem(name: str) -> str:
    return name.removesuffix(".ckpt").removesuffix(".chkpt")


def match(name: str, rows: Sequence[Mapping[str, float]]) -> Match:
    """Compare the name of a checkpoint with the metrics of its run."""
    epoch, texts = parse(name)
    named = {metric: float(text) for metric, text in texts.items()}
    if epoch is None:
        return _match_by_metrics(name, texts, named, rows)
    row = next((row for row in reversed(rows) if row["epoch"] == epoch), None)
    if row is None:
        return Match(epoch, named, f"{name}: the metrics have no epoch {epoch}")
    differing = _differing(texts, row)
    doubt = "; ".join(
        f"{name}: epoch {epoch} has {metric} {row.get(metric, math.nan):.5f} in the metrics"
        for metric in differing
    )
    # The loss identifies the training: with another loss, the file is of another run or of an
    # earlier session, and no other value of the row is known to be that of its weights.
    if VAL_LOSS in differing:
        return Match(epoch, named, f"{doubt}: only the values in its name are shown")
    # The name is the better source for a selection metric that the table does not have as well.
    kept = {
        metric: value
        for metric, value in named.items()
        if metric in differing or not math.isfinite(row.get(metric, math.nan))
    }
    return Match(epoch, {**row, **kept}, doubt or None)


def _match_by_metrics(
    name: str,
    texts: Mapping[str, str],
    named: Mapping[str, float],
    rows: Sequence[Mapping[str, float]],
) -> Match:
    """Match a file that names no epoch to the only epoch that has its metrics."""
    if not texts:
        return Match(None, {}, f"{name}: the name gives neither an epoch nor a metric")
    fitting = [row for row in rows if not _differing(texts, row)]
    if len(fitting) == 1:
        return Match(int(fitting[0]["epoch"]), fitting[0])
    many = f"{len(fitting)} epochs have" if fitting else "no epoch has"
    shown = ", ".join(f"{metric} {value}" for metric, value in named.items())
    return Match(None, named, f"{name}: {many} {shown}, so nothing else is known of it")


def _differing(texts: Mapping[str, str], row: Mapping[str, float]) -> list[str]:
    """Return the metrics of a name that are not the rounded ones of the row."""
    exact = {metric: row.get(metric, math.nan) for metric in texts}
    return [
        metric
        for metric, text in texts.items()
        if not is_rounded(text, exact[metric])
        and not (metric == SELECTION and not math.isfinite(exact[metric]))
    ]


def is_rounded(text: str, exact: float) -> bool:
    """Return whether `text` is `exact`, rounded to as many decimals as it has."""
    value = float(text)
    if not (math.isfinite(value) and math.isfinite(exact)):
        return text == str(exact)
    digits = len(text.partition(".")[2])
    # Half a unit of the last digit, and the error of values that were single precision.
    return abs(exact - value) <= 0.5 * 10.0**-digits + 1e-6 * abs(exact)


@dataclass(frozen=True)
class Shelf:
    """The checkpoints of a run at one moment; `last.ckpt` is not among the `files`.

    `last` is the one to resume from, the newest if there are several (`last-v1.ckpt`). `links` maps
    each link to the file that it leads to or is a copy of; `broken` maps the name of any other link
    to its text.
    """

    files: tuple[Path, ...] = ()
    links: Mapping[Path, Path] = field(default_factory=dict, hash=False)
    broken: Mapping[str, str] = field(default_factory=dict, hash=False)
    last: Path | None = None

    def links_to(self, file: Path) -> list[Path]:
        """Return the links that lead to `file`, `best.ckpt` first."""
        found = [link for link, target in self.links.items() if target == file]
        return sorted(found, key=lambda link: (_place(link.name), len(link.name), link.name))


def scan(root: Path, folders: Iterable[Path]) -> Shelf:
    """List the checkpoints in `folders` of the run in `root`, one scan per folder.

    A folder that is missing, or is a link out of the run, counts as empty.
    """
    files: list[Path] = []
    links: list[Path] = []
    within = [folder for folder in folders if leads_within(folder, root)]
    for entry in [entry for folder in within for entry in _entries(folder)]:
        if entry.is_symlink():
            links.append(entry)
        elif entry.is_file():
            files.append(entry)
    targets = {link: _target(link, root, files) for link in links}
    copies = _copies(files)
    return Shelf(
        files=tuple(file for file in files if not is_last(file.name) and file not in copies),
        links={
            **copies,
            **{link: target for link, target in targets.items() if target is not None},
        },
        broken={link.name: _text(link) for link, target in targets.items() if target is None},
        last=max((file for file in files if is_last(file.name)), key=_session, default=None),
    )


def leads_within(path: Path, root: Path) -> bool:
    """Return whether `path` exists and is inside `root` when all links are followed."""
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a loop
        return False


def is_last(name: str) -> bool:
    """Return whether it is a checkpoint to resume from, rather than a ranked one."""
    return _LAST.match(name) is not None


def _session(last: Path) -> int:
    """Return the number that Lightning gave to the checkpoint of a later session, else 0."""
    match = _LAST.match(last.name)
    return int(match[1]) if match and match[1] else 0


def _entries(folder: Path) -> Sequence[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return ()
    return [entry for entry in found if not entry.name.startswith(".") and _belongs(entry)]


def _belongs(entry: Path) -> bool:
    """Return whether it is a checkpoint, a link to one, or a link with the name of one (`best`)."""
    bare_link = _place(entry.name) < len(LINKS) and entry.is_symlink()
    return bare_link or entry.name.endswith(SUFFIXES)


def _place(name: str) -> int:
    """Return 0 for the best, 1 for the second best, 2 for the third best, 3 for any other link."""
    for place, link in enumerate(LINKS):
        # `best_val_loss.ckpt`, `best.sel--0.49300.ckpt`: some name the ranking metric.
        if re.match(rf"{_stem(link)}(?![A-Za-z])", name):
            return place
    return len(LINKS)


def _copies(files: Sequence[Path]) -> dict[Path, Path]:
    """Return files in place of links, as a copy of the run may have them, and the files meant."""
    # A copy that followed the links has each checkpoint twice. Without this, the second one would
    # count as a checkpoint of its own, without an epoch.
    replaced = [file for file in files if _place(file.name) < len(LINKS)]
    others = [file for file in files if file not in replaced and not is_last(file.name)]
    alike = {each: [file for file in others if _are_alike(each, file)] for each in replaced}
    # Of two equal files either could be meant, and their epochs differ: neither is claimed.
    return {each: meant[0] for each, meant in alike.items() if len(meant) == 1}


def _are_alike(one: Path, other: Path) -> bool:
    """Return whether two checkpoints are equal: zip files have checksums at their end."""
    try:
        size = one.stat().st_size
        return size == other.stat().st_size and _ends(one, size) == _ends(other, size)
    except OSError:
        return False


def _ends(file: Path, size: int) -> tuple[bytes, bytes]:
    with opened(file) as content:
        first = content.read(_COMPARED)
        content.seek(max(0, size - _COMPARED))
        return first, content.read(_COMPARED)


def _target(link: Path, root: Path, files: Sequence[Path]) -> Path | None:
    """Return which of the run's `files` a link means.

    If it leads out of the run or nowhere, as after a copy, it means the file of that name next to
    it.
    """
    try:
        inside = root / link.resolve(strict=True).relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a loop; ValueError: out of the run
        # A run that was copied from another machine has links to the old place, perhaps with
        # backslashes. Only the name counts then, so no link can reach a file outside the run.
        inside = link.parent / PureWindowsPath(_text(link)).name
    return inside if inside in files else None


def _text(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
