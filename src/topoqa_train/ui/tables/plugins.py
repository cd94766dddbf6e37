"""The installed plugins as a table, and what is wrong with them."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from topoqa_train.views.plugins import Installed, PluginReport

_STYLES = {"ok": "", "broken": "bold red", "hidden": "dim"}


def plugin_table(report: PluginReport) -> Table:
    """Return a table with a row for each plugin."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("kind", "name", "from", "import", "state"):
        table.add_column(heading, justify="right" if heading == "import" else "left", no_wrap=True)
    for each in report.plugins:
        seconds = "-" if each.seconds is None else f"{each.seconds:.1f} s"
        state = f"hidden by {each.hidden_by}" if each.hidden_by else each.state
        cells = (each.kind, each.name, _owner(each), seconds, state)
        table.add_row(*(Text(cell, style=_STYLES[each.state]) for cell in cells))
    return table


def error_lines(report: PluginReport) -> list[str]:
    """Return what is wrong with each broken plugin, and what to do."""
    lines = []
    for each in (each for each in report.plugins if each.state == "broken"):
        lines.append(f"{each.kind} {each.name} of {_owner(each)} is broken: {each.fault}")
        lines.append(f"  {each.group}: {each.value}")
    for distribution, reason in report.damaged.items():
        lines.append(f"{distribution} gives no plugin: its entry points can't be read: {reason}")
    return [*lines, *report.hints]


def _owner(each: Installed) -> str:
    return f"{each.distribution} {each.version or ''}".rstrip()
