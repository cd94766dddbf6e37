from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from legacy_runs import write_legacy_run
from rich.cells import cell_len
from rich.console import Group, RenderableType

from topoqa_train.inspection import monitor as workflow
from topoqa_train.runs import status
from topoqa_train.runs.paths import RunPaths
from topoqa_train.ui import run_view
from topoqa_train.views.json_models import MonitorDocument

NAME = "large_batch_sched_boost_lr035_seed1337_2026-01-31_12-00-00"
PARAMETERS = {
    "learning_rate": 0.005,
    "batch_size": 16,
    "accumulate_grad_batches": 32,
    "num_epochs": 260,
    "early_stopping_patience": 45,
    "attention_head": 8,
    "pooling_type": "mean",
    "architecture": "proteingat",
    "seed": 1337,
    "accelerator": "cpu",
    "precision": 32,
    "scheduler": {"factor": 0.2, "patience": 6},
}
Document = Callable[..., MonitorDocument]


@pytest.fixture
def document(run_files: Any, clock: Any, epoch: Any) -> Document:
    """Of a run with so many epochs, the best of them in the middle."""

    def _document(epochs: int = 30, name: str = NAME, **changes: Any) -> MonitorDocument:
        measured = [
            epoch(0.05 + abs(number - epochs // 2) / 1000, 0.5, {"val_target_spearman": 0.6})
            for number in range(epochs)
        ]
        metadata = {
            "status": "running",
            "process": status.this_process(),
            "training_parameters": PARAMETERS,
            **changes,
        }
        run = run_files(name, measured, **metadata)
        return workflow.look(RunPaths(run), clock, lambda path: path.relative_to(run.parent))

    return _document


def shown(document: MonitorDocument, width: int, height: int | None = None, rows: int = 5) -> str:
    lines = run_view.picture(document, width=width, height=height, rows=rows)
    return "\n".join(line.plain for line in lines)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("epochs", [0, 1, 2, 30, 259, 260])
def test_no_line_is_wider_than_the_terminal(
    document: Document, lines: Callable[[RenderableType, int], list[str]], width: int, epochs: int
) -> None:
    found = run_view.picture(document(epochs), width=width, height=None, rows=5)
    for line in found:
        assert cell_len(line.plain) <= width, line.plain
    # Printed, none is wrapped.
    assert len(lines(Group(*found), width)) == len(found)


@pytest.mark.parametrize("height", [1, 5, 10, 14, 20, 23, 24, 40, 60])
@pytest.mark.parametrize("rows", [0, 5, 50])
def test_no_picture_is_higher_than_the_terminal(document: Document, height: int, rows: int) -> None:
    found = run_view.picture(document(60), width=80, height=height, rows=rows)
    assert len(found) <= height


def test_at_80_by_24_everything_is_there(document: Document) -> None:
    text = shown(document(), 80, 23)
    parts = ["running", "epoch 30 of 260", "left (", "best", "second", "third", "last", "rho"]
    parts += ["val_loss 0.0500 to 0.0650", "lr 0.005", "batch 16 x 32", "heads 8"]
    for part in (*parts, "lr x 0.2 after 6"):
        assert part in text, part
    # The last epochs, newest below.
    assert [line.split()[0] for line in text.splitlines() if line[:2].isdigit()] == [
        str(number) for number in range(25, 30)
    ]


def test_each_checkpoint_has_its_own_metrics(document: Document) -> None:
    text = shown(document(), 200)
    (best,) = [line for line in text.splitlines() if line.startswith("best ")]
    assert best.split() == [
        "best", "-0.450", "0.0500", "0.500", "0.600", "15",
        "checkpoint.sel--0.45000_val-0.05000_epoch15.chkpt",
    ]  # fmt: skip


def test_links_replace_file_names_that_do_not_fit(document: Document) -> None:
    text = shown(document(), 80)
    rows = {line.split()[0]: line.split()[-1] for line in text.splitlines() if " " in line}
    links = ("best.ckpt", "second_best.ckpt", "third_best.ckpt")
    assert (rows["best"], rows["second"], rows["third"]) == links
    assert NAME in text


def test_the_ranking_metric_is_first(document: Document, run_files: Any, clock: Any) -> None:
    run = run_files("by_loss", ranking_metric="val_loss")
    by_loss = workflow.look(RunPaths(run), clock, Path)
    for found, first in (
        (document(), ["selection", "val_loss"]),
        (by_loss, ["val_loss", "selection"]),
    ):
        heading = next(line for line in shown(found, 80).splitlines() if "selection" in line)
        assert heading.split() == [*first, "rho", "epoch"]


def test_before_the_first_epoch(document: Document) -> None:
    text = shown(document(0), 80)
    assert "epoch 0 of 260" in text
    assert "no epoch has ended yet" in text
    assert "left" not in text
    assert "train_mse" not in text
    assert run_view.change_line(document(0, "s")) == "epoch 0 of 260"
    assert not run_view.closing_line(document(0, "other"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "completed"}, "completed, stopped early"),
        ({"status": "completed", "training_parameters": {"num_epochs": 30}}, "completed"),
        ({"status": "failed", "error": {"message": "no memory"}}, "failed"),
        ({"process": {**status.this_process(), "started": 1.0, "ticks": 1}}, "interrupted"),
    ],
)
def test_the_title_shows_the_outcome(
    document: Document, changes: dict[str, Any], words: str
) -> None:
    text = shown(document(name="r", **changes), 100)
    assert text.splitlines()[0] == f"r  {words}"
    assert " in total" in text
    assert " left" not in text


def test_warnings_are_wrapped_and_omit_that_it_runs(document: Document) -> None:
    text = shown(document(warnings=["a warning of many words " * 8]), 60)
    told = [line for line in text.splitlines() if "warning of many" in line]
    assert told[0].startswith("! a warning")
    assert all(line.startswith("  ") for line in told[1:])
    assert len(told) > 1
    assert "in progress" not in text


def test_a_learning_rate_that_fell(document: Document) -> None:
    now = document()
    fallen = now.model_copy(
        update={"learning_rate": workflow.learning_rate(
            [{"epoch": 92.0, "learning_rate": 0.005}, {"epoch": 93.0, "learning_rate": 0.001}]
        )}
    )  # fmt: skip
    assert "lr 0.001 (0.005 until 92)" in shown(fallen, 80)
    assert "until" not in shown(now, 80)


def test_lines_do_not_move_between_epochs(document: Document) -> None:
    pictures = [
        run_view.picture(document(number, f"r{number}"), width=80, height=23, rows=5)
        for number in (99, 100, 101, 150)
    ]
    assert len({len(picture) for picture in pictures}) == 1
    for picture in pictures:
        assert [line.plain[:6].strip() for line in picture[4:9]] == [
            "", "best", "second", "third", "last"
        ]  # fmt: skip
    bars = {picture[1].plain.index("━") for picture in pictures}
    assert len(bars) == 1


def test_one_bad_epoch_does_not_flatten_the_curve(run_files: Any, clock: Any, epoch: Any) -> None:
    measured = [epoch(9.0), *[epoch(0.10 - number / 1000) for number in range(20)]]
    found = workflow.look(RunPaths(run_files("r", measured)), clock, Path)
    text = shown(found, 80)
    heading = next(n for n, line in enumerate(text.splitlines()) if line.startswith("val_loss 0"))
    curve = "".join(text.splitlines()[heading + 1 : heading + 4])
    assert len(set(curve) & set("▁▂▃▄▅▆▇█")) >= 5
    assert "val_loss 0.0810 to 9.0000" in text


def test_a_long_plateau_is_not_drawn_as_if_it_were_bad(
    run_files: Any, clock: Any, epoch: Any
) -> None:
    measured = [epoch(0.2), epoch(0.049), *[epoch(0.050)] * 30]
    found = workflow.look(RunPaths(run_files("r", measured)), clock, Path)
    lines = shown(found, 200).splitlines()
    heading = next(n for n, line in enumerate(lines) if line.startswith("val_loss 0"))
    assert lines[heading + 1][:4].rstrip() == "█"
    assert lines[heading + 3][2:32].strip()


def test_a_run_of_nan_has_no_curve_and_no_best(run_files: Any, clock: Any, epoch: Any) -> None:
    run = run_files("r", [epoch(math.nan, math.nan)] * 3)
    found = workflow.look(RunPaths(run), clock, Path)
    text = shown(found, 80)
    best = next(line for line in text.splitlines() if line.startswith("best"))
    assert best.split() == ["best", "-", "-", "-", "-"]


def test_one_line_per_epoch_for_a_pipe(document: Document) -> None:
    line = run_view.change_line(document(name="r"))
    assert line.startswith("epoch 30 of 260  val_loss 0.0640  rho 0.500  ")
    assert len(line) <= 80
    assert "best -0.4500 @ 15" in line
    assert line.endswith(" left")
    assert run_view.closing_line(document(name="t")) == (
        "Best: t/model_checkpoints/checkpoint.sel--0.45000_val-0.05000_epoch15.chkpt"
    )


def test_a_legacy_run_has_no_unknown_columns(clock: Any, tmp_path: Path) -> None:
    run = write_legacy_run(tmp_path, "r")
    text = shown(workflow.look(RunPaths(run), clock, Path), 100)
    assert text.splitlines()[0] == "r  completed"
    assert "epoch   train_mse  selection  val_loss     rho\n" in text
    assert "2:30:00 in total" in text
