"""What a YAML config and a manifest may hold, as JSON Schema, so that editors complete them.

Made from the models that check the files. Draft 7, which editors know best. A schema sees one file
alone: whether paths exist, names of jobs repeat or a config that a manifest names is valid, only
the loader knows; and it takes `16.0` for a whole number, as JSON does.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel

from topoqa_train.config import manifest_models as manifest
from topoqa_train.config.legacy import FLAT_KEYS, MAY_BE_EMPTY, SHARED_SECTIONS
from topoqa_train.config.models import NEEDED_PATHS, SECTIONS

Schema = dict[str, Any]
CONFIG_FILE = "config.schema.json"
MANIFEST_FILE = "manifest.schema.json"
MODELINE = "# yaml-language-server: $schema="
_DRAFT = "http://json-schema.org/draft-07/schema#"
_TEXT: Schema = {"type": "string"}
_FREE = "additionalProperties"


def config_schema() -> Schema:
    """The schema of a config of either layout: sections, or the flat keys of the reference.

    A file is taken for flat, as the loader does, where it has one of the flat keys.
    """
    return {
        "$schema": _DRAFT,
        "title": "topoqa-train config",
        "description": "One training, in sections. The reference's flat configs are taken too.",
        "type": "object",
        "if": {"anyOf": [{"required": [key]} for key in FLAT_KEYS]},
        "then": {"$ref": "#/definitions/flat"},
        "else": {"$ref": "#/definitions/sections"},
        "definitions": {"sections": _sections(), "flat": _flat()},
    }


def manifest_schema() -> Schema:
    """The schema of a manifest."""
    top = _of_model(manifest.ManifestEntry)
    shared, job = _of_model(manifest.SharedEntry), _of_model(manifest.JobEntry)
    for entry in (shared, job):
        entry["properties"]["overrides"] = {"$ref": "#/definitions/overrides"}
    top["properties"]["shared"] |= _nullable(shared)
    top["properties"]["jobs"]["items"] = job
    top["properties"]["fine_tune"] |= _nullable(_of_model(manifest.FineTuneEntry))
    return {
        "$schema": _DRAFT,
        "title": "topoqa-train manifest",
        **top,
        "description": "Jobs of a sweep, what they share, and how the best is fine-tuned. "
        "Order of strength: config, shared, job, command line.",
        # A job takes its config from `shared`, where that has one.
        "if": {"not": _with_text({"shared": _with_text({"config": _TEXT})})},
        "then": {"properties": {"jobs": {"items": _with_text({"config": _TEXT})}}},
        "definitions": {"overrides": _overrides()},
    }


def as_text(schema: Schema) -> str:
    """A schema as the text of its file."""
    return json.dumps(schema, indent=2) + "\n"


def _with_text(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _sections() -> Schema:
    """The layout of sections; one that holds nothing has its defaults, `paths` has none."""
    sections = {name: _of_model(model) for name, model in SECTIONS.items()}
    paths = sections.pop("paths")
    needed = [_with_text({"dataset": _TEXT}), _with_text(dict.fromkeys(NEEDED_PATHS, _TEXT))]
    properties = {"paths": {**paths, "anyOf": needed}}
    properties |= {name: _nullable(section) for name, section in sections.items()}
    return {"type": "object", "required": ["paths"], "properties": properties, _FREE: False}


def _flat() -> Schema:
    """The reference's layout of one level."""
    properties = {key: _key(*where) for key, where in FLAT_KEYS.items()}
    needed = [key for key, where in FLAT_KEYS.items() if where in _needed()]
    for key in needed:
        properties[key] = {**properties[key], "type": "string"}
    shared = {name: _nullable(_of_model(SECTIONS[name])) for name in SHARED_SECTIONS}
    # What else is declared of edges is kept for the record.
    shared["edge_schema"][_FREE] = True
    return {
        "description": "The reference's flat layout.",
        "type": "object",
        "required": needed,
        "properties": properties | shared,
        _FREE: False,
    }


def _needed() -> list[tuple[str, str]]:
    return [("paths", name) for name in NEEDED_PATHS]


def _key(section: str, name: str) -> Schema:
    """What a flat key takes; some may be left without a value."""
    schema: Schema = _of_model(SECTIONS[section])["properties"][name]
    return _nullable(schema) if section in MAY_BE_EMPTY else schema


def _overrides() -> Schema:
    """Values over a config: sections of some keys, or dotted keys."""
    properties: dict[str, Schema] = {}
    patterns: dict[str, Schema] = {}
    for name, model in SECTIONS.items():
        section = _of_model(model)
        properties[name] = _nullable(section)
        for key, schema in section["properties"].items():
            properties[f"{name}.{key}"] = schema
            if isinstance(schema.get(_FREE), bool | dict):
                patterns[rf"^{re.escape(f'{name}.{key}')}\..+"] = schema[_FREE]
    return {
        "description": "Values over the config: dotted keys (trainer.num_epochs: 10), or sections "
        "as in a config.",
        "type": ["object", "null"],
        "properties": properties,
        "patternProperties": patterns,
        _FREE: False,
    }


def _nullable(schema: Schema) -> Schema:
    """`schema` that a key with nothing after it satisfies too."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    return {**schema, "type": [*dict.fromkeys([*kinds, "null"])]}


def _of_model(model: type[BaseModel]) -> Schema:
    """The schema of one model: no titles, no references."""
    whole = model.model_json_schema()
    parts: dict[str, Schema] = whole.pop("$defs", {})
    schema: Schema = _plain(whole, parts)
    return schema


def _plain(node: Any, parts: dict[str, Schema]) -> Any:  # noqa: ANN401 - any part of a schema
    if isinstance(node, list):
        return [_plain(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        part = parts[str(node["$ref"]).rpartition("/")[2]]
        node = {**part, **{key: value for key, value in node.items() if key != "$ref"}}
    schema = {
        key: {name: _plain(item, parts) for name, item in value.items()}
        if key == "properties"
        else _plain(value, parts)
        for key, value in node.items()
        if key != "title" and not (key == "default" and value is None)
    }
    if isinstance(text := schema.get("description"), str):
        # Editors show it as plain text, in one piece.
        schema["description"] = " ".join(text.replace("`", "").split())
    if schema.get("format") == "path":
        del schema["format"]
        schema["pattern"] = r"\S"
    return _joined(schema)


def _joined(schema: Schema) -> Schema:
    """`X or null` as X of two types: editors explain that better than a choice."""
    match schema.get("anyOf"):
        case [{"type": str()} as only, {"type": "null"}]:
            rest = {key: value for key, value in schema.items() if key != "anyOf"}
            return {**_nullable(only), **rest}
    return schema
