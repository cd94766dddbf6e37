"""Checkpoint files: written atomically, read without running code, linked by rank.

A checkpoint is one `torch.save` of tensors and JSON types. The keys that Lightning also uses bear
Lightning's names, so that `state_dict` and `epoch` are where tools look for them.
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
# Some ten thousand weights with what the optimizer keeps of each; their bytes are not counted.
LIMITS = Limits(file_bytes=2**36, pickle_bytes=2**24, instructions=2**20)
_OTHER_LINKS = tuple(f"best_{metric}.ckpt" for metric in (VAL_LOSS, SELECTION))


@dataclass
class Progress:
    """How far a training is, apart from tensors: all that deciding the next epoch needs."""

    epochs_done: int = 0
    global_step: int = 0
    ranking: Ranking = field(default_factory=lambda: Ranking(VAL_LOSS))
    # Early stopping: the best value so far by the ranking metric, and epochs since it.
    stopping_best: float | None = None
    stopping_wait: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        return {**asdict(self), "ranking": self.ranking.to_json()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Progress:
        """Undo `to_json`."""
        return cls(**{**document, "ranking": Ranking.from_json(document["ranking"])})


@dataclass(frozen=True)
class NetworkIdentity:
    """What a network must agree in for its weights to fit; JSON types only."""

    architecture: str
    options: dict[str, Any]
    node_dim: int
    edge_dim: int

    def differences(self, other: NetworkIdentity) -> list[str]:
        """Each key that differs, as `model.attention_head: 8 there, 4 here`."""
        mine, theirs = asdict(self), asdict(other)
        flat = {**mine.pop("options"), **mine}
        flat_other = {**theirs.pop("options"), **theirs}
        return [
            f"{key}: {_shown(flat, key)} in the checkpoint, {_shown(flat_other, key)} in the config"
            for key in sorted({*flat, *flat_other})
            if flat.get(key) != flat_other.get(key)
        ]


def serialise(document: dict[str, Any]) -> bytes:
    """The bytes of a checkpoint file."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **document}, buffer)
    return buffer.getvalue()


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint of ours with all that going on needs.

    Raises:
        RequestError: there is none, it is damaged, it would run code, it is of another make, or
            parts of it are missing.
    """
    document = read_any(path)
    if not is_ours(document):
        raise RequestError(f"{path} is no checkpoint of topoqa-train")
    schema.check(schema.Whole, document, path)
    return document


def read_weights(path: Path) -> dict[str, Any]:
    """Read any checkpoint for its weights; one of ours says of which network they are."""
    document = read_any(path)
    if is_ours(document):
        schema.check(schema.Weights, document, path)
    return document


def is_ours(document: dict[str, Any]) -> bool:
    """Whether a checkpoint is of this program, and so has more than weights."""
    return bool(document.get("format") == FORMAT)


def read_any(path: Path) -> dict[str, Any]:
    """Read any checkpoint whose content is tensors and plain types, on the CPU.

    What `torch.load(weights_only=True)` would do, but bounded by the file's size.
    """
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
        raise RequestError(f"{path} is no checkpoint: it has no state_dict")
    return document


def identity(document: dict[str, Any]) -> NetworkIdentity:
    """The network that a checkpoint of ours is of."""
    return NetworkIdentity(**document["hyper_parameters"])


def settle(paths: RunPaths, ranking: Ranking) -> None:
    """Make the links say what `ranking` says, then delete the checkpoints that fell out.

    Links first: there is no moment at which one leads nowhere. Also mends what a kill between
    two of these steps left.
    """
    links = ranking.links()
    for name, file in links.items():
        if not _leads_to(paths.checkpoints / name, file):
            atomic.replace_link(paths.checkpoints / name, file)
    for name in {*LINKS, *_OTHER_LINKS} - set(links):
        (paths.checkpoints / name).unlink(missing_ok=True)
    kept = ranking.files()
    for found in paths.checkpoints.glob(PATTERN):
        if found.name not in kept:
            found.unlink(missing_ok=True)
    atomic.delete_leftovers(paths.checkpoints)


def _shown(flat: dict[str, Any], key: str) -> str:
    return shorten(repr(flat.get(key)))


def _leads_to(link: Path, file: str) -> bool:
    return link.is_symlink() and str(link.readlink()) == file
