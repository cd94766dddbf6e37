"""The list of commands, each a plugin that is imported only when it is used.

A command is used when it is called, completed, or asked for its help. A plugin that is slow or
broken affects no other command.
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

# In the order in which a new user needs them. Commands not named here are listed under "Others".
PANELS: Final = {
    "Train": ("pipeline", "run", "batch", "fine-tune", "resume"),
    "Inspect": ("monitor", "leaderboard", "summarise"),
    "Prepare": ("init", "graphs", "data", "config"),
    "Tools": ("runs", "plugins", "ramdisk"),
}
OTHERS: Final = "Others"
_HELP = "help"


class Entry(TyperCommand):
    """Placeholder for a plugin's command, which is imported when it is called."""

    def __init__(self, plugin: Plugin, panel: str) -> None:
        super().__init__(plugin.name, rich_help_panel=panel)
        self.plugin = plugin
        self.short_help: str | None = None

    def describe(self) -> None:
        """Set the line of help without importing the plugin."""
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
        """Build the real command; calls, help and completion all come through here."""
        completing = bool(extra.get("resilient_parsing"))
        if not completing:
            _report_shadowed([self.plugin])
        # While a shell completes, a broken plugin must not write into the line being typed.
        try:
            command = typer_command.build(self.plugin)
        except PluginError:
            if not completing:
                raise
            return super().make_context(info_name, args, parent=parent, **extra)
        hide_types(command, typer.Context(command, parent=parent))
        return command.make_context(info_name, args, parent=parent, **extra)


class Menu(TyperGroup):
    """All installed commands; `called` is the plugin of the command that runs."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - attributes of the app
        super().__init__(**attributes)
        self.entries = {
            plugin.name: Entry(plugin, panel)
            for panel, plugin in _ordered(discovery.discover(discovery.COMMANDS))
        }
        self.commands = dict(self.entries)
        self.called: Plugin | None = None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Return the command at the start of `args`; raises `RequestError` if it is unknown."""
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
        """Write options and commands; report shadowed plugins and unreadable distributions."""
        self._describe()
        super().format_help(ctx, formatter)
        _report_shadowed(entry.plugin for entry in self.entries.values())
        for distribution, error in discovery.unreadable_distributions().items():
            console.notify(f"{distribution}: its entry points are unreadable: {error}")

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:  # noqa: ANN401
        """Return names of commands with their lines of help, and options."""
        self._describe()
        return super().shell_complete(ctx, incomplete)

    def _describe(self) -> None:
        for entry in self.entries.values():
            entry.describe()


def _ordered(found: dict[str, Plugin]) -> Iterable[tuple[str, Plugin]]:
    """Yield panel and plugin in the order of the list."""
    named = {name: panel for panel, names in PANELS.items() for name in names}
    for name in [*named, *(name for name in found if name not in named)]:
        if name in found:
            yield named.get(name, OTHERS), found[name]


def _unknown(name: str, known: Iterable[str]) -> RequestError:
    return RequestError(
        f"unknown command '{name}'{did_you_mean(name, known)}",
        hint="All commands: topoqa-train --help",
    )


def _report_shadowed(found: Iterable[Plugin]) -> None:
    for plugin in found:
        for rival in plugin.shadowed:
            console.notify(f"'{plugin.name}' of {plugin.distribution} hides that of {rival}")


def hide_types(command: Any, context: typer.Context) -> None:  # noqa: ANN401
    """Remove Python types such as <bool> and <list[str]> from the help of flags and arguments."""
    for param in command.get_params(context):
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
        if param.param_type_name == "argument" and param.metavar:
            # Typer shows an argument's metavar as its name, and the type beside it in any case.
            param.display_type_rich = lambda ctx: ""  # noqa: ARG005
    for child in getattr(command, "commands", {}).values():
        hide_types(child, context)
