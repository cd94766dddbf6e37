"""Splitting of labels by target: decoys of one complex stay together."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from topoqa_train.errors import DataError
from topoqa_train.labels.label_file import Label

# The held-out splits, in the order in which they draw targets. Test is first, so that another
# share of val leaves the test set as it was.
_HELD_OUT = ("test", "val")


@dataclass(frozen=True)
class Wish:
    """Content of a held-out split: these targets, or this share of all, at least one."""

    share: float = 0.0
    targets: tuple[str, ...] = ()


def split_by_target(
    rows: Sequence[Label], wishes: Mapping[str, Wish], *, seed: int
) -> dict[str, list[Label]]:
    """Return the rows of train, val and optionally test, each in the order of `rows`.

    Named targets go to their split. Shares are drawn from the other targets; the draw depends only
    on `seed` and the targets' names, not on the order of the rows. Empty splits are left out.

    Raises:
        DataError: a named target does not exist or is named twice, or a split would be empty.
    """
    targets = sorted({row.target for row in rows})
    chosen = _named(wishes, targets)
    left = [target for target in targets if target not in chosen]
    # The targets are sorted first, so that rows in another order give the same split.
    random.Random(seed).shuffle(left)  # noqa: S311 - no secret
    for split in _HELD_OUT:
        wish = wishes.get(split, Wish())
        if wish.share > 0 and not wish.targets:
            count = max(1, round(wish.share * len(targets)))
            chosen |= dict.fromkeys(left[:count], split)
            left = left[count:]
    splits: dict[str, list[Label]] = {"train": []}
    splits |= {split: [] for split in ("val", "test") if split in chosen.values()}
    for row in rows:
        splits[chosen.get(row.target, "train")].append(row)
    if not splits["train"] or "val" not in splits:
        raise DataError(
            f"{_counted(targets)} can't be split into training and validation",
            hint="Decoys of one complex stay together, so at least two complexes are needed.",
        )
    return splits


def _named(wishes: Mapping[str, Wish], targets: Collection[str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for split, wish in wishes.items():
        for target in wish.targets:
            if target not in targets:
                some = ", ".join(list(targets)[:12]) + (", ..." if len(targets) > 12 else "")
                raise DataError(f"no label has the target {target}", details=[f"targets: {some}"])
            if chosen.setdefault(target, split) != split:
                raise DataError(f"the target {target} is named for {chosen[target]} and {split}")
    return chosen


def _counted(targets: Sequence[str]) -> str:
    return f"one target ({targets[0]})" if len(targets) == 1 else f"{len(targets)} targets"
