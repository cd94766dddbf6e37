"""`resume`: in place, with everything; refused before anything is touched."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest
from processes import numbers


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


def test_going_back_to_a_checkpoint_does_the_later_epochs_anew(finished, cli):
    folder = finished / "model_checkpoints"
    before = numbers(finished)
    # Of four epochs, three are kept: one of the two in the middle is always among them.
    done_by = {
        link: int(link.resolve().stem.rpartition("_epoch")[2]) + 1
        for name in ("best", "second_best", "third_best")
        for link in [folder / f"{name}.ckpt"]
    }
    chosen, begun = next((link, done) for link, done in done_by.items() if 1 < done < 4)
    done = cli(
        "resume", "--run-dir", finished, "--checkpoint", chosen,
        "-o", f"trainer.num_epochs={begun + 1}",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert numbers(finished) == before[: begun + 1]
    for link in folder.glob("*.ckpt"):
        assert link.exists(), f"{link.name} is dangling"
    ranking = json.loads((finished / "run_metadata.json").read_text())["checkpoints"]["ranking"]
    assert all((finished / entry["path"]).is_file() for entry in ranking)


def test_without_patience_a_run_ends_with_the_first_epoch_that_gains_nothing(
    trained, cli, tmp_path
):
    done = cli(
        "run", "-c", trained.project.config, "-o", "early_stopping.patience=0",
        "-o", "trainer.num_epochs=30", "--run-name", "r", "--output-root", tmp_path,
    )  # fmt: skip
    assert done.status == 0, done.err
    values = [float(row["selection_metric"]) for row in numbers(tmp_path / "r")]
    assert 1 < len(values) < 30
    assert values[-1] >= values[-2]
    assert all(later < earlier for earlier, later in itertools.pairwise(values[:-1]))
    again = cli("resume", "--run-dir", tmp_path / "r")
    assert again.status == 2
    assert "was ended by early stopping, 1 epochs after its best" in again.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--checkpoint", "{own}", "-o", "trainer.num_epochs=1"], "no epoch left"),
        ([], "has done all of its 4 epochs"),
        (["-o", "model.attention_head=4", "-o", "trainer.num_epochs=9"], "model.attention_head: 2"),
        (["--checkpoint", "{other}", "-o", "trainer.num_epochs=9"], "no checkpoint of"),
        (["-o", "trainer.num_epochs=9", "-o", "paths.val_labels={labels}"], "paths.val_labels: "),
        (["-o", "trainer.num_epochs=9", "-o", "optimizer.learning_rate=1"], "learning_rate: 0.01"),
    ],
)
def test_refused_and_left_as_it_was(arguments, says, trained, finished, cli, tmp_path):
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("\n".join(trained.project.labels("val").read_text().splitlines()[:-4]) + "\n")
    words = [
        part.format(
            own=finished / "model_checkpoints/best.ckpt",
            other=trained.run("second") / "model_checkpoints/best.ckpt",
            labels=fewer,
        )
        for part in arguments
    ]
    before = content(finished)
    done = cli("resume", "--run-dir", finished, *words)
    assert done.status == 2, done.err
    assert says in done.err
    assert content(finished) == before
