"""A data set as one short text that changes when any number in it does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from topoqa_train.errors import DataError
from topoqa_train.training.data.index import GraphIndex
from topoqa_train.training.data.labels import Labels

_BYTES = 16


def fingerprint(labels: Iterable[Labels], index: GraphIndex) -> str:
    """BLAKE2b, in hexadecimals, over the labels and over the graphs that they use.

    Graphs count by their path below the folder, size and content, labels by what is read from
    them: moving the data or reformatting the CSV changes nothing.

    Raises:
        DataError: a graph went away or can't be read.
    """
    whole = _hash()
    for part in labels:
        _feed(whole, part.split)
        for row in part.rows:
            _feed(whole, row.model, row.dockq.hex(), row.target)
            path = index.find(row.model)
            if path is not None:
                _feed(whole, path.relative_to(index.root).as_posix(), *_of_file(path))
    return whole.hexdigest()


def _of_file(path: Path) -> tuple[str, str]:
    """Size and hash of the content."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, _hash).hexdigest()
            return str(file.tell()), digest
    except OSError as error:
        raise DataError(f"the graph {path} can't be read: {error.strerror}") from error


def _hash() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=_BYTES)


def _feed(whole: hashlib.blake2b, *words: str) -> None:
    """Each word with its length before it, so that no two lists of words feed the same bytes."""
    for word in words:
        content = word.encode("utf-8", "surrogateescape")
        whole.update(len(content).to_bytes(8, "little") + content)
