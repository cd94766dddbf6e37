"""The list of commands: each is a plugin, and none is imported before it is asked for.

Asked for means called, completed below its name, or its own help wanted. So a plugin that is slow
to import, or can't be, harms nobody but who calls it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from topoqa_train.errors import RequestError
from topoqa_train.plugins import discovery, typer_command
from topoqa_train.plugins.discovery import Plugin, PluginError
from topoqa_train.suggest import did_you_mean
from topoqa_train.ui import console

# The order teaches: train, look at what came out, prepare one's own data, keep things tidy.
# A command that is named nowhere here stands under "Others", so this is no register.
PANELS: Final = {
    "Train": ("pipeline", "run", "batch", "fine-tune", "resume"),
    "Look": ("monitor", "leaderboard", "summarise"),
    "Prepare": ("init", "graphs", "data", "config"),
    "Tools": ("runs", "plugins", "ramdisk"),
}
OTHERS: Final = "Others"
_HELP = "help"


class Entry(TyperCommand):
    """A command that stands for one of a plugin, which is imported when it is called."""

    def __init__(self, plugin: Plugin, panel: str) -> None:
        super().__init__(plugin.name, rich_help_panel=panel)
        self.plugin = plugin
        self.short_help: str | None = None

    def describe(self) -> None:
        """Find out what to say of it in a list, without importing it."""
        line, owner = self.plugin.line, self.plugin.distribution
        if owner != discovery.OWN_DISTRIBUTION:
            line = f"{line} ({owner})" if line else f"from {owner}"
        self.short_help = line

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401
        **extra: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """What every way to a command goes through, completion too."""
        completing = bool(extra.get("resilient_parsing"))
        if not completing:
            _tell_rivals([self.plugin])
        try:
            command = typer_command.build(self.plugin)
        except PluginError:
            if not completing:
                raise
            return super().make_context(info_name, args, parent=parent, **extra)
        plain_flags(command, typer.Context(command, parent=parent))
        return command.make_context(info_name, args, parent=parent, **extra)


class Menu(TyperGroup):
    """All commands that are installed; `called` is the plugin whose turn it is."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - what Typer knows of the app
        super().__init__(**attributes)
        self.entries = {
            plugin.name: Entry(plugin, panel)
            for panel, plugin in _ordered(discovery.discover(discovery.COMMANDS))
        }
        self.commands = dict(self.entries)
        self.called: Plugin | None = None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """The command that `args` begin with; raises `RequestError` if there is none."""
        if ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        if args[0] == _HELP and _HELP not in self.entries:
            args = [*args[1:], "--help"]
        if args == ["--help"]:
            typer.echo(ctx.get_help())
            raise typer.Exit
        if args[0] not in self.entries:
            raise _unknown(args[0], self.entries)
        self.called = self.entries[args[0]].plugin
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """The options, a line for each command, and what is wrong with what is installed."""
        self._describe()
        super().format_help(ctx, formatter)
        _tell_rivals(entry.plugin for entry in self.entries.values())
        for distribution, error in discovery.unreadable_distributions().items():
            console.notify(f"{distribution}: its entry points are unreadable: {error}")

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:  # noqa: ANN401
        """Names of commands with their lines, and options."""
        self._describe()
        return super().shell_complete(ctx, incomplete)

    def _describe(self) -> None:
        for entry in self.entries.values():
            entry.describe()


def _ordered(found: dict[str, Plugin]) -> Iterable[tuple[str, Plugin]]:
    """Panel and plugin, in the order of the list."""
    named = {name: panel for panel, names in PANELS.items() for name in names}
    for name in [*named, *(name for name in found if name not in named)]:
        if name in found:
            yield named.get(name, OTHERS), found[name]


def _unknown(name: str, known: Iterable[str]) -> RequestError:
    return RequestError(
        f"there is no command '{name}'{did_you_mean(name, known)}",
        hint="All commands: topoqa-train --help",
    )


def _tell_rivals(found: Iterable[Plugin]) -> None:
    for plugin in found:
        for rival in plugin.shadowed:
            console.notify(f"'{plugin.name}' of {plugin.distribution} hides that of {rival}")


def plain_flags(command: Any, context: typer.Context) -> None:  # noqa: ANN401
    """Take the type from the help of flags: <bool> reads as if they took a value."""
    for param in command.get_params(context):
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    for child in getattr(command, "commands", {}).values():
        plain_flags(child, context)
