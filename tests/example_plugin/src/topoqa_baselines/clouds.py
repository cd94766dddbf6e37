"""The data set `clouds`: pairs of point clouds moved apart, for quick tests."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topoqa_train.api import (
    DataSetPaths,
    Progress,
    build_once,
    cache_folder,
    write_graph,
    write_text,
)

VERSION = "1"  # increase it whenever the data change
TARGETS = {"train": 6, "val": 3, "test": 3}
DECOYS = 12
RESIDUES = 30
REACH = 10.0  # Angstrom, up to which two residues are in contact

Points = NDArray[np.float64]


def prepare(progress: Progress) -> DataSetPaths:
    """Return the data set in the user's cache; build it if missing."""

    def build(folder: Path) -> None:
        write_data_set(folder, progress)

    folder = build_once(cache_folder() / "clouds" / VERSION, build)
    return DataSetPaths(
        graph=folder / "graphs",
        train_labels=folder / "train.csv",
        val_labels=folder / "val.csv",
        test_labels=folder / "test.csv",
        metadata=None,
        summary=None,
        name="clouds",
        version=VERSION,
    )


def write_data_set(folder: Path, progress: Progress) -> None:
    """Write graphs and labels of every split; the result is always the same."""
    (folder / "graphs").mkdir()
    with progress("building the data set clouds", sum(TARGETS.values())) as advance:
        for split, count in TARGETS.items():
            lines = ["MODEL,dockq"]
            for number in range(count):
                lines += write_target(folder / "graphs", f"{split}{number}")
                advance(1)
            write_text(folder / f"{split}.csv", "\n".join(lines) + "\n")


def write_target(folder: Path, target: str) -> list[str]:
    """The decoys of one target, each further from its native; their lines of the label file."""
    rng = np.random.default_rng(list(target.encode()))
    left = rng.uniform(-12, 12, (RESIDUES, 3)) * (1, 1, 0.3)
    right = rng.uniform(-12, 12, (RESIDUES, 3)) * (1, 1, 0.3) + (0, 0, 8)
    native = contacts_of(left, right)
    lines = []
    for number in range(DECOYS):
        moved = right + rng.normal(size=3) * 0.4 * number
        found = contacts_of(left, moved)
        if not found:
            continue  # no interface, no graph
        # The share of native contacts that are kept stands in for DockQ.
        dockq = len(native & found) / len(native)
        write_interface(folder / f"{target}_{number:02d}.pt", left, moved, found)
        lines.append(f"{target}_{number:02d},{dockq:.4f}")
    return lines


def contacts_of(left: Points, right: Points) -> set[tuple[int, int]]:
    """Pairs of a residue of each side that are within reach."""
    return {(int(i), int(j)) for i, j in np.argwhere(distances(left, right) < REACH)}


def distances(left: Points, right: Points) -> Points:
    """[left, right] in Angstrom."""
    return np.asarray(np.linalg.norm(left[:, None] - right[None], axis=2))


def write_interface(
    path: Path, left: Points, right: Points, contacts: set[tuple[int, int]]
) -> None:
    """One graph: residues with a contact, each contact as an edge in both directions."""
    apart = distances(left, right)
    sides = [("left", i) for i, _ in contacts] + [("right", j) for _, j in contacts]
    nodes = {residue: number for number, residue in enumerate(sorted(set(sides)))}
    x = [features(apart[i] if side == "left" else apart[:, i], side) for side, i in nodes]
    edges, attributes = [], []
    for i, j in sorted(contacts):
        ends = nodes["left", i], nodes["right", j]
        edges += [ends, ends[::-1]]
        attributes += [[apart[i, j] / REACH]] * 2
    write_graph(path, x, np.array(edges).T, attributes)


def features(apart: Points, side: str) -> list[float]:
    """Which side a residue is on, and how many of the other side are near it."""
    return [float(side == "left"), *(float((apart < reach).mean()) for reach in (6, 8, REACH))]
