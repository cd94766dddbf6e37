"""What is known of each graph of a folder: `graph_metadata.json` and the journal behind it.

A record enters the journal, a line at a time, right after its graph is on the disk; the metadata
file is written from all records at the end. A build that was killed has lost nothing: the next
one reads the journal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topoqa_graphs.features import EDGE_COLUMNS, NODE_COLUMNS, GraphArrays, parameters
from topoqa_train.api import DataError, append_line, notify, read_json, write_json, write_text

# Raised whenever the same structure would give other numbers.
BUILDER_VERSION = 1
BUILDER = {"name": "topoqa-graphs", "version": BUILDER_VERSION}
GRAPHS = "graph_data"
METADATA = "graph_metadata.json"
SUMMARY = "graph_builder_summary.json"
LABELS = "labels.csv"
_JOURNAL = ".graph_build.jsonl"
_MODULES = {
    "interface": "topoqa_graphs.features",
    "rasa": "topoqa_graphs.surface",
    "angles": "topoqa_graphs.backbone",
    "secondary_structure": "topoqa_graphs.backbone",
    "amino_acids": "topoqa_graphs.features",
    "topology": "topoqa_graphs.topology",
    "edges": "topoqa_graphs.features",
}

Record = dict[str, Any]


def variant(compat: bool) -> str:
    """Return the name of the edge features: the only ones with two definitions."""
    return "topoqa-xyy-published" if compat else "topoqa-xyz"


def stamp(source: str, partners: str | None, compat: bool) -> Record:
    """Return what determines whether a graph is still valid; `source` is a SHA-256."""
    return {
        "builder": BUILDER,
        "source_sha256": source,
        "partners": partners,
        "edge_feature_variant": variant(compat),
    }


def record(arrays: GraphArrays, file: str, stamped: Record, compat: bool) -> Record:
    """Return the metadata of one graph."""
    every = parameters(compat)
    return {
        "edge_metadata": {
            "feature_dim": len(EDGE_COLUMNS),
            "edge_feature_variant": variant(compat),
            "bands": every["edges"]["bands"],
            "columns": list(EDGE_COLUMNS),
        },
        "edge_module": _MODULES["edges"],
        "edge_params": every["edges"],
        "node_feature_columns": list(NODE_COLUMNS),
        "node_params": {name: value for name, value in every.items() if name != "edges"},
        "residues": [str(key) for key in arrays.residues],
        "left_out": {str(key): why for key, why in arrays.left_out},
        "notes": list(arrays.notes),
        "source": file,
        "stamp": stamped,
    }


@dataclass
class Ledger:
    """The records of one output folder, by MODEL."""

    out: Path
    records: dict[str, Record] = field(default_factory=dict)

    @classmethod
    def open(cls, out: Path) -> Ledger:
        """Read the metadata and what a killed build left in the journal."""
        ledger = cls(out, _read_metadata(out / METADATA))
        for model, entry in _read_journal(out / _JOURNAL):
            if entry is None:
                ledger.records.pop(model, None)
            else:
                ledger.records[model] = entry
        return ledger

    def graph(self, model: str) -> Path:
        """Where the graph of `model` lies."""
        return self.out / GRAPHS / f"{model}.pt"

    def is_current(self, model: str, stamped: Record) -> bool:
        """Whether the graph is there and was built from just this."""
        known = self.records.get(model)
        return known is not None and known.get("stamp") == stamped and self.graph(model).is_file()

    def score(self, model: str) -> Record:
        """Return the recorded DockQ: the values, or the problem; empty if never computed."""
        return self.records.get(model, {}).get("dockq") or {}

    def add(self, model: str, entry: Record) -> None:
        """Note a graph that is on the disk."""
        self.records[model] = entry
        append_line(self.out / _JOURNAL, json.dumps({model: entry}, allow_nan=False))

    def drop(self, model: str) -> None:
        """Remove a graph that no longer matches its structure."""
        self.graph(model).unlink(missing_ok=True)
        if self.records.pop(model, None) is not None:
            append_line(self.out / _JOURNAL, json.dumps({model: None}))

    def write(self) -> None:
        """Write the metadata of the graphs that are there, and be done with the journal."""
        there = {m: entry for m, entry in sorted(self.records.items()) if self.graph(m).is_file()}
        lines = (
            f"{json.dumps(model)}: {json.dumps(entry, allow_nan=False)}"
            for model, entry in there.items()
        )
        write_text(self.out / METADATA, "{\n" + ",\n".join(lines) + "\n}\n")
        (self.out / _JOURNAL).unlink(missing_ok=True)


def write_summary(out: Path, compat: bool, counts: Mapping[str, int]) -> None:
    """Write the builder's summary: which module made what, with which parameters."""
    from importlib.metadata import version

    every = parameters(compat)
    document = {
        "builder": BUILDER,
        "modules": {
            name: {"module": module, "params": every[name]} for name, module in _MODULES.items()
        },
        "edge_feature_variant": variant(compat),
        "node_feature_dim": len(NODE_COLUMNS),
        "edge_feature_dim": len(EDGE_COLUMNS),
        "graphs": dict(counts),
        "versions": {
            name: version(name) for name in ("gemmi", "gudhi", "mdtraj", "numpy", "scipy")
        },
    }
    write_json(out / SUMMARY, document)


def _read_metadata(path: Path) -> dict[str, Record]:
    if not path.exists():
        return {}
    try:
        document = read_json(path)
    except DataError as error:
        notify(f"{error.message}; every graph is built again")
        return {}
    return {model: entry for model, entry in document.items() if _is_ours(entry)}


def _read_journal(path: Path) -> Iterator[tuple[str, Record | None]]:
    """Entries of whole lines; a kill may have cut one short, also in the midst of the journal."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        try:
            entries = json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            continue
        if isinstance(entries, dict):
            for model, entry in entries.items():
                if entry is None or _is_ours(entry):
                    yield model, entry


def _is_ours(entry: object) -> bool:
    """Whether a record has what is looked at later; another one is built again."""
    score = entry.get("dockq") or {} if isinstance(entry, dict) else None
    if not isinstance(score, dict) or not isinstance(score.get("problem", ""), str):
        return False
    return isinstance(score.get("dockq", 0.0), int | float)


def _no_constant(name: str) -> float:
    raise ValueError(name)
