"""`run --from-run`: the same once more, to the last bit, or what differs and from where on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from processes import numbers, weights


def metadata(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "run_metadata.json").read_text())
    return document


def rewrite(run: Path, **changes: Any) -> None:
    (run / "run_metadata.json").write_text(json.dumps({**metadata(run), **changes}))


@pytest.fixture
def phase2(trained) -> Path:
    """A run that began from another one's weights."""
    (found,) = (run for run in trained.all if run.name.endswith("_phase2_seed5"))
    return found


def test_again_it_is_the_same_to_the_last_bit(trained, phase2, cli, tmp_path):
    done = cli("run", "--from-run", phase2, "--output-root", tmp_path, "--notes", "again")
    assert done.status == 0, done.err
    (run,) = tmp_path.glob(f"{phase2.name}_????-*")
    start = Path(metadata(phase2)["started_from"]["checkpoint"]).name
    assert f"Rerun of {phase2.name}, with its config and options, from the weights of" in done.err
    assert f"the data equal those of {phase2.name}, labels and graphs" in done.err
    last = f"Equal to {phase2.name}, bit for bit: every metric of 4 epochs and of the test split."
    assert done.err.rstrip().splitlines()[-1] == last

    assert numbers(run) == numbers(phase2)
    checkpoint = Path("model_checkpoints") / "best.ckpt"
    assert weights(run / checkpoint) == weights(phase2 / checkpoint)
    for file in ("config.yaml", "original_config.yaml"):
        assert (run / "config" / file).read_bytes() == (phase2 / "config" / file).read_bytes()
    then, now = metadata(phase2), metadata(run)
    assert now["rerun_of"]["run_id"] == phase2.name
    assert (now["rerun_of"]["data_differs"], now["rerun_of"]["metrics"]["epochs"]) == ([], 4)
    same = ("job", "source_config", "overrides", "config", "selection", "test", "versions")
    assert {name: now[name] for name in same} == {name: then[name] for name in same}
    assert now["started_from"] == then["started_from"]
    assert Path(now["started_from"]["checkpoint"]).name == start
    assert (now["notes"], then["notes"]) == ("again", None)


def test_what_is_needed_to_do_it_again_is_recorded(trained):
    first = metadata(trained.run("second"))
    assert first["config"]["optimizer"]["learning_rate"] == 0.02
    assert first["overrides"] == {"optimizer.learning_rate": 0.02}
    assert set(first["data"]["fingerprints"]) == {"labels", "graphs"}
    assert {"python", "torch", "numpy", "torch-geometric", "topoqa-train"} <= set(first["versions"])
    assert {"name", "processor", "threads", "cores", "device"} <= set(first["host"])
    assert len(first["code"]) == 32
    assert "git" in first


def test_what_has_changed_is_said_and_kept(trained, project, cli, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(trained.run("first"), old, symlinks=True)
    known = metadata(old)
    rewrite(
        old,
        versions={**known["versions"], "numpy": "0.1"},
        host={**known["host"], "threads": 7, "device": {"kind": "cuda", "name": "of then"}},
    )
    # Another project, so that the session's one stays as it is: one label is not what it was.
    labels = project.labels("train")
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join([lines[0], f"{lines[1].split(',')[0]},0.75", *lines[2:]]) + "\n")
    changes = [f"paths.{split}_labels={project.labels(split)}" for split in ("train", "val")]
    done = cli(
        "run", "--from-run", old, "--run-name", "new", "--output-root", tmp_path,
        *(word for change in changes for word in ("-o", change)),
    )  # fmt: skip
    assert done.status == 0, done.err
    before, _, after = done.err.partition("run: first")
    assert "  numpy: 0.1 then, " in before
    assert "  threads: 7 then, 1 now" in before
    assert "  paths.train_labels: " in before
    assert "Results may differ." in before
    assert "differs from old: device: kind cuda, name of then then, kind cpu, " in after
    assert "the data differ from those of old: hash of the labels: " in after
    assert "Not equal to old: metrics differ from epoch 0 on" in after

    kept = metadata(tmp_path / "new")["rerun_of"]
    differs = {each["what"]: each["kind"] for each in kept["differs"]}
    assert {
        "numpy": "numbers",
        "threads": "numbers",
        "device": "numbers",
    }.items() <= differs.items()
    assert differs["paths.train_labels"] == "place"
    assert [each["what"] for each in kept["data_differs"]] == ["hash of the labels"]
    assert kept["metrics"]["first_difference"] == 0
    overrides = metadata(tmp_path / "new")["overrides"]
    assert set(overrides) == {"paths.train_labels", "paths.val_labels"}


def test_fewer_epochs_are_those_of_then_also_after_a_stop(trained, cli, tmp_path):
    """The comparison is made after the last session; what differed in between is kept."""
    old = trained.run("first")
    done = cli(
        "run", "--from-run", old, "--run-name", "new", "--output-root", tmp_path,
        "-o", "trainer.num_epochs=2",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert f"Equal to {old.name}, bit for bit: every metric of 2 epochs." in done.err
    assert f"{old.name} has 4 epochs, this run 2." in done.err
    new = tmp_path / "new"
    rewrite(new, versions={**metadata(new)["versions"], "torch": "0.1"})
    more = cli("resume", "--run-dir", new, "-o", "trainer.num_epochs=4")
    assert more.status == 0, more.err
    assert "resumed with torch: 0.1 then, " in more.err
    assert f"Equal to {old.name}, bit for bit: every metric of 4 epochs and of the test" in more.err
    (session,) = metadata(new)["resumed"]
    assert session["epochs_done"] == 2
    assert {"trainer.num_epochs", "torch"} <= {each["what"] for each in session["differs"]}

    third = cli("run", "--from-run", new, "--run-name", "third", "--output-root", tmp_path)
    assert third.status == 0, third.err
    assert "It was resumed after 2 epochs with other torch" in third.err


def test_the_weights_are_found_in_a_folder_that_was_moved_and_missed_where_gone(
    trained, phase2, cli, tmp_path
):
    runs = tmp_path / "moved"
    start = metadata(phase2)["started_from"]
    for name in (phase2.name, start["run_id"]):
        shutil.copytree(trained.project.runs / name, runs / name, symlinks=True)
    rewrite(runs / phase2.name, started_from={**start, "checkpoint": f"/gone{start['checkpoint']}"})
    done = cli("run", "--from-run", phase2.name, "--output-root", runs, "--fast-dev-run")
    assert done.status == 0, done.err
    assert "fast_dev_run: false then, true now" in done.err
    (run,) = runs.glob(f"{phase2.name}_????-*")
    assert Path(metadata(run)["started_from"]["checkpoint"]).is_relative_to(runs)
    shutil.rmtree(runs / start["run_id"])
    refused = cli("run", "--from-run", phase2.name, "--output-root", runs)
    assert refused.status == 2
    assert f"the checkpoint that {phase2.name} started from is gone" in refused.err
