"""How a run of the reference was trained: its metadata and its config under our names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from topoqa_train.errors import ConfigError
from topoqa_train.runs.legacy.fields import number

# Section and key of a config to the name in `training_parameters`; see workflows.provenance.
_RENAMED = {
    ("optimizer", "learning_rate"): "learning_rate",
    ("early_stopping", "patience"): "early_stopping_patience",
    ("edge_schema", "use_layer_norm"): "edge_layer_norm",
    ("paths", "graph"): "graph_dir",
}
_AS_THEY_ARE = ("model", "dataloader", "trainer")
_SCHEDULER = "scheduler"
# Where metadata keep what the reference trained with.
_SECTIONS = ("config", "hyperparameters", "learning_parameters", "training_parameters")


# Other spellings, of Lightning's trainer and of optimizers.
_SPELLED = {"max_epochs": "num_epochs", "epochs": "num_epochs", "lr": "learning_rate"}
_WHOLE = (
    *("num_epochs", "early_stopping_patience", "batch_size", "accumulate_grad_batches"),
    *("num_workers", "attention_head", "seed"),
)
_NUMBERS = (*_WHOLE, "learning_rate")


def config_document(files: Sequence[Path]) -> tuple[dict[str, Any], list[str]]:
    """The plain data of the first config that is there and can be read, and what is wrong.

    Nothing is checked: a config of the reference may hold keys that are unknown here.
    """
    from topoqa_train.config.yaml import reader  # ruamel takes a while to load

    faults: list[str] = []
    for file in files:
        try:
            content = reader.read_bytes(file, "config")
            return dict(reader.parse_bytes(content, file, "config").data), faults
        except ConfigError as error:
            faults.append(" ".join(" ".join([error.message, *error.details[:1]]).split()))
    return {}, faults


def parameters(metadata: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Learning parameters by the names that our own runs have; metadata are the stronger.

    What `training_parameters` of the metadata holds beyond those stays as it is written.
    """
    found = _named(config) | _named(metadata)
    for name in _SECTIONS:
        section = metadata.get(name)
        if isinstance(section, Mapping):
            found |= _named(section)
    written = metadata.get("training_parameters")
    rest = dict(written) if isinstance(written, Mapping) else {}
    return {**rest, **{name: _number(name, value) for name, value in found.items()}}


def _named(document: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in a mapping of sections, of flat keys, or of both."""
    from topoqa_train.config.legacy import FLAT_KEYS

    found: dict[str, Any] = {}
    for key, value in document.items():
        if key in FLAT_KEYS:
            _put(found, *FLAT_KEYS[key], value)
        elif key in _SPELLED:
            _put(found, "trainer", key, value)
        elif isinstance(value, Mapping):
            for name, item in value.items():
                _put(found, key, str(name), item)
    return found


def _put(found: dict[str, Any], section: str, key: str, value: Any) -> None:  # noqa: ANN401
    if isinstance(value, Mapping):
        return
    key = _SPELLED.get(key, key)
    name = _RENAMED.get((section, key), key if section in _AS_THEY_ARE else None)
    if name is not None:
        found[name] = value
    elif section == _SCHEDULER:
        found[_SCHEDULER] = {**found.get(_SCHEDULER, {}), key: value}


def _number(name: str, value: Any) -> Any:  # noqa: ANN401
    """A text that holds a number as that number, where a number belongs."""
    found = number(value) if name in _NUMBERS else None
    if found is None:
        return value
    return int(found) if name in _WHOLE and found.is_integer() else found
