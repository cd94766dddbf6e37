"""JSON Schemas of what is read and printed, and `documents.md`, which tells the same to people."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from generator.markdown import code, page, paragraphs, prose, table
from topoqa_train.config.schema import (
    CONFIG_FILE,
    MANIFEST_FILE,
    config_schema,
    manifest_schema,
)
from topoqa_train.views import eta, json_models

Schema = dict[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "object": "mapping",
    "null": "null",
}


class _Plain(GenerateJsonSchema):
    """Without a title for each field, which says its name once more."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 - pydantic's
        """See the base class."""
        del schema
        return False


def of_model(model: type[BaseModel], title: str) -> Schema:
    """What a document of `model` looks like when it is written; complete in itself."""
    schema = model.model_json_schema(mode="serialization", schema_generator=_Plain)
    return {"$schema": _DIALECT, **schema, "title": title}


# File under docs/reference/ to what makes its schema.
SCHEMAS: dict[str, Callable[[], Mapping[str, Any]]] = {
    "summary.schema.json": lambda: of_model(
        json_models.SummaryDocument, "what topoqa-train summarise prints"
    ),
    "monitor.schema.json": lambda: of_model(
        json_models.MonitorDocument, "what topoqa-train monitor --json prints"
    ),
    CONFIG_FILE: config_schema,
    MANIFEST_FILE: manifest_schema,
}


def render(name: str) -> str:
    """The file `name` of the table above."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


def render_page() -> str:
    """The page on the documents."""
    summary = of_model(json_models.SummaryDocument, "")
    monitor = of_model(json_models.MonitorDocument, "")
    parts: dict[str, Schema] = {**summary["$defs"], **monitor["$defs"]}
    return page(
        "JSON documents",
        "`topoqa-train summarise` prints all about one run as one JSON document, `topoqa-train "
        "monitor` its best checkpoint, and with `--follow` one such document a line. Every field "
        "is there in every document; what has no value is null, and so is a NaN. Schemas: "
        "{download}`summary.schema.json`, {download}`monitor.schema.json`.",
        "## summarise",
        _fields(summary),
        "## monitor",
        _fields(monitor),
        *[text for name in sorted(parts) for text in _part(name, parts[name])],
        "## How times are estimated",
        *_estimates(),
    )


def _part(name: str, schema: Schema) -> list[str]:
    told = [prose(text) for text in paragraphs(schema.get("description"))]
    rows = [_fields(schema)] if "properties" in schema else [_kind(schema)]
    return [f"## {name}", *told, *rows]


def _fields(schema: Schema) -> str:
    rows = [
        [code(name), _kind(field), prose(field["description"])]
        for name, field in schema["properties"].items()
    ]
    return table(["field", "type", "holds"], rows)


def _kind(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " or ".join(map(code, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    values = schema.get("additionalProperties")
    if schema.get("type") == "object" and isinstance(values, dict):
        return f"mapping to {_kind(values)}"
    return _WORDS[schema["type"]]


def _estimates() -> list[str]:
    """The docstring of the module that estimates: prose, and formulae as they stand."""
    _, *blocks = (inspect.getdoc(eta) or "").split("\n\n")
    return [
        f"```text\n{dedent(block)}\n```" if block.startswith("  ") else prose(block)
        for block in blocks
    ]
