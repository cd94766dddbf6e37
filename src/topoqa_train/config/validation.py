"""Check a tree of values against a pydantic model; errors name where each value was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from topoqa_train.config.models import NEEDED_PATHS, SECTIONS, Section
from topoqa_train.config.yaml.reader import Location
from topoqa_train.config.yaml.scalars import described
from topoqa_train.config.yaml.tree import Tree
from topoqa_train.errors import Problem
from topoqa_train.suggest import did_you_mean

Model = TypeVar("Model", bound=BaseModel)
_MAPPING = "should be a mapping (`key: value` lines)"
# Where pydantic's own message speaks of Python's types and not of YAML's.
_MESSAGES = {
    "missing": "is missing",
    "string_too_short": "is empty",
    "too_short": "needs at least one entry",
    "string_type": "should be text (put it in quotes)",
    "path_type": "should be a path",
    "list_type": "should be a list",
    "tuple_type": "should be a list",
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "int_from_float": "should be a valid integer",
}


def validate(
    model: type[Model], tree: Tree, at: Location = ()
) -> tuple[Model | None, list[Problem]]:
    """Validate the part of `tree` at `at`: return its model, or None and every problem."""
    try:
        return model.model_validate(tree.get(at)), []
    except ValidationError as error:
        problems = (
            _problem(tree, model, (*at, *detail["loc"]), detail)
            for detail in error.errors(include_url=False)
        )
        # A union reports an error for each of its members, here all with the same location.
        return None, list(dict.fromkeys(problems))


def _problem(
    tree: Tree, model: type[BaseModel], location: Location, detail: ErrorDetails
) -> Problem:
    # For a union pydantic adds the member's name to the location; no file has a key of that name.
    while len(location) > 1 and detail["type"] != "missing" and not tree.has(location):
        location = location[:-1]
    if detail["type"] == "no_data":
        return _no_data(tree, location, detail["ctx"]["missing"])
    return tree.problem(location, _message(model, detail, tree.get(location)))


def _no_data(tree: Tree, location: Location, missing: list[str]) -> Problem:
    gaps, needed = (
        ", ".join(tree.names.get((*location, name), name) for name in names)
        for names in (missing, NEEDED_PATHS)
    )
    message = f"missing: {gaps}; give {needed}"
    if tree.names:  # A flat file has no section to name, and no data set.
        return Problem(message, file=tree.places[()].file)
    return tree.problem(location, f"{message}, or dataset")


def _message(model: type[BaseModel], detail: ErrorDetails, value: Any) -> str:  # noqa: ANN401
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown(model, detail["loc"])
    if value is None and kind != "missing":
        return "has no value"
    message = _MESSAGES.get(kind) or detail["msg"].replace("Input should be", "should be")
    if not message.startswith("should be"):
        return message
    if kind != "literal_error" and kind not in _MESSAGES:
        message = message.partition(", unable")[0]
    return f"{message}, not {described(value)}"


def _unknown(model: type[BaseModel], location: Location) -> str:
    name = str(location[-1])
    holder = _model_at(model, location[:-1])
    is_section = model.__name__ == "TrainingConfig" and len(location) == 1
    what = "unknown section" if is_section else "unknown key"
    known = list(holder.model_fields) if holder else []
    # The settings of a plugin have no keys of a config's sections.
    sections = SECTIONS if issubclass(model, Section) else {}
    elsewhere = [
        f"{section}.{name}" for section, kind in sections.items() if name in kind.model_fields
    ]
    # The most common mistake is a key in the wrong section, so that guess comes first.
    if name not in known and len(elsewhere) == 1 and holder in (*SECTIONS.values(), model):
        return f"{what}; did you mean '{elsewhere[0]}'?"
    return what + did_you_mean(name, known, list_known=True)


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """Return the model that checks `location` inside `model`, or None if no model does."""
    here: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or here is None:
            continue
        field = here.model_fields.get(part)
        here = next(_models_in(field.annotation), None) if field else None
    return here


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
