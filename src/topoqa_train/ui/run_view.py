"""One run as it stands: progress, best checkpoints, curves, last epochs, warnings."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from topoqa_train.runs.ranking import SELECTION, VAL_LOSS, lower_is_better
from topoqa_train.runs.status import Status
from topoqa_train.ui import formatting
from topoqa_train.views.diagnostics import IN_PROGRESS
from topoqa_train.views.json_models import Checkpoint, Metrics, MonitorDocument, Runtime

_STYLES = {
    Status.COMPLETED: "green",
    Status.FAILED: "bold red",
    Status.INTERRUPTED: "yellow",
}
_RHO, _PER_TARGET = "val_spearman_corr", "val_target_spearman"
# Column of the metrics, heading, digits, width.
_FIGURES = {
    SELECTION: ("selection", 3, 9),
    VAL_LOSS: ("val_loss", 4, 8),
    _RHO: ("rho", 3, 6),
    _PER_TARGET: ("per-target rho", 3, 14),
    "train_mse": ("train_mse", 4, 9),
}
_GAP = "  "
_WIDE = 100
_LABEL = 6
_EPOCH = 5
_LONGEST_PLOT = 90
_PLOTS = (6, 3, 1)
_PLOT = 3
# Worse than the median so many times as the best is better: off the plot.
_WORSE = 4
# Of a checkpoint's name, what is worth its place.
_LEAST_NAME = 20


def picture(document: MonitorDocument, *, width: int, height: int | None, rows: int) -> list[Text]:
    """The run in lines no wider than `width`, with its last epochs, at most `rows`.

    In no more lines than `height`: the last epochs go first, then the curves are lowered, at last
    it is cut.
    """
    head = [*_head(document, width), Text(), *_checkpoints(document, width), Text()]
    foot = [*_parameters(document.learning_parameters, width), *_warnings(document, width)]
    room = None if height is None else height - len(head) - len(foot)
    # Over the plots a line, and one below them; over the last epochs one, and one below.
    fit = [tall for tall in _PLOTS if room is not None and tall + rows + 4 <= room]
    tall = _PLOT if room is None else next(iter(fit), _PLOTS[-1])
    curves = _curves(document.metrics_history, width, tall)
    left = rows if room is None else min(rows, room - len(curves) - 3)
    recent = _recent(document, width, left) if left > 0 else []
    lines = [*head, *curves, *([Text()] if curves else []), *recent, *foot]
    for line in lines:
        line.truncate(width)
    return lines[:height]


def closing_line(document: MonitorDocument) -> str:
    """Where the best checkpoint is; nothing while there is none."""
    return "" if document.best is None else f"Best: {document.best.path}"


def change_line(document: MonitorDocument) -> str:
    """The last epoch and the best in one line, for where no picture can be redrawn."""
    runtime, latest, best = document.runtime, document.latest, document.best
    parts = [_epochs(runtime)]
    if latest is not None:
        parts += [
            f"val_loss {formatting.figure(latest.val_loss, 4)}",
            f"rho {formatting.figure(latest.val_spearman_corr)}",
        ]
    if best is not None:
        value = formatting.figure(_value(best.metrics, document.ranking_metric), 4)
        parts.append(f"best {value} @ {best.epoch}")
    if runtime.time_left is not None:
        parts.append(f"{formatting.duration(runtime.time_left.median)} left")
    return _GAP.join(parts)


def _head(document: MonitorDocument, width: int) -> list[Text]:
    state = Text(_state(document), style=_STYLES.get(document.status, "cyan"))
    name = formatting.tail(document.run_id, max(1, width - len(state) - len(_GAP)))
    title = Text(name, style="bold") + Text(_GAP) + state
    return [title, Text(_progress(document.runtime, width)), Text(_times(document, width))]


def _state(document: MonitorDocument) -> str:
    runtime = document.runtime
    early = runtime.num_epochs is not None and runtime.epochs_done < runtime.num_epochs
    if document.status == Status.COMPLETED and early and not document.reference:
        return "completed, stopped early"
    return document.status.value


def _epochs(runtime: Runtime) -> str:
    of = "" if runtime.num_epochs is None else f" of {runtime.num_epochs}"
    return f"epoch {runtime.epochs_done}{of}"


def _progress(runtime: Runtime, width: int) -> str:
    words = _epochs(runtime)
    if not runtime.num_epochs:
        return words
    # As wide as it will ever be, so that the bar stays in its place.
    words = words.ljust(len(f"epoch {runtime.num_epochs} of {runtime.num_epochs}"))
    done = min(1.0, runtime.epochs_done / runtime.num_epochs)
    room = min(_LONGEST_PLOT, width - len(words) - len(_GAP) * 2 - len("100 %"))
    if room < 4:
        return words
    return f"{words}{_GAP}{formatting.bar(done, room)}{_GAP}{math.floor(done * 100):3d} %"


def _times(document: MonitorDocument, width: int) -> str:
    runtime = document.runtime
    parts = []
    if runtime.elapsed_seconds is not None:
        gone = "in all" if runtime.open_epoch_seconds is None else "gone"
        parts.append(f"{formatting.duration(runtime.elapsed_seconds)} {gone}")
    left = runtime.time_left
    if left is not None:
        best, median, worst = map(formatting.duration, (left.best, left.median, left.worst))
        parts.append(f"{median} left" + (f" ({best} to {worst})" if best != worst else ""))
    if runtime.pace is not None:
        parts.append(f"{_took(runtime.pace.median)} an epoch")
    if runtime.epochs_left is not None and runtime.epochs_left.fewest < runtime.epochs_left.most:
        parts.append(f"may stop in {runtime.epochs_left.fewest} epochs")
    return next(iter(_packed(parts, width)), "")


def _took(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else formatting.duration(seconds)


def _checkpoints(document: MonitorDocument, width: int) -> list[Text]:
    names = _columns(document, [SELECTION, VAL_LOSS, _RHO], width)
    headings = [_FIGURES[name][0].rjust(_FIGURES[name][2]) for name in names]
    head = _GAP.join([" " * _LABEL, *headings, "epoch".rjust(_EPOCH)])
    room = width - len(head) - len(_GAP)
    lines = [Text(head, style="bold")]
    kept = {"best": document.best, "second": document.second_best, "third": document.third_best}
    for label, each in kept.items():
        metrics, epoch = (None, None) if each is None else (each.metrics, each.epoch)
        told = "" if each is None else _called(label, each, kept, room)
        lines.append(Text(_row(label, metrics, epoch, names, told)))
    latest = document.latest
    epoch = None if latest is None else latest.epoch
    rate = _rate(document)
    lines.append(Text(_row("last", latest, epoch, names, rate if len(rate) <= room else "")))
    return lines


def _columns(document: MonitorDocument, names: list[str], width: int) -> list[str]:
    """The ranking metric first; what an epoch has besides, where there is room."""
    ordered = sorted(names, key=lambda name: name != document.ranking_metric)
    extra = document.latest.model_extra if document.latest is not None else None
    return [*ordered, _PER_TARGET] if width >= _WIDE and _PER_TARGET in (extra or {}) else ordered


def _row(
    label: str, metrics: Metrics | None, epoch: int | None, names: Sequence[str], told: str
) -> str:
    cells = [label.ljust(_LABEL), *_cells(metrics, names)]
    return _GAP.join([*cells, ("-" if epoch is None else str(epoch)).rjust(_EPOCH), told]).rstrip()


def _cells(metrics: Metrics | None, names: Sequence[str]) -> list[str]:
    return [
        formatting.figure(_value(metrics, name), digits).rjust(width)
        for name in names
        for _, digits, width in [_FIGURES[name]]
    ]


def _value(metrics: Metrics | None, name: str) -> float | None:
    value = getattr(metrics, name, None)
    return None if value is None else float(value)


def _called(label: str, each: Checkpoint, kept: Mapping[str, Checkpoint | None], room: int) -> str:
    """The file's name if there is room for all, else the link that says its place."""
    longest = max(len(_file_name(one)) for one in kept.values() if one is not None)
    if longest <= room:
        return _file_name(each)
    link = next((link for link in each.links if link.startswith(label)), "")
    return link or (formatting.tail(_file_name(each), room) if room >= _LEAST_NAME else "")


def _file_name(each: Checkpoint) -> str:
    return each.path.replace("\\", "/").rpartition("/")[2]


def _rate(document: MonitorDocument) -> str:
    rate = document.learning_rate
    if rate is None:
        return ""
    before = "" if rate.before is None else f" ({rate.before:g} until {rate.before_until_epoch})"
    return f"lr {rate.value:g}{before}"


def _curves(history: Sequence[Metrics], width: int, tall: int) -> list[Text]:
    """val_loss and Spearman over all epochs, side by side."""
    if not history:
        return []
    each = min(_LONGEST_PLOT, (width - 2 * len(_GAP)) // 2)
    heads, bodies = [], []
    for name in (VAL_LOSS, _RHO):
        values = [math.nan if row is None else row for row in (_value(h, name) for h in history)]
        heads.append(_scale(name, values).ljust(each)[:each])
        drawn = formatting.plot(values, each, tall, _span(name, values))
        bodies.append([line.ljust(each) for line in drawn])
    lines = [(_GAP * 2).join(heads), *((_GAP * 2).join(pair) for pair in zip(*bodies, strict=True))]
    return [Text(lines[0].rstrip(), style="bold"), *(Text(line.rstrip()) for line in lines[1:])]


def _span(name: str, values: Sequence[float]) -> tuple[float, float]:
    """What is drawn from bottom to top.

    What is so much worse than the median is cut off, mostly the first epochs: else one bad epoch
    would flatten all the others.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 0.0
    low, high, middle = min(finite), max(finite), statistics.median(finite)
    if lower_is_better(name):
        return low, min(high, middle + _WORSE * (middle - low)) if middle > low else high
    return max(low, middle - _WORSE * (high - middle)) if middle < high else low, high


def _scale(name: str, values: Sequence[float]) -> str:
    heading, digits, _ = _FIGURES[name]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return heading
    low, high = (formatting.figure(bound(finite), digits) for bound in (min, max))
    return f"{heading} {low} to {high}"


def _recent(document: MonitorDocument, width: int, rows: int) -> list[Text]:
    shown = document.metrics_history[-rows:]
    if not shown:
        return []
    names = ["train_mse", *_columns(document, [SELECTION, VAL_LOSS, _RHO], width)]
    headings = [_FIGURES[name][0].rjust(_FIGURES[name][2]) for name in names]
    timed = any(row.epoch_seconds is not None for row in document.metrics_history)
    further = [document.learning_rate is not None, timed]
    ends = [["lr".rjust(8), "time".rjust(7)], *map(_end_cells, shown)]
    starts = [["epoch".ljust(_LABEL), *headings]]
    starts += [[str(row.epoch).ljust(_LABEL), *_cells(row, names)] for row in shown]
    head, *lines = [
        _GAP.join([*start, *(cell for cell, there in zip(end, further, strict=True) if there)])
        for start, end in zip(starts, ends, strict=True)
    ]
    return [Text(head, style="bold"), *map(Text, lines), Text()]


def _end_cells(row: Metrics) -> list[str]:
    rate = "-" if row.learning_rate is None else f"{row.learning_rate:.3g}"
    took = "-" if row.epoch_seconds is None else _took(row.epoch_seconds)
    return [rate.rjust(8), took.rjust(7)]


def _parameters(parameters: Mapping[str, Any], width: int) -> list[Text]:
    return [Text(line, style="dim") for line in _packed(list(_learning(parameters)), width)]


def _learning(parameters: Mapping[str, Any]) -> Iterator[str]:
    """`lr 0.005`, `batch 16 x 16`, ...: what is there of it."""

    def of(name: str) -> Any:  # noqa: ANN401 - any value of a config
        value = parameters.get(name)
        return f"{value:g}" if isinstance(value, float) else value

    batch, steps = of("batch_size"), of("accumulate_grad_batches")
    yield from [f"lr {of('learning_rate')}"] if of("learning_rate") is not None else []
    yield from [f"batch {batch}" + (f" x {steps}" if steps else "")] if batch else []
    named = {
        "{} epochs": "num_epochs",
        "stop after {}": "early_stopping_patience",
        "{}": "architecture",
        "heads {}": "attention_head",
        "{} ": "pooling_type",
        "seed {}": "seed",
        "{}  ": "accelerator",
        "precision {}": "precision",
    }
    for words, name in named.items():
        value = of(name)
        if value is not None:
            yield words.format(value).strip()
    scheduler = parameters.get("scheduler")
    if isinstance(scheduler, Mapping) and {"factor", "patience"} <= set(scheduler):
        yield f"lr x {scheduler['factor']} after {scheduler['patience']}"


def _warnings(document: MonitorDocument, width: int) -> list[Text]:
    lines = []
    for warning in document.warnings:
        # That it runs is said at the top.
        if warning != IN_PROGRESS:
            wrapped = textwrap.wrap(warning, max(10, width - 2)) or [""]
            lines += [("! " if not place else "  ") + part for place, part in enumerate(wrapped)]
    return [Text(line, style="yellow") for line in lines]


def _packed(parts: Sequence[str], width: int) -> list[str]:
    """`parts` in as few lines as they fit in, none torn unless it alone is too wide."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(_GAP) + 1 + len(part) <= width:
            lines[-1] += f"{_GAP} {part}"
        else:
            lines.append(part)
    return [line[:width] for line in lines]
