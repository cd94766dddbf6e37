"""JSON Schemas (draft 7) of configs and manifests, so that editors complete and check them.

Made from the models that check the files. A schema sees one file alone: only the loader knows
whether paths exist, names of jobs repeat, or a config that a manifest names is valid; and a schema
accepts `16.0` as a whole number, as JSON does.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from topoqa_train.config.legacy import FLAT_KEYS, MAY_BE_EMPTY, SHARED_SECTIONS
from topoqa_train.config.manifest_models import ManifestEntry
from topoqa_train.config.models import NEEDED_PATHS, SECTIONS, TrainingConfig

Schema = dict[str, Any]
CONFIG_FILE = "config.schema.json"
MANIFEST_FILE = "manifest.schema.json"
MODELINE = "# yaml-language-server: $schema="
_DIALECT = "http://json-schema.org/draft-07/schema#"
_TEXT: Schema = {"type": "string"}
_FREE = "additionalProperties"


def config_schema() -> Schema:
    """Return the schema of a config: sections, or the flat keys of the previous pipeline."""
    sections = _of_model(TrainingConfig)
    definitions = sections.pop("$defs")
    needed = [_with_text({"dataset": _TEXT}), _with_text(dict.fromkeys(NEEDED_PATHS, _TEXT))]
    paths = definitions["PathsConfig"]
    sections["properties"]["paths"] = {**paths, "type": "object", "anyOf": needed}
    return {
        "$schema": _DIALECT,
        "title": "topoqa-train config",
        "description": "One training, in sections or as a flat config of the previous pipeline.",
        "type": "object",
        # As in the loader, one flat key makes a config flat.
        "if": {"anyOf": [{"required": [key]} for key in FLAT_KEYS]},
        "then": _ref("Flat"),
        "else": _ref("Sections"),
        "$defs": {"Sections": sections, "Flat": _flat(definitions), **definitions},
    }


def manifest_schema() -> Schema:
    """Return the schema of a manifest."""
    schema = _of_model(ManifestEntry)
    definitions = schema["$defs"]
    for name in ("SharedEntry", "JobEntry"):
        definitions[name]["properties"]["overrides"] = _ref("Overrides")
    config = _of_model(TrainingConfig)["$defs"]
    needs_config = _with_text({"config": _TEXT})
    return {
        "$schema": _DIALECT,
        "title": "topoqa-train manifest",
        **schema,
        # A job needs a config if `shared` has none.
        "if": {"not": _with_text({"shared": needs_config})},
        "then": {"properties": {"jobs": {"items": needs_config}}},
        "$defs": {**definitions, "Overrides": _overrides(config), **config},
    }


def as_text(schema: Schema) -> str:
    """Return a schema as the text of its file."""
    return json.dumps(schema, indent=2) + "\n"


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _with_text(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _flat(definitions: dict[str, Schema]) -> Schema:
    """Return the schema of the previous pipeline's layout of one level."""
    properties: dict[str, Schema] = {}
    for key, (section, name) in FLAT_KEYS.items():
        schema = definitions[SECTIONS[section].__name__]["properties"][name]
        if section in MAY_BE_EMPTY and name not in NEEDED_PATHS:
            schema = _nullable(schema)
        elif name in NEEDED_PATHS:
            schema = {**schema, "type": "string"}
        properties[key] = schema
    for name in SHARED_SECTIONS:
        properties[name] = _ref(SECTIONS[name].__name__)
    # Keys of the edge schema that have no effect are kept for the record.
    edges = definitions[SECTIONS["edge_schema"].__name__]
    properties["edge_schema"] = {**edges, _FREE: True}
    return {
        "description": "The flat layout of the previous pipeline.",
        "type": "object",
        "required": [key for key, (_, name) in FLAT_KEYS.items() if name in NEEDED_PATHS],
        "properties": properties,
        _FREE: False,
    }


def _overrides(definitions: dict[str, Schema]) -> Schema:
    """Return the schema of values over a config, by section or by dotted key."""
    properties: dict[str, Schema] = {}
    patterns: dict[str, Schema] = {}
    for name, model in SECTIONS.items():
        properties[name] = _ref(model.__name__)
        for key, schema in definitions[model.__name__]["properties"].items():
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
    """Return `schema` with null allowed; editors explain a list of types better than a choice."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*dict.fromkeys([*kinds, "null"])]}


def _of_model(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema(schema_generator=_EditorSchema)
    for section in SECTIONS.values():
        # A section with nothing in it has its defaults.
        if section.__name__ in schema["$defs"]:
            schema["$defs"][section.__name__] = _nullable(schema["$defs"][section.__name__])
    return schema


class _EditorSchema(GenerateJsonSchema):
    """Schemas without titles and null defaults, with descriptions in one line."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002
        return False

    def model_schema(self, schema: Any) -> Schema:  # noqa: ANN401
        result = super().model_schema(schema)
        result.pop("title", None)
        result["description"] = " ".join(result["description"].split())
        return result

    def nullable_schema(self, schema: Any) -> Schema:  # noqa: ANN401
        result = self.generate_inner(schema["schema"])
        return _nullable(result) if "type" in result else super().nullable_schema(schema)

    def default_schema(self, schema: Any) -> Schema:  # noqa: ANN401
        result = super().default_schema(schema)
        return {k: v for k, v in result.items() if k != "default" or v is not None}
