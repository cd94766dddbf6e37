"""Conversion of a plugin's function or Typer app to a command."""

from __future__ import annotations

from typing import Any, Final

import typer

from topoqa_train.plugins.discovery import Plugin

# Wraps paragraphs of help to the terminal instead of keeping the source's line breaks.
MARKUP: Final = "markdown"


def build(plugin: Plugin) -> Any:  # noqa: ANN401 - Typer vendors click and does not export it
    """Import the function or Typer app of `plugin` and return it as a command.

    Raises:
        PluginError: it can't be imported, or Typer can't read its signature.
    """
    app, loaded = typer.Typer(rich_markup_mode=MARKUP), plugin.load()
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=plugin.name)
    else:
        # Set by `api.forward_unknown_options`.
        settings = getattr(loaded, "context_settings", None)
        app.command(plugin.name, context_settings=settings)(loaded)
    try:
        return typer.main.get_group(app).commands[plugin.name]
    except Exception as error:
        raise plugin.broken(f"{type(error).__name__}: {error}") from error
