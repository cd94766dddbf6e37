from __future__ import annotations

import json
from typing import Any

import pytest

from topoqa_train.inspection import plugin_list
from topoqa_train.views.plugins import Installed, PluginReport

GROUP = "topoqa_train.commands"
REPORT = PluginReport(
    [
        Installed(GROUP, "command", "run", "a:b", "topoqa-train", "1.0", "", "ok", seconds=0.1),
        Installed(GROUP, "command", "dock", "c:d", "docks", None, "", "broken", "ImportError: x"),
    ],
    {},
    ["Fix or remove it: pip uninstall docks"],
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time limits that were asked for; trying what is installed is tested elsewhere."""
    limits: list[float] = []

    def listed(progress: Any, *, seconds: float) -> PluginReport:
        limits.append(seconds)
        return REPORT

    monkeypatch.setattr(plugin_list, "list_plugins", listed)
    return limits


def test_a_broken_plugin_is_reported_with_exit_status_0(typed: Any, asked: list[float]) -> None:
    status, out, err = typed("plugins", "list", "--timeout", "5")
    assert (status, asked) == (0, [5.0])
    assert [line.split()[1] for line in out.splitlines()] == ["name", "run", "dock"]
    assert err.splitlines() == [
        "command dock of docks is broken: ImportError: x",
        "  topoqa_train.commands: c:d",
        "Fix or remove it: pip uninstall docks",
    ]


def test_json_is_one_document(typed: Any, asked: list[float]) -> None:
    status, out, err = typed("plugins", "list", "--json")
    assert (status, err, asked) == (0, "", [60.0])
    assert [each["state"] for each in json.loads(out)["plugins"]] == ["ok", "broken"]
