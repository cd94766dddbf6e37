"""`plugin-api.md`: the interface for plugins, generated from `topoqa_train.api`."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from generator.markdown import code, page, paragraphs, prose, table
from topoqa_train import api, errors

_PUBLIC = "topoqa_train.api"


def render() -> str:
    """Return the page."""
    found = {name: getattr(api, name) for name in api.__all__}
    classes = {name: each for name, each in found.items() if inspect.isclass(each)}
    failures = {n for n, each in classes.items() if issubclass(each, errors.TopoqaTrainError)}
    kinds = {name: each for name, each in classes.items() if name not in failures}
    functions = {name: each for name, each in found.items() if inspect.isroutine(each)}
    rest = sorted(set(found) - set(classes) - set(functions))
    return page(
        "The plugin interface",
        f"Everything in `{_PUBLIC}`; nothing else is stable. How to use it: "
        "[Write a plugin](../how-to/write-a-plugin.md).",
        "## Functions",
        table(["function", "description"], [_row(name, each) for name, each in functions.items()]),
        "## Types",
        table(["type", "description"], [_row(name, each) for name, each in kinds.items()]),
        "## Errors",
        "Each with the exit status of a command that raises it.",
        table(
            ["error", "status", "description"],
            [
                [code(name), str(classes[name].exit_status), _first(classes[name])]
                for name in sorted(failures)
            ],
        ),
        "## Constants",
        table(["name", "value"], [[code(name), code(found[name])] for name in rest]),
    )


def _row(name: str, each: Any) -> list[str]:  # noqa: ANN401 - any object of the interface
    return [code(f"{name}{_signature(each)}"), _first(each)]


def _signature(each: Any) -> str:  # noqa: ANN401
    if inspect.isclass(each):
        fields = dataclasses.fields(each) if dataclasses.is_dataclass(each) else ()
        return f"({', '.join(field.name for field in fields)})" if fields else ""
    names = inspect.signature(each).parameters.values()
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return f"({', '.join(marks.get(each.kind, '') + each.name for each in names)})"


def _first(each: Any) -> str:  # noqa: ANN401
    if inspect.isclass(each) and each.__module__.startswith("torch_geometric."):
        return f"The class {code(f'{each.__module__}.{each.__qualname__}')}."
    text = paragraphs(inspect.getdoc(each))
    return prose(text[0]) if text else ""
