"""Checkpoint files: written atomically, read without running code, linked by rank.

A checkpoint is one `torch.save` of tensors and JSON types. Keys that Lightning also has keep
Lightning's names, so that other tools find `state_dict` and `epoch`.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from topoqa_train import atomic
from topoqa_train.config.yaml.scalars import shorten
from topoqa_train.errors import RequestError
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import LINKS, SELECTION, VAL_LOSS, Ranking
from topoqa_train.training import safe_load
from topoqa_train.training.checkpoints import schema
from topoqa_train.training.safe_load import ForbiddenGlobalError, InvalidFileError, Limits

FORMAT = "topoqa-train/1"
PATTERN = "checkpoint.*.chkpt"
# Enough for some ten thousand tensors with their optimizer states; their bytes count as file only.
LIMITS = Limits(file_bytes=2**33, pickle_bytes=2**24, instructions=2**20)
_OTHER_LINKS = tuple(f"best_{metric}.ckpt" for metric in (VAL_LOSS, SELECTION))


@dataclass
class Progress:
    """Progress of a training without tensors: all that the decisions of an epoch depend on."""

    epochs_done: int = 0
    global_step: int = 0
    ranking: Ranking = field(default_factory=lambda: Ranking(VAL_LOSS))
    # Early stopping: the best value so far by the ranking metric, and epochs since it.
    stopping_best: float | None = None
    stopping_wait: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON types; see `from_json`."""
        return {**asdict(self), "ranking": self.ranking.to_json()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Progress:
        """Return the progress that `to_json` wrote."""
        return cls(**{**document, "ranking": Ranking.from_json(document["ranking"])})


@dataclass(frozen=True)
class NetworkIdentity:
    """What two networks must have in common to exchange weights; JSON types only."""

    architecture: str
    options: dict[str, Any]
    node_dim: int
    edge_dim: int

    def differences(self, other: NetworkIdentity) -> list[str]:
        """Return a line for each differing key, with both values."""
        mine, theirs = asdict(self), asdict(other)
        flat = {**mine.pop("options"), **mine}
        flat_other = {**theirs.pop("options"), **theirs}
        return [
            f"{key}: {_value(flat, key)} in the checkpoint, {_value(flat_other, key)} in the config"
            for key in sorted({*flat, *flat_other})
            if flat.get(key) != flat_other.get(key)
        ]


def serialise(document: dict[str, Any]) -> bytes:
    """Return the bytes of a checkpoint file."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **document}, buffer)
    return buffer.getvalue()


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint of this program with all that resuming needs.

    Raises:
        RequestError: the file does not exist, is damaged, would run code, is of another program,
            or is incomplete.
    """
    document = read_any(path)
    if not is_ours(document):
        raise RequestError(f"{path} is not a checkpoint of topoqa-train")
    schema.check(schema.Whole, document, path)
    return document


def read_weights(path: Path) -> dict[str, Any]:
    """Read any checkpoint for its weights; one of this program identifies their network."""
    document = read_any(path)
    if is_ours(document):
        schema.check(schema.Weights, document, path)
    return document


def is_ours(document: dict[str, Any]) -> bool:
    """Return whether this program wrote a checkpoint, so that it has more than weights."""
    return bool(document.get("format") == FORMAT)


def read_any(path: Path) -> dict[str, Any]:
    """Read any checkpoint of tensors and plain types, on the CPU; raise `RequestError`."""
    try:
        document = safe_load.load(path, LIMITS)
        safe_load.check_values(document)
    except ForbiddenGlobalError as error:
        raise RequestError(
            f"{path} is refused: it holds '{error}', which would run code when read",
            hint="A checkpoint may hold only tensors, numbers, text, lists and dicts.",
        ) from None
    except InvalidFileError as error:
        raise RequestError(
            f"{path} is damaged or not a checkpoint: {error}",
            hint="Take another one, or copy it again.",
        ) from error
    except FileNotFoundError:
        raise RequestError(f"there is no checkpoint {path}") from None
    except OSError as error:
        raise RequestError(f"the checkpoint {path} can't be read: {error.strerror}") from error
    if not isinstance(document, dict) or not isinstance(document.get("state_dict"), dict):
        raise RequestError(f"{path} is not a checkpoint: it has no state_dict")
    return document


def identity(document: dict[str, Any]) -> NetworkIdentity:
    """Return the network identity in a checkpoint of this program."""
    return NetworkIdentity(**document["hyper_parameters"])


def settle(paths: RunPaths, ranking: Ranking) -> None:
    """Point the links to the checkpoints of `ranking`, then delete the other checkpoints.

    In this order no link dangles at any moment. It also completes what a kill interrupted.
    """
    # The links come first, because a deleted file must not be the target of one. This runs after
    # last.ckpt is written, so a kill at any point leaves a checkpoint to resume from.
    links = ranking.links()
    for name, file in links.items():
        if not _points_to(paths.checkpoints / name, file):
            atomic.replace_link(paths.checkpoints / name, file)
    for name in {*LINKS, *_OTHER_LINKS} - set(links):
        (paths.checkpoints / name).unlink(missing_ok=True)
    kept = ranking.files()
    for found in paths.checkpoints.glob(PATTERN):
        if found.name not in kept:
            found.unlink(missing_ok=True)
    atomic.delete_leftovers(paths.checkpoints)


def _value(flat: dict[str, Any], key: str) -> str:
    return shorten(repr(flat.get(key)))


def _points_to(link: Path, file: str) -> bool:
    return link.is_symlink() and str(link.readlink()) == file
