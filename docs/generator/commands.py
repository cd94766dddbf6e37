"""`commands.md`: every command and option, generated from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.markdown import code, page, paragraphs, prose, shell, table, usage
from topoqa_train.cli import PROGRAM, build_menu
from topoqa_train.menu import Menu
from topoqa_train.plugins import discovery, typer_command

# Distributions of this repository; other installed plugins are not documented.
OURS = ("topoqa-train", "topoqa-graphs", "topoqa-ramdisk")
_EXAMPLE = "Example:"


def render() -> str:
    """Return the page."""
    root = root_command()
    parts = [
        f"Every command takes `--help`. `python -m topoqa_train` is the same as `{PROGRAM}`. "
        "Results go to standard output; progress, warnings and errors to standard error.",
        "## Global options",
        usage(f"{PROGRAM} [OPTIONS] COMMAND ..."),
        _options(root.params),
    ]
    for names, command in sorted(leaves(), key=lambda leaf: leaf[0]):
        parts += [f"## {' '.join(names)}", *_body(names, command)]
    return page("Commands", *parts)


def root_command() -> Menu:
    """Return the command line as a tree of commands."""
    return build_menu()


def leaves() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that is not a group, with the words that call it.

    Raises:
        RuntimeError: a plugin of this repository is not installed.
    """
    found = discovery.discover(discovery.COMMANDS)
    missing = set(OURS) - {plugin.distribution for plugin in found.values()}
    if missing:
        raise RuntimeError(f"not installed here: {', '.join(sorted(missing))}")
    for name, entry in root_command().entries.items():
        if entry.plugin.distribution in OURS:
            yield from _walk((name,), typer_command.build(entry.plugin))


def _walk(names: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401
    below = getattr(command, "commands", None)
    if below is None:
        yield names, command
        return
    for name, child in below.items():
        yield from _walk((*names, name), child)


def _body(names: tuple[str, ...], command: Any) -> Iterator[str]:  # noqa: ANN401
    arguments = [p.display_name_raw for p in command.params if p.param_type_name == "argument"]
    yield usage(" ".join([PROGRAM, *names, *arguments, "[OPTIONS]"]))
    for text in paragraphs(command.help):
        if text.startswith(_EXAMPLE):
            yield shell(text.removeprefix(_EXAMPLE).strip())
        else:
            yield prose(text)
    yield _options(command.params)


def _options(params: list[Any]) -> str:
    rows = [
        [_spelling(param), _description(param), _default(param)]
        for param in params
        if not getattr(param, "hidden", False)
    ]
    return table(["option", "meaning", "default"], rows) if rows else ""


def _spelling(param: Any) -> str:  # noqa: ANN401
    if param.param_type_name == "argument":
        return code(param.display_name_raw)
    names = ", ".join(code(name) for name in [*param.opts, *param.secondary_opts])
    return names if param.is_flag else f"{names} {code(param.metavar or param.name.upper())}"


def _description(param: Any) -> str:  # noqa: ANN401
    parts = [prose(param.help)] if getattr(param, "help", None) else []
    bounds = {"at least": getattr(param, "min", None), "at most": getattr(param, "max", None)}
    limits = [f"{name} {bound}" for name, bound in bounds.items() if bound is not None]
    if limits:
        parts.append(f"({', '.join(limits)})")
    if param.multiple and "repeatable" not in (param.help or ""):
        parts.append("Repeatable.")
    parts += [f"Environment: {', '.join(map(code, variables(param)))}."] if param.envvar else []
    return " ".join(parts)


def variables(param: Any) -> list[str]:  # noqa: ANN401
    """Return the environment variables that set an option."""
    given = param.envvar
    return [given] if isinstance(given, str) else list(given or ())


def _default(param: Any) -> str:  # noqa: ANN401
    if param.required:
        return "required"
    value = param.default
    if value is None or value is False or value == () or value == []:
        return ""
    return "on" if value is True else code(value)
