"""Render JSON Schemas of files and printed documents, and `documents.md`, which explains them."""

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


class _WithoutTitles(GenerateJsonSchema):
    """Schemas without titles of fields, which would only repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 - pydantic's
        """See the base class."""
        del schema
        return False


def of_model(model: type[BaseModel], title: str) -> Schema:
    """Return the self-contained schema of a written document of `model`."""
    schema = model.model_json_schema(mode="serialization", schema_generator=_WithoutTitles)
    return {"$schema": _DIALECT, **schema, "title": title}


# Each file under docs/reference/ and the function that returns its schema.
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
    """Return the content of the file `name` of `SCHEMAS`."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


def render_page() -> str:
    """Return the page on the documents."""
    summary = of_model(json_models.SummaryDocument, "")
    monitor = of_model(json_models.MonitorDocument, "")
    parts: dict[str, Schema] = {**summary["$defs"], **monitor["$defs"]}
    return page(
        "JSON documents",
        "`topoqa-train summarise` prints everything about one run as one JSON document, "
        "`topoqa-train monitor` its best checkpoint, and with `--follow` one such document in each "
        "line. Every document has every field; a field without a value, and NaN, is null. Schemas: "
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
    description = [prose(text) for text in paragraphs(schema.get("description"))]
    rows = [_fields(schema)] if "properties" in schema else [_kind(schema)]
    return [f"## {name}", *description, *rows]


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
    """Return the docstring of the module that estimates times: prose, and formulae unchanged."""
    _, *blocks = (inspect.getdoc(eta) or "").split("\n\n")
    return [
        f"```text\n{dedent(block)}\n```" if block.startswith("  ") else prose(block)
        for block in blocks
    ]
