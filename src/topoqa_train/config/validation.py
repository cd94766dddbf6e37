"""Pydantic's verdicts in our own words, laid to who wrote the value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from topoqa_train.config.models import NEEDED_PATHS, SECTIONS, Section
from topoqa_train.config.yaml.reader import Location
from topoqa_train.config.yaml.scalars import described
from topoqa_train.config.yaml.tree import Draft
from topoqa_train.errors import Problem
from topoqa_train.suggest import did_you_mean

Model = TypeVar("Model", bound=BaseModel)
_Say = Callable[[Any, dict[str, Any]], str]


def _bound(words: str, name: str) -> _Say:
    return lambda value, ctx: f"has to be {words} {described(ctx[name])}, not {described(value)}"


def _is_no(kind: str) -> _Say:
    return lambda value, ctx: f"{described(value)} is not {kind}"  # noqa: ARG005


_MAPPING = _is_no("a mapping (`key: value` lines)")
_WORDS: dict[str, _Say] = {
    "missing": lambda value, ctx: "is missing",  # noqa: ARG005
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("below", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "float_type": _is_no("a number"),
    "int_type": _is_no("a whole number"),
    "int_from_float": _is_no("a whole number"),
    "bool_type": _is_no("true or false"),
    "string_type": _is_no("text; put it in quotes if it is meant so"),
    "string_too_short": lambda value, ctx: "is empty",  # noqa: ARG005
    "path_type": _is_no("a path"),
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "list_type": _is_no("a list"),
    "tuple_type": _is_no("a list"),
    "too_short": lambda value, ctx: "needs at least one entry",  # noqa: ARG005
}


def validate(
    model: type[Model], draft: Draft, at: Location = ()
) -> tuple[Model | None, list[Problem]]:
    """The model of what stands at `at` in `draft`, or None and all that is wrong with it."""
    try:
        return model.model_validate(draft.get(at)), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, list(
            dict.fromkeys(
                _problem(draft, model, (*at, *detail["loc"]), detail) for detail in details
            )
        )


def _problem(
    draft: Draft, model: type[BaseModel], location: Location, detail: ErrorDetails
) -> Problem:
    # A union's verdicts end in the names of its members, which stand nowhere in the file.
    while len(location) > 1 and detail["type"] != "missing" and _stands_nowhere(draft, location):
        location = location[:-1]
    if detail["type"] == "no_data":
        return _no_data(draft, location, detail["ctx"]["missing"])
    return draft.problem(location, _message(model, detail, draft.get(location)))


def _no_data(draft: Draft, location: Location, missing: list[str]) -> Problem:
    gaps, needed = (
        [draft.names.get((*location, name), name) for name in names]
        for names in (missing, NEEDED_PATHS)
    )
    message = f"{_and(gaps)} {'is' if len(gaps) == 1 else 'are'} missing; give {_and(needed)}"
    if draft.names:  # a flat file has no key to lay it to, and no data set to name
        return Problem(message, file=draft.places[()].file)
    return draft.problem(location, f"{message}, or dataset")


def _and(names: list[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _stands_nowhere(draft: Draft, location: Location) -> bool:
    holder = draft.get(location[:-1])
    if isinstance(holder, dict):
        return location[-1] not in holder
    return not isinstance(holder, list)


def _message(model: type[BaseModel], detail: ErrorDetails, value: Any) -> str:  # noqa: ANN401
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(model, detail["loc"])
    if value is None and kind != "missing":
        return "has no value"
    if kind == "literal_error":
        known = _choices(str(context["expected"]))
        if len(known) == 1:
            return f"has to be {known[0]}, not {described(value)}"
        return f"{described(value)} is not one of {', '.join(known)}"
    say = _WORDS.get(kind)
    if say is not None:
        return say(value, context)
    # Our own validators say it themselves.
    return detail["msg"] if "text" in context else f"{described(value)} can't stand here"


def _choices(expected: str) -> list[str]:
    return [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]


def _unknown(model: type[BaseModel], location: Location) -> str:
    name = str(location[-1])
    holder = section_at(model, location[:-1])
    what = (
        "unknown section"
        if model.__name__ == "TrainingConfig" and len(location) == 1
        else "unknown key"
    )
    known = list(holder.model_fields) if holder else []
    # A plugin's own settings know nothing of a config's sections.
    sections = SECTIONS if issubclass(model, Section) else {}
    elsewhere = [
        f"{section}.{name}" for section, kind in sections.items() if name in kind.model_fields
    ]
    if name not in known and len(elsewhere) == 1 and holder in (*SECTIONS.values(), model):
        return f"{what}; did you mean '{elsewhere[0]}'?"
    return what + did_you_mean(name, known, list_known=True)


def section_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """The model that `location` inside `model` is checked by, or None where there is none."""
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
