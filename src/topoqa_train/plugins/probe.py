"""Tries plugins in a process of its own, which a stranger's import may slow, spoil or kill.

Reads a JSON document from standard input: `path` is the `sys.path` to import from, `plugins` a list
of `{"group", "name", "value", "distribution"}`. Answers with a line of JSON for each, in that
order: `{"fault", "seconds"}`, after an empty line that says it is ready.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import EntryPoint
from typing import Any, Final

from topoqa_train.plugins import discovery, typer_command
from topoqa_train.plugins.discovery import Plugin, PluginError

_OUT: Final = 1
_ERR: Final = 2


def main() -> None:
    """Try each plugin that standard input names."""
    answers = os.dup(_OUT)
    # What a plugin prints as it is imported is no answer of ours, and nobody's to read.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _OUT)
    os.dup2(nowhere, _ERR)
    request = json.load(sys.stdin)
    os.write(answers, b"\n")
    sys.path[:] = request["path"]
    for asked in request["plugins"]:
        line = json.dumps(_tried(asked)) + "\n"
        os.write(answers, line.encode())


def _tried(asked: dict[str, str]) -> dict[str, Any]:
    entry_point = EntryPoint(asked["name"], asked["value"], asked["group"])
    plugin = Plugin(asked["name"], entry_point, asked["distribution"])
    began, fault = time.monotonic(), None
    try:
        _use(plugin)
    except PluginError as error:
        fault = error.message.partition(" is broken: ")[2] or error.message
    return {"fault": fault, "seconds": time.monotonic() - began}


def _use(plugin: Plugin) -> None:
    if plugin.entry_point.group == discovery.COMMANDS:
        typer_command.build(plugin)  # its signature is read too
    else:
        plugin.load()


if __name__ == "__main__":
    main()
