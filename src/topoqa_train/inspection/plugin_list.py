"""All installed plugins, each loaded in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from topoqa_train.datasets import Progress
from topoqa_train.launch.environment import cores
from topoqa_train.plugins import discovery
from topoqa_train.plugins.discovery import Plugin
from topoqa_train.views.plugins import Installed, PluginReport

# Group to what one plugin of it is called.
KINDS = {
    discovery.COMMANDS: "command",
    discovery.DATASETS: "data set",
    discovery.MODELS: "network",
    discovery.LAUNCHERS: "launcher",
    discovery.RUN_READERS: "run reader",
    discovery.TRACKERS: "tracker",
}
_PROBE = "topoqa_train.plugins.probe"
# The probe ends itself at the time limit; this is for one whose plugin handles that signal.
_GRACE_SECONDS = 30.0


def list_plugins(progress: Progress, *, seconds: float) -> PluginReport:
    """Find the plugins of every group and load each: import it, and read a command's signature.

    A plugin that takes longer than `seconds` or ends its process is broken like any other, and does
    not affect the others. A plugin that is hidden by another of the same name is not loaded.
    """
    found = [
        _installed(plugin, kind, hidden_by=claimed[0].distribution if place else None)
        for group, kind in KINDS.items()
        for claimed in discovery.claims(group).values()
        for place, plugin in enumerate(claimed)
    ]
    plugins = _load_all(found, progress, seconds)
    damaged = discovery.unreadable_distributions()
    broken = {each.distribution for each in plugins if each.state == "broken"} | damaged.keys()
    return PluginReport(plugins, damaged, list(map(discovery.repair_hint, sorted(broken))))


def _installed(plugin: Plugin, kind: str, hidden_by: str | None) -> Installed:
    return Installed(
        group=plugin.entry_point.group,
        kind=kind,
        name=plugin.name,
        value=plugin.entry_point.value,
        distribution=plugin.distribution,
        version=plugin.version,
        line=plugin.line,
        state="hidden" if hidden_by else "ok",
        hidden_by=hidden_by,
    )


def _load_all(found: list[Installed], progress: Progress, seconds: float) -> list[Installed]:
    loaded = []
    # Each plugin has its own process, so that none can harm another; the threads only wait.
    pool = ThreadPoolExecutor(cores())
    try:
        with progress("loading plugins", len(found)) as advance:
            for each in pool.map(lambda each: _load(each, seconds), found):
                loaded.append(each)
                advance(1)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for the plugins still to come
    return loaded


def _load(each: Installed, seconds: float) -> Installed:
    if each.state == "hidden":
        return each
    error, taken = _probe(each, seconds)
    return replace(each, state="broken" if error else "ok", error=error, seconds=taken)


def _probe(each: Installed, seconds: float) -> tuple[str | None, float | None]:
    """Load a plugin in a child process; return why that failed, and how long it took."""
    asked = {key: getattr(each, key) for key in ("group", "name", "value", "distribution")}
    too_long = f"it takes longer than {seconds:g} s to import"
    try:
        done = subprocess.run(  # noqa: S603 - this program, with this interpreter
            [sys.executable, "-P", "-m", _PROBE],
            # The child imports what this process would import.
            input=json.dumps({"path": sys.path, "seconds": seconds, **asked}).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds + _GRACE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return too_long, None
    if done.stdout:
        answer = json.loads(done.stdout)
        return answer["error"], answer["seconds"]
    if done.returncode == -signal.SIGALRM:
        return too_long, None
    if done.returncode < 0:
        return f"importing it ends the process: {signal.Signals(-done.returncode).name}", None
    return f"importing it ends the process with status {done.returncode}", None
