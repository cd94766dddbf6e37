"""Wrong requests: a few lines that say what, where and the way out; status 2; nothing half-made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

LINES_AT_MOST = 15


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def rewrite(project, model, *, nodes=5, node_dim=7, value=0.5):
    x = np.full((nodes, node_dim), 0.5, dtype=np.float32)
    x[0, 0] = value
    edges = np.array([[0, 1], [1, 0]], dtype=np.int64)
    # Straight through torch: our own writer would refuse the NaN.
    tensors = map(torch.from_numpy, (x, edges, np.zeros((2, 3), dtype=np.float32)))
    data = Data(**dict(zip(("x", "edge_index", "edge_attr"), tensors, strict=True)))
    torch.save(data, project.graphs / f"{model}.pt")


@dataclass(frozen=True)
class Case:
    name: str
    spoil: Callable[..., object]
    says: tuple[str, ...]


CASES = [
    Case("graph folder missing", lambda p: shutil.rmtree(p.graphs), ("graphs", "graphs build")),
    Case(
        "graph folder empty",
        lambda p: [file.unlink() for file in p.graphs.iterdir()],
        ("graphs", "graphs build"),
    ),
    Case(
        "label file without columns",
        lambda p: p.labels("val").write_text("name;score\na;1\n"),
        ("val.csv", "MODEL", "dockq"),
    ),
    Case("label file missing", lambda p: p.labels("train").unlink(), ("train.csv",)),
    Case(
        "labels without graphs",
        lambda p: [(p.graphs / f"val1_00{n}.pt").unlink() for n in (1, 2, 3)],
        ("val: 3 of 37", "91.89 %", "val1_001", "graphs build", "coverage.fail_on_missing=false"),
    ),
    Case(
        "graphs of two widths",
        lambda p: rewrite(p, "train0_000", node_dim=9),
        ("train0_000", "9", "7"),
    ),
    Case("NaN in a graph", lambda p: rewrite(p, "val2_004", value=np.nan), ("val2_004", "NaN")),
    Case(
        "unknown key",
        lambda p: edit(p.config, "optimizer:", "optimiser:"),
        ("config.yaml:10", "optimiser", "did you mean 'optimizer'?"),
    ),
    Case(
        "wrong type",
        lambda p: edit(p.config, "learning_rate: 0.01", "learning_rate: fast"),
        ("config.yaml:10", "optimizer.learning_rate", "should be a valid number, not 'fast'"),
    ),
    Case(
        "third job wrong",
        lambda p: edit(
            p.manifest,
            "fine_tune:",
            "  - {name: third, overrides: {trainer.num_epoch: 3}}\nfine_tune:",
        ),
        ("manifest.yaml:6", "num_epoch", "did you mean 'num_epochs'?"),
    ),
    Case(
        "third job's labels missing",
        lambda p: edit(
            p.manifest,
            "fine_tune:",
            "  - {name: third, overrides: {paths.val_labels: nowhere.csv}}\nfine_tune:",
        ),
        ("third", "nowhere.csv"),
    ),
    Case(
        "third and fourth job can't train",
        lambda p: edit(
            p.manifest,
            "fine_tune:",
            "  - {name: third, limit_val_batches: 0.01}\n"
            "  - {name: fourth, trainer_args: [max_epoch=3]}\nfine_tune:",
        ),
        ("job third", "limit_val_batches", "job fourth", "max_epoch"),
    ),
    Case(
        "third job starts from what is no checkpoint",
        lambda p: edit(
            p.manifest, "fine_tune:", "  - {name: third, resume_from: train.csv}\nfine_tune:"
        ),
        ("job third", "train.csv"),
    ),
    Case(
        "fine-tune config missing",
        lambda p: (p.root / "fine_seed6.yaml").unlink(),
        ("fine_seed6.yaml",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pipeline_refuses_before_anything_starts(case, project, cli):
    case.spoil(project)
    done = cli("pipeline", "-m", project.manifest, "--output-root", project.runs)
    assert done.status == 2, done.err
    for words in case.says:
        assert words in done.err
    assert len(done.err.splitlines()) <= LINES_AT_MOST
    assert done.out == ""
    assert not list(project.runs.glob("*/run_metadata.json"))


def test_run_keeps_the_whole_list_of_missing_graphs(project, cli):
    for number in range(8):
        (project.graphs / f"val1_00{number}.pt").unlink()
    done = cli("run", "-c", project.config, "--run-name", "r", "--output-root", project.runs)
    assert done.status == 2, done.err
    assert "val: 8 of 37" in done.err
    report = project.runs / "r" / "dataset_coverage.json"
    assert str(report) in done.err.replace("\n", "") or "dataset_coverage.json" in done.err
    assert report.read_text().count("val1_00") == 8
    board = cli("leaderboard", "--run-root", project.runs)
    assert "failed" in board.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "-c", "nope.yaml"], "nope.yaml"),
        (["run", "-c", "{config}", "-o", "trainer.num_epoch=3"], "num_epochs"),
        (["run", "-c", "{config}", "-o", "trainer.num_epochs=many"], "trainer.num_epochs"),
        (["run", "-c", "{config}", "--run-name", "../x"], "../x"),
        (["run", "-c", "{config}", "--resume-from", "no.ckpt"], "no.ckpt"),
        (["run", "-c", "{config}", "--trainer-arg", "max_epoch=3"], "max_epoch"),
        (["run", "-c", "{config}", "--limit-train-batches", "x"], "limit-train-batches"),
        (["run", "-c", "{config}", "-o", "trainer.accelerator=cuda"], "accelerator"),
        (["run", "-c", "{config}", "-o", "trainer.devices=2"], "one device"),
        (["run", "-c", "{config}", "-o", "model.architecture=gat"], "proteingat"),
        (["run", "-c", "{config}", "--limit-train-batches", "0.3"], "limit_train_batches"),
        (["run", "-c", "{config}", "--limit-val-batches", "0.3"], "limit_val_batches"),
        (["run", "--confg", "x"], "--confg"),
        (["leaderboard", "--metric", "nonsense"], "runs"),
        (["pipeline", "-m", "nope"], "nope"),
        (["pipeline", "--skip-sweep", "-m", "{manifest}"], "no finished run"),
    ],
)
def test_wrong_requests(arguments, says, project, cli):
    words = [part.format(config=project.config, manifest=project.manifest) for part in arguments]
    done = cli(*words, cwd=project.root, TOPOQA_TRAIN_RUNS=str(project.runs))
    assert done.status == 2, done.err
    assert says in done.err
    assert done.out == ""
    assert not list(project.runs.glob("*/model_checkpoints/*"))


def test_a_taken_run_name_is_refused(trained, cli):
    name = trained.run("first").name
    before = sorted(trained.run("first").rglob("*"))
    done = cli(
        "run", "-c", trained.project.config, "--run-name", name,
        "--output-root", trained.project.runs,
    )  # fmt: skip
    assert done.status == 2
    assert name in done.err
    assert sorted(trained.run("first").rglob("*")) == before


def test_weights_of_another_network_are_refused(trained, cli, tmp_path):
    best = trained.run("first") / "model_checkpoints" / "best.ckpt"
    done = cli(
        "run", "-c", trained.project.config, "--resume-from", best, "-o", "model.attention_head=4",
        "--output-root", tmp_path,
    )  # fmt: skip
    assert done.status == 2
    assert "attention_head: 2 in the checkpoint, 4 in the config" in done.err


def test_what_is_read_but_misleads_is_said(project, cli):
    # A target in two splits; the run goes on.
    lines = project.labels("val").read_text().splitlines()
    borrowed = project.labels("train").read_text().splitlines()[1]
    project.labels("val").write_text("\n".join([*lines, borrowed]) + "\n")
    done = cli("pipeline", "-m", project.manifest, "--output-root", project.runs, "--dry-run")
    assert done.status == 0, done.err
    assert "targets in more than one split: 1 (train0)" in done.err
