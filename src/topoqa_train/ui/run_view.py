"""One run as lines of text: progress, best checkpoints, curves, last epochs, warnings."""

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
# Column of metrics.csv: heading, digits, width.
_METRICS = {
    SELECTION: ("selection", 3, 9),
    VAL_LOSS: ("val_loss", 4, 8),
    _RHO: ("rho", 3, 6),
    _PER_TARGET: ("per-target rho", 3, 14),
    "train_mse": ("train_mse", 4, 9),
}
_GAP = "  "
_WIDE = 100
_LABEL_WIDTH = 6
_EPOCH_WIDTH = 5
_MAX_PLOT_WIDTH = 90
# Heights to try, the highest that fits; and the height where there is no limit.
_PLOT_HEIGHTS = (6, 3, 1)
_PLOT_HEIGHT = 3
# A value is clipped if it is worse than the median by more than this many times the distance
# from the median to the best value.
_CLIP = 4
_MIN_FILE_NAME = 20


def picture(document: MonitorDocument, *, width: int, height: int | None, rows: int) -> list[Text]:
    """Return the run in lines no wider than `width`, with its last epochs, at most `rows`.

    To fit into `height` lines the last epochs are dropped first, then the curves are lowered, and
    at last the picture is cut.
    """
    head = [*_head(document, width), Text(), *_checkpoints(document, width), Text()]
    foot = [*_parameters(document.learning_parameters, width), *_warnings(document, width)]
    # Only the curves and the last epochs shrink: head and foot show whether the run is healthy.
    left = None if height is None else height - len(head) - len(foot)
    # One heading and one blank line each for the plots and for the last epochs.
    fitting = [tall for tall in _PLOT_HEIGHTS if left is not None and tall + rows + 4 <= left]
    plot_height = _PLOT_HEIGHT if left is None else next(iter(fitting), _PLOT_HEIGHTS[-1])
    curves = _curves(document.metrics_history, width, plot_height)
    shown = rows if left is None else min(rows, left - len(curves) - 3)
    recent = _recent(document, width, shown) if shown > 0 else []
    lines = [*head, *curves, *([Text()] if curves else []), *recent, *foot]
    for line in lines:
        line.truncate(width)
    return lines[:height]


def closing_line(document: MonitorDocument) -> str:
    """Return the path of the best checkpoint, or nothing if there is none yet."""
    return "" if document.best is None else f"Best: {document.best.path}"


def change_line(document: MonitorDocument) -> str:
    """Return the last epoch and the best one in one line, for where nothing can be redrawn."""
    runtime, latest, best = document.runtime, document.latest, document.best
    parts = [_epochs(runtime)]
    if latest is not None:
        parts += [
            f"val_loss {formatting.number(latest.val_loss, 4)}",
            f"rho {formatting.number(latest.val_spearman_corr)}",
        ]
    if best is not None:
        value = formatting.number(_value(best.metrics, document.ranking_metric), 4)
        parts.append(f"best {value} @ {best.epoch}")
    if runtime.time_left is not None:
        parts.append(f"{formatting.duration(runtime.time_left.median)} left")
    return _GAP.join(parts)


def _head(document: MonitorDocument, width: int) -> list[Text]:
    state = Text(_state(document), style=_STYLES.get(document.status, "cyan"))
    name = formatting.keep_end(document.run_id, max(1, width - len(state) - len(_GAP)))
    title = Text(name, style="bold") + Text(_GAP) + state
    return [title, Text(_progress(document.runtime, width)), Text(_times(document, width))]


def _state(document: MonitorDocument) -> str:
    runtime = document.runtime
    early = runtime.num_epochs is not None and runtime.epochs_done < runtime.num_epochs
    if document.status == Status.COMPLETED and early and not document.read_only:
        return "completed, stopped early"
    return document.status.value


def _epochs(runtime: Runtime) -> str:
    of = "" if runtime.num_epochs is None else f" of {runtime.num_epochs}"
    return f"epoch {runtime.epochs_done}{of}"


def _progress(runtime: Runtime, width: int) -> str:
    text = _epochs(runtime)
    if not runtime.num_epochs:
        return text
    # Padded to its final width, so that the bar does not move.
    text = text.ljust(len(f"epoch {runtime.num_epochs} of {runtime.num_epochs}"))
    done = min(1.0, runtime.epochs_done / runtime.num_epochs)
    bar_width = min(_MAX_PLOT_WIDTH, width - len(text) - len(_GAP) * 2 - len("100 %"))
    if bar_width < 4:
        return text
    return f"{text}{_GAP}{formatting.bar(done, bar_width)}{_GAP}{math.floor(done * 100):3d} %"


def _times(document: MonitorDocument, width: int) -> str:
    runtime = document.runtime
    parts = []
    if runtime.elapsed_seconds is not None:
        kind = "in total" if runtime.open_epoch_seconds is None else "elapsed"
        parts.append(f"{formatting.duration(runtime.elapsed_seconds)} {kind}")
    left = runtime.time_left
    if left is not None:
        best, median, worst = map(formatting.duration, (left.best, left.median, left.worst))
        parts.append(f"{median} left" + (f" ({best} to {worst})" if best != worst else ""))
    if runtime.pace is not None:
        parts.append(f"{_seconds(runtime.pace.median)} per epoch")
    if runtime.epochs_left is not None and runtime.epochs_left.fewest < runtime.epochs_left.most:
        parts.append(f"may stop in {runtime.epochs_left.fewest} epochs")
    return next(iter(_packed(parts, width)), "")


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else formatting.duration(seconds)


def _checkpoints(document: MonitorDocument, width: int) -> list[Text]:
    names = _columns(document, width)
    head = _row("", _headings(names), "epoch")
    # What is left for a file's name or the learning rate.
    left = width - len(head) - len(_GAP)
    kept = {"best": document.best, "second": document.second_best, "third": document.third_best}
    lines = [Text(head, style="bold")]
    for label, checkpoint in kept.items():
        if checkpoint is None:
            lines.append(Text(_row(label, _cells(None, names), None)))
        else:
            file = _file_or_link(label, checkpoint, kept, left)
            cells = _cells(checkpoint.metrics, names)
            lines.append(Text(_row(label, cells, checkpoint.epoch, file)))
    latest, rate = document.latest, _learning_rate(document)
    epoch = None if latest is None else latest.epoch
    last = _row("last", _cells(latest, names), epoch, rate if len(rate) <= left else "")
    return [*lines, Text(last)]


def _columns(document: MonitorDocument, width: int) -> list[str]:
    """Return the metrics to show: the ranking metric first, the per-target one if it fits."""
    names = sorted((SELECTION, VAL_LOSS, _RHO), key=lambda name: name != document.ranking_metric)
    extra = document.latest.model_extra if document.latest is not None else None
    return [*names, _PER_TARGET] if width >= _WIDE and _PER_TARGET in (extra or {}) else names


def _headings(names: Sequence[str]) -> list[str]:
    return [_METRICS[name][0].rjust(_METRICS[name][2]) for name in names]


def _row(label: str, cells: Sequence[str], epoch: int | str | None, note: str = "") -> str:
    shown = ("-" if epoch is None else str(epoch)).rjust(_EPOCH_WIDTH)
    return _GAP.join([label.ljust(_LABEL_WIDTH), *cells, shown, note]).rstrip()


def _cells(metrics: Metrics | None, names: Sequence[str]) -> list[str]:
    return [
        formatting.number(_value(metrics, name), digits).rjust(width)
        for name in names
        for _, digits, width in [_METRICS[name]]
    ]


def _value(metrics: Metrics | None, name: str) -> float | None:
    value = getattr(metrics, name, None)
    return None if value is None else float(value)


def _file_or_link(
    label: str, checkpoint: Checkpoint, kept: Mapping[str, Checkpoint | None], width: int
) -> str:
    """Return the file's name if the names of all kept checkpoints fit, else its link's name."""
    longest = max(len(_file_name(each)) for each in kept.values() if each is not None)
    name = _file_name(checkpoint)
    if longest <= width:
        return name
    link = next((link for link in checkpoint.links if link.startswith(label)), "")
    return link or (formatting.keep_end(name, width) if width >= _MIN_FILE_NAME else "")


def _file_name(checkpoint: Checkpoint) -> str:
    return checkpoint.path.replace("\\", "/").rpartition("/")[2]


def _learning_rate(document: MonitorDocument) -> str:
    rate = document.learning_rate
    if rate is None:
        return ""
    before = "" if rate.before is None else f" ({rate.before:g} until {rate.before_until_epoch})"
    return f"lr {rate.value:g}{before}"


def _curves(history: Sequence[Metrics], width: int, height: int) -> list[Text]:
    """Plot val_loss and Spearman's rho over all epochs, side by side."""
    if not history:
        return []
    plot_width = min(_MAX_PLOT_WIDTH, (width - 2 * len(_GAP)) // 2)
    columns = []
    for name in (VAL_LOSS, _RHO):
        values = [math.nan if row is None else row for row in (_value(h, name) for h in history)]
        plot = formatting.plot(values, plot_width, height, _span(name, values))
        columns.append([_range(name, values)[:plot_width], *plot])
    head, *lines = [
        f"{left.ljust(plot_width)}{_GAP * 2}{right}".rstrip()
        for left, right in zip(*columns, strict=True)
    ]
    return [Text(head, style="bold"), *map(Text, lines)]


def _span(name: str, values: Sequence[float]) -> tuple[float, float]:
    """Return the values at the bottom and the top of a plot.

    Values far worse than the median, mostly those of the first epochs, are clipped: one bad epoch
    would flatten all others.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 0.0
    low, high, middle = min(finite), max(finite), statistics.median(finite)
    if lower_is_better(name):
        return low, min(high, middle + _CLIP * (middle - low)) if middle > low else high
    return max(low, middle - _CLIP * (high - middle)) if middle < high else low, high


def _range(name: str, values: Sequence[float]) -> str:
    heading, digits, _ = _METRICS[name]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return heading
    low, high = (formatting.number(bound(finite), digits) for bound in (min, max))
    return f"{heading} {low} to {high}"


def _recent(document: MonitorDocument, width: int, rows: int) -> list[Text]:
    shown = document.metrics_history[-rows:]
    if not shown:
        return []
    names = ["train_mse", *_columns(document, width)]
    table = [["epoch".ljust(_LABEL_WIDTH), *_headings(names)]]
    table += [[str(row.epoch).ljust(_LABEL_WIDTH), *_cells(row, names)] for row in shown]
    if document.learning_rate is not None:
        rates = ["-" if (rate := row.learning_rate) is None else f"{rate:.3g}" for row in shown]
        table = _with_column(table, ["lr", *rates], 8)
    if any(row.epoch_seconds is not None for row in document.metrics_history):
        times = ["-" if (each := row.epoch_seconds) is None else _seconds(each) for row in shown]
        table = _with_column(table, ["time", *times], 7)
    heading, *others = map(_GAP.join, table)
    return [Text(heading, style="bold"), *map(Text, others), Text()]


def _with_column(table: list[list[str]], column: list[str], width: int) -> list[list[str]]:
    return [[*cells, cell.rjust(width)] for cells, cell in zip(table, column, strict=True)]


def _parameters(parameters: Mapping[str, Any], width: int) -> list[Text]:
    parts = list(_named_parameters(parameters))
    return [Text(line, style="dim") for line in _packed(parts, width)]


def _named_parameters(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield those of `lr 0.005`, `batch 16 x 16`, `heads 8`, ... that the run has."""
    values = {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in parameters.items()
        if value is not None
    }
    if "learning_rate" in values:
        yield f"lr {values['learning_rate']}"
    if values.get("batch_size"):
        steps = values.get("accumulate_grad_batches")
        yield f"batch {values['batch_size']}" + (f" x {steps}" if steps else "")
    for name, template in (
        ("num_epochs", "{} epochs"),
        ("early_stopping_patience", "stop after {}"),
        ("architecture", "{}"),
        ("attention_head", "heads {}"),
        ("pooling_type", "{}"),
        ("seed", "seed {}"),
        ("accelerator", "{}"),
        ("precision", "precision {}"),
    ):
        if name in values:
            yield template.format(values[name])
    scheduler = parameters.get("scheduler")
    if isinstance(scheduler, Mapping) and {"factor", "patience"} <= set(scheduler):
        yield f"lr x {scheduler['factor']} after {scheduler['patience']}"


def _warnings(document: MonitorDocument, width: int) -> list[Text]:
    lines = []
    for warning in document.warnings:
        # The title shows already that the run is in progress.
        if warning != IN_PROGRESS:
            wrapped = textwrap.wrap(warning, max(10, width - 2)) or [""]
            lines += [("! " if not place else "  ") + part for place, part in enumerate(wrapped)]
    return [Text(line, style="yellow") for line in lines]


def _packed(parts: Sequence[str], width: int) -> list[str]:
    """Join `parts` into as few lines as possible; a part is cut only if it is too wide alone."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(_GAP) + 1 + len(part) <= width:
            lines[-1] += f"{_GAP} {part}"
        else:
            lines.append(part)
    return [line[:width] for line in lines]
