"""All plugins that are installed, each tried in a process beside this one."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from topoqa_train.datasets import Progress
from topoqa_train.plugins import discovery
from topoqa_train.plugins.discovery import Plugin
from topoqa_train.views.plugins import Installed, PluginReport

# Group to what people call one of it.
KINDS = {
    discovery.COMMANDS: "command",
    discovery.DATASETS: "data set",
    discovery.MODELS: "network",
    discovery.LAUNCHERS: "launcher",
}
_PROBE = "topoqa_train.plugins.probe"
_ENOUGH = 1 << 16
_TO_START = 60.0


def list_plugins(progress: Progress, *, seconds: float) -> PluginReport:
    """Find the plugins of every group and try each: import it, and read a command's signature.

    One that takes longer than `seconds` or ends the process is broken as any other is; the others
    are tried all the same. What another of the same name hides is not tried.
    """
    found = [
        _installed(plugin, kind, hidden_by=claimed[0].distribution if place else None)
        for group, kind in KINDS.items()
        for claimed in discovery.claims(group).values()
        for place, plugin in enumerate(claimed)
    ]
    wanted = [each for each in found if each.state != "hidden"]
    tried = {}
    with progress("loading plugins", len(wanted)) as advance:
        for each, answer in zip(wanted, _answers(wanted, seconds), strict=True):
            tried[each] = replace(each, **answer, state="broken" if answer["fault"] else "ok")
            advance(1)
    damaged = discovery.unreadable_distributions()
    broken = {each.distribution for each in tried.values() if each.state == "broken"}
    return PluginReport(
        tuple(tried.get(each, each) for each in found),
        damaged,
        tuple(map(discovery.repair_hint, sorted(broken | damaged.keys()))),
    )


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


def _answers(wanted: Sequence[Installed], seconds: float) -> Iterator[dict[str, Any]]:
    """What came of each, in order; a child that dies or hangs is followed by another."""
    left = list(wanted)
    while left:
        with _child(left) as child:
            for line in _lines(child, seconds):
                if not line:  # it is ready
                    continue
                left.pop(0)
                yield json.loads(line)
            if left:
                left.pop(0)
                yield {"fault": _end(child, seconds), "seconds": None}


@contextmanager
def _child(wanted: Sequence[Installed]) -> Iterator[subprocess.Popen[bytes]]:
    keys = ("group", "name", "value", "distribution")
    asked = [{key: getattr(each, key) for key in keys} for each in wanted]
    child = subprocess.Popen(  # noqa: S603 - our own program, by this very interpreter
        [sys.executable, "-P", "-m", _PROBE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        if child.stdin is not None:
            # What it finds is what this process would find.
            child.stdin.write(json.dumps({"path": sys.path, "plugins": asked}).encode())
            child.stdin.close()
        yield child
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _lines(child: subprocess.Popen[bytes], seconds: float) -> Iterator[bytes]:
    """The child's whole lines, until it ends or is silent for longer than `seconds`.

    Starting it is no plugin's doing and may take its time.
    """
    if child.stdout is None:
        return
    rest, patience = b"", max(seconds, _TO_START)
    while select.select([child.stdout], [], [], patience)[0]:
        chunk = os.read(child.stdout.fileno(), _ENOUGH)
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        patience = seconds


def _end(child: subprocess.Popen[bytes], seconds: float) -> str:
    status = child.poll()
    if status is None:
        try:
            # Its output is closed, so it is about to end, unless it was the time that ran out.
            status = child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return f"it takes longer than {seconds:g} s to import"
    if status < 0:
        return f"importing it ends the process: {signal.Signals(-status).name}"
    return f"importing it ends the process with status {status}"


def to_document(report: PluginReport) -> dict[str, Any]:
    """As JSON types."""
    return {
        "plugins": [asdict(each) for each in report.plugins],
        "damaged": dict(report.damaged),
        "hints": list(report.hints),
    }
