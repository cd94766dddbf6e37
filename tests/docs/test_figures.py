"""Figures that the documents state of the demo data are those of the code."""

from __future__ import annotations

import pytest
from documents import REPOSITORY

from topoqa_graphs import decoys
from topoqa_graphs.demo import Plan

PLAN = Plan()
GRAPHS = {split: len(names) * PLAN.count for split, names in PLAN.splits.items()}
COMPLEXES = {split: len(names) for split, names in PLAN.splits.items()}


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("README.md", f"{len(PLAN.targets)} experimental complexes with {PLAN.count} decoys each"),
        (
            "docs/explanation/demo-data.md",
            f"{len(PLAN.targets)} experimental complexes with {PLAN.count} decoys each: "
            f"{GRAPHS['train']} graphs to train on, {GRAPHS['val']} for validation, "
            f"{GRAPHS['test']} for the test",
        ),
        (
            "docs/tutorial.md",
            f"{COMPLEXES['train']} for training, {COMPLEXES['val']} for validation and "
            f"{COMPLEXES['test']} for the test",
        ),
        (
            "docs/explanation/demo-data.md",
            f"(more than {decoys.MOST_OVERLAP:.0%} of the atom pairs within 5 Å are closer than "
            f"{decoys.OVERLAP:g} Å) or has too little contact (fewer than "
            f"{decoys.FEWEST_CONTACTS} residue pairs, or fewer than {decoys.LEAST_SHARE:.0%} of "
            "the native's)".replace("%", " %"),
        ),
        ("docs/tutorial.md", f"makes {PLAN.count} decoys of each"),
    ],
)
def test_the_demo_is_what_it_is_said_to_be(page: str, sentence: str) -> None:
    text = " ".join((REPOSITORY / page).read_text("utf-8").split())
    assert sentence in text
