"""Load one plugin in this process and report the result as JSON.

`inspection.plugin_list` starts this module once for each plugin, because the import of third-party
code may hang, print, or end its process. Standard input holds a JSON object with the `sys.path` to
use, the time limit in `seconds`, and the `group`, `name`, `value` and `distribution` of the plugin.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from importlib.metadata import EntryPoint

from topoqa_train.plugins import discovery, typer_command
from topoqa_train.plugins.discovery import Plugin, PluginError

_STDOUT, _STDERR = 1, 2


def main() -> None:
    """Load the plugin that standard input names and write `error` and `seconds`."""
    request = json.load(sys.stdin)
    answer = os.dup(_STDOUT)
    # What a plugin prints while it is imported must not mix with the answer.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.dup2(nowhere, _STDERR)
    sys.path[:] = request["path"]
    entry_point = EntryPoint(request["name"], request["value"], request["group"])
    plugin = Plugin(request["name"], entry_point, request["distribution"])
    # The kernel ends this process at the time limit, even inside C code. Set here rather than in
    # the parent, the limit does not count the start of the interpreter.
    signal.setitimer(signal.ITIMER_REAL, request["seconds"])
    began = time.monotonic()
    error = _load(plugin)
    seconds = time.monotonic() - began
    os.write(answer, json.dumps({"error": error, "seconds": seconds}).encode())
    # Threads and exit handlers that the plugin left behind must not delay the answer.
    os._exit(0)


def _load(plugin: Plugin) -> str | None:
    """Load `plugin` and return why it failed, if it did."""
    try:
        if plugin.entry_point.group == discovery.COMMANDS:
            typer_command.build(plugin)  # Typer reads the signature, too
        else:
            plugin.load()
    except PluginError as error:
        return error.message.partition(" is broken: ")[2] or error.message
    return None


if __name__ == "__main__":
    main()
