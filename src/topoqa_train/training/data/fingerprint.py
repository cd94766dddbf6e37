"""Fingerprint of a data set: a short text that changes with any number in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from topoqa_train import bounded_read
from topoqa_train.errors import DataError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Labels

_BYTES = 16


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of a data set, and of its labels and graphs alone, to see which of them changed."""

    whole: str
    labels: str
    graphs: str


def fingerprint(labels: Iterable[Labels], index: GraphIndex) -> Fingerprint:
    """Return BLAKE2b hashes, in hexadecimal, of the labels and the graphs that they use.

    Of a graph, its path below the folder, size and content are hashed; of a label, its values. So
    moving the data or reformatting the CSV changes nothing. Each file is read once.

    Raises:
        DataError: a graph can't be read.
    """
    whole, of_labels, of_graphs = _hash(), _hash(), _hash()
    for part in labels:
        for each in (whole, of_labels):
            _feed(each, part.split)
        for row in part.rows:
            # hex() is exact, and does not depend on how the CSV writes the number.
            label = (row.model, row.dockq.hex(), row.target)
            path = index.find(row.model)
            graph = () if path is None else _of_graph(path, index.root)
            _feed(whole, *label, *graph)
            _feed(of_labels, *label)
            _feed(of_graphs, *graph)
    return Fingerprint(whole.hexdigest(), of_labels.hexdigest(), of_graphs.hexdigest())


def _of_graph(path: Path, root: Path) -> tuple[str, str, str]:
    """Return path below the folder, size and hash of the content."""
    try:
        with bounded_read.opened(path) as file:
            digest = hashlib.file_digest(file, _hash).hexdigest()
            return path.relative_to(root).as_posix(), str(file.tell()), digest
    except OSError as error:
        raise DataError(f"the graph {path} can't be read: {error.strerror}") from error


def _hash() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=_BYTES)


def _feed(whole: hashlib.blake2b, *words: str) -> None:
    """Hash words, each after its length, so that different lists give different bytes."""
    for word in words:
        content = word.encode("utf-8", "surrogateescape")
        whole.update(len(content).to_bytes(8, "little") + content)
