"""The installed plugins as a table, and what is wrong with them."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from topoqa_train.ui import formatting
from topoqa_train.views.plugins import Installed, PluginReport

_STYLES = {"ok": "", "broken": "bold red", "hidden": "dim"}


def plugin_table(report: PluginReport) -> Table:
    """Return a table with a row for each plugin."""
    headings = ("kind", "name", "from", "import", "state")
    table = formatting.table(headings, left=[name for name in headings if name != "import"])
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
        lines.append(f"{each.kind} {each.name} of {_owner(each)} is broken: {each.error}")
        lines.append(f"  {each.group}: {each.value}")
    for distribution, reason in report.damaged.items():
        lines.append(f"{distribution}: its entry points are unreadable: {reason}")
    return [*lines, *report.hints]


def _owner(each: Installed) -> str:
    return f"{each.distribution} {each.version or ''}".rstrip()
