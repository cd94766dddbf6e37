from __future__ import annotations

from collections.abc import Callable

from topoqa_train.ui.tables.plugins import error_lines, plugin_table
from topoqa_train.views.plugins import Installed, PluginReport


def installed(name: str, owner: str = "topoqa-train", **fields: object) -> Installed:
    known = {"state": "ok", "seconds": 0.04, **fields}
    group = "topoqa_train.commands"
    return Installed(group, "command", name, f"{name}:app", owner, "1.2.3", "", **known)  # type: ignore[arg-type]


REPORT = PluginReport(
    [
        installed("leaderboard"),
        installed("dock", "docking-things", state="broken", error="ImportError: no x", seconds=2.0),
        installed("run", "docking-things", state="hidden", hidden_by="topoqa-train", seconds=None),
    ],
    {"half": "KeyError: 'x'"},
    ["Fix or remove it: pip uninstall docking-things"],
)


def test_a_line_each_within_eighty_columns(lines: Callable[..., list[str]]) -> None:
    assert [line.split() for line in lines(plugin_table(REPORT), 80)[1:]] == [
        ["command", "leaderboard", "topoqa-train", "1.2.3", "0.0", "s", "ok"],
        ["command", "dock", "docking-things", "1.2.3", "2.0", "s", "broken"],
        ["command", "run", "docking-things", "1.2.3", "-", "hidden", "by", "topoqa-train"],
    ]


def test_what_is_wrong_and_what_to_do() -> None:
    assert error_lines(REPORT) == [
        "command dock of docking-things 1.2.3 is broken: ImportError: no x",
        "  topoqa_train.commands: dock:app",
        "half: its entry points are unreadable: KeyError: 'x'",
        "Fix or remove it: pip uninstall docking-things",
    ]
