"""Render `config.md` and `manifest.md`: every key, from the models that check it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from generator.markdown import code, page, paragraphs, prose, table, yaml_value
from topoqa_train.config import manifest_models
from topoqa_train.config.legacy import FLAT_KEYS, SHARED_SECTIONS
from topoqa_train.config.models import SECTIONS

_NUMBERS = {"integer": "whole number", "number": "number"}
_PLAIN = {"string": "text", "boolean": "true or false", "object": "mapping", "array": "list"}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def render_config() -> str:
    """Return the page on configs."""
    parts = [
        "YAML in sections. An unknown key, a wrong type or a number out of bounds is an error that "
        "names file, line and key; all errors of a file are reported at once. A missing section "
        "has its defaults. Paths are relative to the file that holds them, except "
        "`paths.save_dir`. Each key can be set on the command line: `-o trainer.num_epochs=10`; "
        "the value is YAML.",
    ]
    for name, model in SECTIONS.items():
        parts += [f"## {name}", *map(prose, paragraphs(inspect.getdoc(model)))]
        parts.append(_table(model))
    return page("Config", *parts, *_flat())


def render_manifest() -> str:
    """Return the page on manifests."""
    top = manifest_models.ManifestEntry
    parts = [
        "A YAML list of jobs. Relative paths start from the manifest's folder. Order of strength: "
        "config, then `shared`, then the job, then `-o` on the command line.",
        "## The top level",
        _table(top),
    ]
    entries: dict[str, type[BaseModel]] = {
        "shared": manifest_models.SharedEntry,
        "jobs": manifest_models.JobEntry,
        "fine_tune.phase1": manifest_models.PhaseOneEntry,
        "fine_tune.phase2": manifest_models.PhaseTwoEntry,
    }
    for name, model in entries.items():
        parts += [f"## {name}", *map(prose, paragraphs(inspect.getdoc(model)))]
        parts.append(_table(model))
    return page("Manifest", *parts)


def _table(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()["properties"]
    rows = [
        [code(name), kind(schema[name]), _default(field), _meaning(model, name, field)]
        for name, field in model.model_fields.items()
    ]
    return table(["key", "type", "default", "meaning"], rows)


def _meaning(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    if not field.description:
        raise RuntimeError(f"{model.__name__}.{name} has no description")
    return prose(field.description)


def kind(schema: Mapping[str, Any]) -> str:
    """Return the type in a JSON Schema in words; the default shows whether a key is optional."""
    if "anyOf" in schema:
        kinds = [kind(part) for part in schema["anyOf"] if part.get("type") != "null"]
        whole = {"whole number"} if "number" in kinds else set()
        return " or ".join(name for name in dict.fromkeys(kinds) if name not in whole)
    if isinstance(schema.get("type"), list):
        return kind({**schema, "type": schema["type"][0]})
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join(code(value) for value in schema["enum"])
    if schema.get("format") == "path":
        return "path"
    if schema.get("type") in _NUMBERS:
        return ", ".join([_NUMBERS[schema["type"]], *_bounds(schema)])
    if schema.get("type") == "array" and "items" in schema and schema["items"]:
        return f"list ({kind(schema['items'])})"
    return _PLAIN.get(str(schema.get("type")), "mapping")


def _bounds(schema: Mapping[str, Any]) -> list[str]:
    if {"minimum", "maximum"} <= set(schema):
        return [f"{_number(schema['minimum'])} to {_number(schema['maximum'])}"]
    return [
        words.format(_number(schema[name])) for name, words in _BOUNDS.items() if name in schema
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value == int(value) else f"{value:g}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "" if value is PydanticUndefined else yaml_value(value)


def _flat() -> list[str]:
    rows = [[code(key), code(".".join(FLAT_KEYS[key]))] for key in sorted(FLAT_KEYS)]
    names = ", ".join(code(name) for name in SHARED_SECTIONS)
    return [
        "## Flat configs of the previous pipeline",
        "The one-level layout of the previous pipeline is accepted as it is; "
        f"{names} are sections there too. A file of both layouts is an error.",
        table(["flat key", "here"], rows),
    ]
