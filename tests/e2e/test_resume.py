"""`resume`: in place, with everything; refused before anything is touched."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def finished(trained, tmp_path):
    """A copy, elsewhere, of a run that completed its four epochs."""
    shutil.copytree(trained.run("first"), tmp_path / "moved", symlinks=True)
    return tmp_path / "moved"


def content(run: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(run)): file.read_bytes()
        for file in run.rglob("*")
        if file.is_file() and file.name != ".lock"
    }


def numbers(run: Path) -> list[dict[str, str]]:
    with (run / "metrics" / "metrics.csv").open() as file:
        return [
            {k: v for k, v in row.items() if k != "epoch_seconds"} for row in csv.DictReader(file)
        ]


def test_four_epochs_and_two_more_are_six(trained, finished, cli, tmp_path):
    more = cli("resume", "--run-dir", finished, "-o", "trainer.num_epochs=6")
    assert more.status == 0, more.err
    straight = cli(
        "run", "-c", trained.project.config, "-o", "trainer.num_epochs=6", "--run-name", "s",
        "--output-root", tmp_path,
    )  # fmt: skip
    assert straight.status == 0, straight.err
    assert len(numbers(finished)) == 6
    assert numbers(finished) == numbers(tmp_path / "s")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "has done all of its 4 epochs"),
        (["-o", "model.attention_head=4", "-o", "trainer.num_epochs=9"], "model.attention_head: 2"),
        (["--checkpoint", "{other}", "-o", "trainer.num_epochs=9"], "no checkpoint of"),
        (["-o", "trainer.num_epochs=9", "-o", "paths.val_labels={labels}"], "other data"),
    ],
)
def test_refused_and_left_as_it_was(arguments, says, trained, finished, cli, tmp_path):
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("\n".join(trained.project.labels("val").read_text().splitlines()[:-4]) + "\n")
    words = [
        part.format(other=trained.run("second") / "model_checkpoints/best.ckpt", labels=fewer)
        for part in arguments
    ]
    before = content(finished)
    done = cli("resume", "--run-dir", finished, *words)
    assert done.status == 2, done.err
    assert says in done.err
    assert content(finished) == before
