"""In what one training's config, data and surroundings differ from another's."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from topoqa_train.config.models import TrainingConfig
from topoqa_train.config.yaml.scalars import shorten
from topoqa_train.provenance.environment import Surroundings
from topoqa_train.runs.metadata import RunMetadata

# Was asked for; can change numbers by itself; can't.
Kind = Literal["asked", "numbers", "place"]

# Of a config: how much is done and kept, and from where data are read, not what comes of them.
_NO_NUMBERS = frozenset({"paths", "coverage", "early_stopping"})
_NOR_THESE = frozenset({"trainer.num_epochs", "dataloader.num_workers"})
# How jobs are started and where runs go.
_NOT_OF_NUMBERS = ("TOPOQA_TRAIN_", "SLURM_JOB_ID")
_OF_PLACE = frozenset({"name", "system", "cores"})
_CALLED = {"name": "host"}
_GIT = "git"
_SHORT = 12
_LONGEST = 60


@dataclass(frozen=True)
class Difference:
    """One thing that is not what it was; None where there was or is none."""

    what: str
    then: Any
    now: Any
    kind: Kind = "numbers"

    def __str__(self) -> str:
        return f"{shown(self.what)}: {shown(self.then)} then, {shown(self.now)} now"

    @property
    def telling(self) -> bool:
        """Whether a run that goes on should warn of it. A commit changes with every note."""
        return self.kind == "numbers" and self.what != _GIT

    def to_json(self) -> dict[str, Any]:
        """Plain types, for run_metadata.json."""
        return {"what": self.what, "then": self.then, "now": self.now, "kind": self.kind}


def verdict(differences: Sequence[Difference]) -> str:
    """What to expect of the numbers, in a sentence."""
    kinds = {each.kind for each in differences}
    if not kinds:
        return "The same in all that is recorded: if the data are, the numbers should be equal."
    if "asked" in kinds:
        return "The numbers are not expected to be equal."
    if "numbers" in kinds:
        return "The numbers may differ."
    return "None of these makes numbers: they should be equal, epoch by epoch."


def decisive(config: TrainingConfig) -> dict[str, Any]:
    """What numbers come from in a config, for run_metadata.json; it holds no address."""
    return config.model_dump(mode="json", exclude={"mlflow", "logging", "reference"})


def of_config(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Of two `decisive` parts, by dotted keys."""
    one, other = _flat(then), _flat(now)
    return [
        Difference(key, one.get(key), other.get(key), _kind_of_key(key))
        for key in {**one, **other}
        if one.get(key) != other.get(key)
    ]


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, values in document.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
    }


def _kind_of_key(key: str) -> Kind:
    harmless = key.partition(".")[0] in _NO_NUMBERS or key in _NOR_THESE
    return "place" if harmless else "asked"


def of_surroundings(then: RunMetadata, now: Surroundings) -> list[Difference]:
    """What was recorded of a run, held against what is there now; silent on what was not."""
    found = [
        *_of_versions(then.versions, now.versions),
        *_of_code(then, now),
        *_of_git(then.git, now.git),
        *_of_host(then.host, now.host),
    ]
    if then.environment:
        found += _of_environment(then.environment, now.environment)
    return found


def _of_versions(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Difference]:
    for name in {**then, **now} if then else ():
        if then.get(name) != now.get(name):
            yield Difference(name, then.get(name), now.get(name))


def _of_code(then: RunMetadata, now: Surroundings) -> Iterator[Difference]:
    if None not in (then.code, now.code) and then.code != now.code:
        yield Difference("the program's own code", _short(then.code), _short(now.code))


def _of_git(then: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> Iterator[Difference]:
    if _commit(then) != _commit(now):
        yield Difference(_GIT, _commit(then), _commit(now))


def _commit(git: Mapping[str, Any] | None) -> str | None:
    if not git:
        return None
    changes = git.get("changes")
    uncommitted = " with changes" + (f" {_short(changes)}" if changes else "")
    return f"{_short(git.get('commit'))}{uncommitted if git.get('dirty') else ''}"


def _of_host(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in then:
        # The device is known only where the training is.
        if name in now and then[name] != now[name]:
            kind: Kind = "place" if name in _OF_PLACE else "numbers"
            yield Difference(_CALLED.get(name, name), then[name], now[name], kind)


def _of_environment(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name) and not name.startswith(_NOT_OF_NUMBERS):
            yield Difference(name, then.get(name), now.get(name))


def of_data(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Of two `data` of run_metadata.json; none where nothing was recorded."""
    if then.get("fingerprint") in (None, now.get("fingerprint")):
        return []
    one, other = _mapping(then.get("fingerprints")), _mapping(now.get("fingerprints"))
    found = [
        Difference(f"hash of the {name}", _short(one[name]), _short(other.get(name)))
        for name in one
        if one[name] != other.get(name)
    ]
    counts = Difference("graphs in each split", then.get("graphs"), now.get("graphs"))
    if counts.then != counts.now:
        found.append(counts)
    if found:
        return found
    whole = _short(then["fingerprint"]), _short(now.get("fingerprint"))
    return [Difference("hash of the data", *whole)]


def on_one_line(differences: Sequence[Difference]) -> str:
    """For the middle of a sentence."""
    return "; ".join(map(str, differences))


def without(differences: Sequence[Difference], names: Collection[str]) -> list[Difference]:
    """Those that are not called by one of `names`."""
    return [each for each in differences if each.what not in names]


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - of a file
    return value if isinstance(value, Mapping) else {}


def _short(value: Any) -> str | None:  # noqa: ANN401 - of a file
    return None if value is None else str(value)[:_SHORT]


def shown(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A value on one line; it may come from a stranger's file."""
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        text = ", ".join(f"{name} {item}" for name, item in value.items())
    else:
        text = value if isinstance(value, str) else json.dumps(value)
    text = text if text.isprintable() else json.dumps(text)
    return shorten(text, _LONGEST)
