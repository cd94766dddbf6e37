"""`exit-status.md` and `environment.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from generator import commands, descriptions
from generator.markdown import code, page, paragraphs, prose, table
from topoqa_train import errors
from topoqa_train.cli import DEBUG_VARIABLE
from topoqa_train.datasets import CACHE_VARIABLE
from topoqa_train.launch import base as launchers
from topoqa_train.runs import history, store


def render_exits() -> str:
    """Return the page on exit statuses, generated from the error classes."""
    by_status: dict[int, list[type[errors.TopoqaTrainError]]] = {}
    for kind in sorted(_kinds(errors.TopoqaTrainError), key=lambda kind: kind.__name__):
        by_status.setdefault(kind.exit_status, []).append(kind)
    rows = [
        [code(status), "<br>".join(_description(kind) for kind in by_status[status])]
        for status in sorted(by_status)
    ]
    return page(
        "Exit status",
        "An error is reported in a few lines on standard error: what happened, where, what to do. "
        "`--debug` adds the traceback.",
        table(["status", "meaning"], [[code(0), "Success."], *rows]),
    )


def _kinds(kind: type[errors.TopoqaTrainError]) -> Iterator[type[errors.TopoqaTrainError]]:
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield below
            yield from _kinds(below)


def _description(kind: type[errors.TopoqaTrainError]) -> str:
    return f"{code(kind.__name__)}: {prose(paragraphs(inspect.getdoc(kind))[0])}"


def render_environment() -> str:
    """Return the page on environment variables, from the options and constants that read them."""
    constants = {
        store.ROOT_VARIABLE,
        history.KEEP_VARIABLE,
        launchers.VARIABLE,
        DEBUG_VARIABLE,
        CACHE_VARIABLE,
    }
    if missing := constants - set(descriptions.ENVIRONMENT):
        raise RuntimeError(f"missing in descriptions.ENVIRONMENT: {missing}")
    rows = [[code(name), text] for name, text in descriptions.ENVIRONMENT.items()]
    return page(
        "Environment variables",
        "Options on the command line take precedence.",
        table(["variable", "meaning"], [*rows, *_of_options()]),
    )


def _of_options() -> Iterator[list[str]]:
    """Yield a row per variable, with every option that it sets."""
    sets: dict[str, list[str]] = {}
    for names, command in sorted(commands.leaves(), key=lambda leaf: leaf[0]):
        for param in command.params:
            for variable in commands.variables(param):
                where = f"{code(param.opts[0])} of {code(' '.join(names))}"
                sets.setdefault(variable, []).append(where)
    for variable, places in sets.items():
        yield [code(variable), ", ".join(places)]
