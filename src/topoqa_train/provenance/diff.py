"""Differences between two trainings: their configs, environments and data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from topoqa_train.config.models import TRACKERS, TrainingConfig
from topoqa_train.config.yaml.scalars import shorten
from topoqa_train.provenance.environment import Environment
from topoqa_train.runs.metadata import RunMetadata

# "asked": requested by the user; "numbers": can change results by itself; "place": can't.
Kind = Literal["asked", "numbers", "place"]

# Parts of a config that decide where data are and how long to train, but not what a step computes.
_NEUTRAL_SECTIONS = frozenset({"paths", "coverage", "early_stopping"})
_NEUTRAL_KEYS = frozenset({"trainer.num_epochs", "dataloader.num_workers"})
# Variables that decide how jobs are started and where runs are written.
_NEUTRAL_VARIABLES = ("TOPOQA_TRAIN_", "SLURM_JOB_ID")
_NEUTRAL_HOST = frozenset({"name", "system", "cores"})
_GIT = "git"
_SHORT = 12
_LONGEST = 60


@dataclass(frozen=True)
class Difference:
    """One value that differs; None means a missing value."""

    what: str
    then: Any
    now: Any
    kind: Kind = "numbers"

    def __str__(self) -> str:
        return f"{shown(self.what)}: {shown(self.then)} then, {shown(self.now)} now"

    @property
    def warns_on_resume(self) -> bool:
        """Whether to warn when a run is resumed. A commit changes with every edit of a text."""
        return self.kind == "numbers" and self.what != _GIT

    def to_json(self) -> dict[str, Any]:
        """Return plain types, for run_metadata.json."""
        return asdict(self)


def verdict(differences: Sequence[Difference]) -> str:
    """Return what to expect of the results, in one sentence."""
    kinds = {each.kind for each in differences}
    if not kinds:
        return "No recorded difference: with the same data, results should be equal."
    if "asked" in kinds:
        return "Results are not expected to be equal."
    if "numbers" in kinds:
        return "Results may differ."
    return "None of these affects results: they should be equal, epoch by epoch."


def on_one_line(differences: Sequence[Difference]) -> str:
    """Return all differences for the middle of a sentence."""
    return "; ".join(map(str, differences))


def relevant_config(config: TrainingConfig) -> dict[str, Any]:
    """Return the sections that affect results, for run_metadata.json; they hold no address."""
    return config.model_dump(mode="json", exclude={*TRACKERS, "logging", "reference"})


def of_config(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Compare two `relevant_config`, by dotted keys."""
    # Flat, so that a key of one version that another does not know is a difference, not an error.
    changed = _changed(flat(then), flat(now))
    return [Difference(key, one, other, _kind_of_key(key)) for key, one, other in changed]


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a config's sections by dotted keys."""
    return {
        f"{section}.{key}": value
        for section, values in config.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
    }


def _kind_of_key(key: str) -> Kind:
    neutral = key.partition(".")[0] in _NEUTRAL_SECTIONS or key in _NEUTRAL_KEYS
    return "place" if neutral else "asked"


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in {**then, **now}:
        if then.get(name) != now.get(name):
            yield name, then.get(name), now.get(name)


def of_environment(then: RunMetadata, now: Environment) -> list[Difference]:
    """Compare the recorded environment of a run with `now`; skip what was not recorded."""
    found = []
    if then.versions:
        found += [Difference(*each) for each in _changed(then.versions, now.versions)]
    if None not in (then.code, now.code) and then.code != now.code:
        found.append(Difference("the program's own code", _short(then.code), _short(now.code)))
    if _commit(then.git) != _commit(now.git):
        found.append(Difference(_GIT, _commit(then.git), _commit(now.git)))
    found += _of_host(then.host, now.host)
    if then.environment:
        found += [
            Difference(*each)
            for each in sorted(_changed(then.environment, now.environment))
            if not each[0].startswith(_NEUTRAL_VARIABLES)
        ]
    return found


def _commit(git: Mapping[str, Any] | None) -> str | None:
    if not git:
        return None
    changes = f" with changes {_short(git.get('changes')) or ''}".rstrip()
    return f"{_short(git.get('commit'))}{changes if git.get('dirty') else ''}"


def _of_host(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in then:
        # Before the training process runs, its device is not known.
        if name in now and then[name] != now[name]:
            kind: Kind = "place" if name in _NEUTRAL_HOST else "numbers"
            yield Difference("host" if name == "name" else name, then[name], now[name], kind)


def of_data(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Compare two `data` sections of run_metadata.json; nothing if `then` has no fingerprint."""
    if then.get("fingerprint") in (None, now.get("fingerprint")):
        return []
    one, other = _mapping(then.get("fingerprints")), _mapping(now.get("fingerprints"))
    found = [
        Difference(f"hash of the {name}", _short(before), _short(after))
        for name, before, after in _changed(one, other)
        if name in one  # an older run has one hash for both
    ]
    if then.get("graphs") != now.get("graphs"):
        found.append(Difference("graphs in each split", then.get("graphs"), now.get("graphs")))
    whole = _short(then["fingerprint"]), _short(now.get("fingerprint"))
    return found or [Difference("hash of the data", *whole)]


def of_data_files(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Compare the paths in two `data` sections of run_metadata.json, by the config's keys."""
    files = [
        {
            "paths.graph": data.get("graph"),
            **{f"paths.{key}_labels": path for key, path in _mapping(data.get("labels")).items()},
        }
        for data in (then, now)
    ]
    return [Difference(*each, "place") for each in _changed(*files)]


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, Mapping) else {}


def _short(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    return None if value is None else str(value)[:_SHORT]


def shown(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a value as one short line; it may come from an untrusted file."""
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        text = ", ".join(f"{name} {item}" for name, item in value.items())
    else:
        text = value if isinstance(value, str) else json.dumps(value)
    return shorten(text if text.isprintable() else json.dumps(text), _LONGEST)
