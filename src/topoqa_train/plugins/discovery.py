"""Discovery of plugins: entry points, each loaded only when it is used.

A plugin that can't be loaded is reported by name and does not affect others. Its line of help is
read from its source and metadata without an import.
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
    """A plugin is broken; the message has its name, distribution and error."""


@dataclass(frozen=True)
class Plugin:
    """One entry point; `shadowed` are other distributions whose plugins have the same name."""

    name: str
    entry_point: EntryPoint
    distribution: str
    shadowed: tuple[str, ...] = ()

    def load(self) -> Any:  # noqa: ANN401 - what a plugin is depends on its group
        """Import the object of the entry point: a function, a class or a Typer app.

        Raises:
            PluginError: the import failed, or the object can't be called.
        """
        if EntryPoint.pattern.match(self.entry_point.value) is None:
            raise self.broken("its entry point is not of the form module:object")
        try:
            loaded = self.entry_point.load()
        except (Exception, SystemExit) as error:  # third-party code can raise anything
            raise self.broken(f"{type(error).__name__}: {error}") from error
        if not callable(loaded):
            raise self.broken(f"{type(loaded).__name__} can't be called")
        return loaded

    @property
    def version(self) -> str | None:
        """Version of the distribution, if it has one."""
        found = self.entry_point.dist
        return None if found is None or "Version" not in found.metadata else found.version

    @property
    def line(self) -> str:
        """One line of help, without importing the plugin.

        The docstring or help in the source, else the distribution's summary, else nothing.
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
        """Raise exceptions of the block as `PluginError`, except errors of machine and request."""
        try:
            yield
        except (TopoqaTrainError, OSError, MemoryError):
            raise
        except Exception as error:
            raise self.broken(f"{type(error).__name__}: {error}") from error

    def broken(self, reason: str) -> PluginError:
        """Return the error for a plugin that can't be used."""
        return PluginError(
            f"the plugin '{self.name}' of {self.distribution} is broken: {reason}",
            details=[f"{self.entry_point.group}: {self.entry_point.value}"],
            hint=repair_hint(self.distribution),
        )


def discover(group: str) -> dict[str, Plugin]:
    """Return all plugins of `group` by name, sorted, without importing them.

    If several distributions have the same name, topoqa-train's plugin is used, else that of the
    first distribution by name. The others are in `shadowed`, so that they can be reported.
    """
    return {name: plugins[0] for name, plugins in claims(group).items()}


def claims(group: str) -> dict[str, list[Plugin]]:
    """Return all plugins of each name in `group`: first the one used, then those it hides."""
    found: dict[str, list[tuple[str, EntryPoint]]] = {}
    for entry_point in _entry_points(group):
        found.setdefault(entry_point.name, []).append((_owner(entry_point), entry_point))
    return {name: _ranked(name, found[name]) for name in sorted(found)}


def repair_hint(distribution: str) -> str:
    """Return what to do about a broken plugin of `distribution`."""
    if distribution == OWN_DISTRIBUTION:
        return f"Reinstall it: pip install --force-reinstall {distribution}"
    return f"Fix or remove it: pip uninstall {distribution}"


def unreadable_distributions() -> dict[str, str]:
    """Return the distributions whose entry points can't be read, each with the reason."""
    reasons = {}
    for distribution in distributions():
        try:
            _ = distribution.entry_points
        except Exception as error:  # noqa: BLE001 - any error in a third-party file
            reasons[distribution.name or _NAMELESS] = f"{type(error).__name__}: {error}"
    return reasons


def find(group: str, kind: str, name: str, *, hint: str | None = None) -> Plugin:
    """Return the plugin `name` of `group`; `kind` is its name in messages: 'data set'.

    Raises:
        RequestError: it is not installed; names the nearest and all installed ones.
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
    except Exception:  # noqa: BLE001 - see `unreadable_distributions`
        bad = unreadable_distributions()
        good = (each for each in distributions() if (each.name or _NAMELESS) not in bad)
        return [
            entry_point
            for distribution in good
            for entry_point in distribution.entry_points.select(group=group)
        ]


def _owner(entry_point: EntryPoint) -> str:
    # A half-removed distribution has no name. Once the backport importlib_metadata is imported,
    # its finder raises instead.
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
