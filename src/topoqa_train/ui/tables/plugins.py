"""The plugins that are installed, as a table and what is wrong with them."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from topoqa_train.views.plugins import Installed, PluginReport

_STYLES = {"ok": "", "broken": "bold red", "hidden": "dim"}


def plugin_table(report: PluginReport) -> Table:
    """A line a plugin."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("kind", "name", "from", "import", "state"):
        table.add_column(heading, justify="right" if heading == "import" else "left", no_wrap=True)
    for each in report.plugins:
        seconds = "-" if each.seconds is None else f"{each.seconds:.1f} s"
        cells = (each.kind, each.name, _owner(each), seconds, _state(each))
        table.add_row(*(Text(cell, style=_STYLES[each.state]) for cell in cells))
    return table


def fault_lines(report: PluginReport) -> list[str]:
    """What is wrong with each that is broken, and what to do."""
    lines = []
    broken = [each for each in report.plugins if each.state == "broken"]
    for each in broken:
        lines.append(f"{each.kind} {each.name} of {_owner(each)} is broken: {each.fault}")
        lines.append(f"  {each.group}: {each.value}")
    for distribution, fault in report.damaged.items():
        lines.append(f"{distribution} gives no plugin: its entry points can't be read: {fault}")
    return [*lines, *report.hints]


def _owner(each: Installed) -> str:
    return f"{each.distribution} {each.version or ''}".rstrip()


def _state(each: Installed) -> str:
    return f"hidden by {each.hidden_by}" if each.hidden_by else each.state
