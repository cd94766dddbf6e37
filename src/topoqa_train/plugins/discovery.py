"""Finding plugins: entry points of a group, sorted, each loaded only when it is wanted.

A plugin that cannot be loaded is a fault to be shown by name, never a crash of the rest. What it
says of itself in a line is read from its source and its metadata: nothing is imported for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions, entry_points
from typing import Any

from topoqa_train.errors import RequestError, TopoqaTrainError
from topoqa_train.plugins.help_text import written_help
from topoqa_train.suggest import did_you_mean

COMMANDS = "topoqa_train.commands"
DATASETS = "topoqa_train.datasets"
MODELS = "topoqa_train.models"
LAUNCHERS = "topoqa_train.launchers"
RUN_READERS = "topoqa_train.run_readers"
TRACKERS = "topoqa_train.trackers"
OWN_DISTRIBUTION = "topoqa-train"
_NAMELESS = "unknown"


class PluginError(RequestError):
    """A plugin is there but broken; the message names it, its distribution and its fault."""


@dataclass(frozen=True)
class Plugin:
    """One entry point; `shadowed` are distributions that claim the same name and lost."""

    name: str
    entry_point: EntryPoint
    distribution: str
    shadowed: tuple[str, ...] = ()

    def load(self) -> Any:  # noqa: ANN401 - what a plugin is depends on its group
        """Import what the entry point names: a function, a class or a Typer app.

        Raises:
            PluginError: whatever went wrong while importing it, or it can't be called.
        """
        if EntryPoint.pattern.match(self.entry_point.value) is None:
            raise self.broken("its entry point names no object; module:object is the form")
        try:
            loaded = self.entry_point.load()
        except (Exception, SystemExit) as error:  # a stranger's import can raise anything
            raise self.broken(f"{type(error).__name__}: {error}") from error
        if not callable(loaded):
            raise self.broken(f"{type(loaded).__name__} can't be called")
        return loaded

    @property
    def version(self) -> str | None:
        """That of its distribution, where it says one."""
        found = self.entry_point.dist
        return None if found is None or "Version" not in found.metadata else found.version

    @property
    def line(self) -> str:
        """What it is, in a line, without importing it.

        Its docstring or help as the source has it, else its distribution's summary, else nothing.
        """
        text = written_help(self.entry_point) or self._summary()
        return " ".join(text.strip().partition("\n\n")[0].split())

    def _summary(self) -> str:
        found = self.entry_point.dist
        if found is None or "Summary" not in found.metadata:
            return ""
        return found.metadata["Summary"]

    @contextmanager
    def attribute_errors(self) -> Iterator[None]:
        """Lay what goes wrong inside at the plugin's door.

        What is meant for people as it stands, or is the machine's fault, passes.
        """
        try:
            yield
        except (TopoqaTrainError, OSError, MemoryError):
            raise
        except Exception as error:
            raise self.broken(f"{type(error).__name__}: {error}") from error

    def broken(self, fault: str) -> PluginError:
        """The error for a plugin that can't be used because of `fault`."""
        return PluginError(
            f"the plugin '{self.name}' of {self.distribution} is broken: {fault}",
            details=[f"{self.entry_point.group}: {self.entry_point.value}"],
            hint=repair_hint(self.distribution),
        )


def discover(group: str) -> dict[str, Plugin]:
    """All plugins of `group` by name, sorted; nothing is imported.

    Where two distributions claim a name, ours wins, else the first by distribution name; the
    others are kept as `shadowed`, so that nothing is overridden in silence.
    """
    return {name: plugins[0] for name, plugins in claims(group).items()}


def claims(group: str) -> dict[str, list[Plugin]]:
    """All that claim each name of `group`: first the one that has it, then those it hides."""
    found: dict[str, list[tuple[str, EntryPoint]]] = {}
    for entry_point in _entry_points(group):
        found.setdefault(entry_point.name, []).append((_owner(entry_point), entry_point))
    return {name: _ranked(name, found[name]) for name in sorted(found)}


def repair_hint(distribution: str) -> str:
    """What to do about a plugin of `distribution` that is broken."""
    if distribution == OWN_DISTRIBUTION:
        return f"Install it again: pip install --force-reinstall {distribution}"
    return f"Mend or remove it: pip uninstall {distribution}"


def unreadable_distributions() -> dict[str, str]:
    """Distributions whose list of entry points can't be read, and why; they give no plugin."""
    faults = {}
    for distribution in distributions():
        try:
            _ = distribution.entry_points
        except Exception as error:  # noqa: BLE001 - a stranger's file can be wrong in any way
            faults[distribution.name or _NAMELESS] = f"{type(error).__name__}: {error}"
    return faults


def find(group: str, kind: str, name: str, *, hint: str | None = None) -> Plugin:
    """The plugin `name` of `group`; `kind` is what people call such a one: 'data set'.

    Raises:
        RequestError: there is none; the nearest and all installed ones are named.
    """
    known = discover(group)
    if name in known:
        return known[name]
    raise RequestError(
        f"no {kind} is called '{name}'{did_you_mean(name, known)}",
        details=[f"installed: {', '.join(known) or 'none'}"],
        hint=hint,
    )


def _entry_points(group: str) -> Iterable[EntryPoint]:
    try:
        return entry_points(group=group)
    except Exception:  # noqa: BLE001 - a stranger's file is wrong: see `unreadable_distributions`
        bad = unreadable_distributions()
        good = (each for each in distributions() if (each.name or _NAMELESS) not in bad)
        return [
            entry_point
            for distribution in good
            for entry_point in distribution.entry_points.select(group=group)
        ]


def _owner(entry_point: EntryPoint) -> str:
    # A distribution that was removed half has no name. Where the backport importlib_metadata was
    # imported, its finder answers, and says so by an error.
    try:
        return (entry_point.dist.name if entry_point.dist is not None else None) or _NAMELESS
    except (ImportError, OSError):
        return _NAMELESS


def _ranked(name: str, claimed: list[tuple[str, EntryPoint]]) -> list[Plugin]:
    unique = {(owner, entry.value): (owner, entry) for owner, entry in claimed}
    ordered = sorted(unique.values(), key=lambda claim: (claim[0] != OWN_DISTRIBUTION, claim[0]))
    (owner, entry_point), *others = ordered
    winner = Plugin(name, entry_point, owner, shadowed=tuple(other for other, _ in others))
    return [winner, *(Plugin(name, hidden, other) for other, hidden in others)]
