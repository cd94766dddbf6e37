"""Write configs and other plain data as YAML that reads back to the same values."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from topoqa_train.config.models import TrainingConfig
from topoqa_train.config.yaml.scalars import resolve

# The source's comments are not carried over. The header names no file, so that a rerun, which loads
# this file as its config, writes the same bytes again.
_HEADER = "# All values in effect; original_config.yaml is the source, with its comments.\n"
_NO_FOLDING = 10**9
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z/._][A-Za-z0-9/._+-]*(?: [A-Za-z0-9/._+-]+)*")


def config_yaml(config: TrainingConfig) -> str:
    """Return `config` as YAML that loads to an equal config; every value is written out."""
    return _HEADER + dump_yaml(effective(config))


def effective(config: TrainingConfig) -> dict[str, Any]:
    """Return the values of `config` as plain data, without unset values and empty mappings."""
    sections = config.model_dump(mode="json")
    return {
        name: {key: value for key, value in section.items() if value is not None and value != {}}
        for name, section in sections.items()
        if name != "reference" or any(section.values())
    }


def dump_yaml(document: Mapping[str, Any]) -> str:
    """Return plain data (mappings, lists, text, numbers, booleans, None) as block YAML."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as None
    yaml.width = _NO_FOLDING
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


class _Representer(SafeRepresenter):
    """Quotes every text that this package or another YAML reader could take for another type."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - ruamel's signature
        # Anchors would tie together values that a user may want to change one by one.
        return True

    def represent_str(self, data: str) -> ScalarNode:
        style = None if _is_plain(data) else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Representer.add_representer(str, _Representer.represent_str)


def _is_plain(text: str) -> bool:
    try:
        is_text = isinstance(resolve(text), str)
    except ValueError:
        is_text = False
    return is_text and _NEEDS_NO_QUOTES.fullmatch(text) is not None
