from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_train.config.load import load_config
from topoqa_train.config.models import TrainingConfig

WHOLE = """\
# A config with comments.
paths:
  graph: ../graphs      # relative to this file
  train_labels: train.csv
  val_labels: ~/val.csv
  save_dir: runs

optimizer:
  learning_rate: 5e-3   # half a percent
"""


def test_paths_start_from_their_file(write, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    config = load_config(write("configs/x.yaml", WHOLE)).config
    paths = config.paths
    assert paths.graph == here.resolve() / "graphs"
    assert paths.train_labels == here.resolve() / "configs" / "train.csv"
    assert paths.val_labels == Path("/home/someone/val.csv")
    assert paths.save_dir == Path("runs")
    assert paths.metadata is None
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert load_config(Path("../configs/x.yaml")).config == config


def test_all_errors_of_a_file_at_once(write, error_of) -> None:
    path = write(
        "configs/x.yaml",
        """\
        paths: {dataset: demo}
        optimizer:
          learning_rate: fast
        optimiser: {}
        trainer:
          num_epoch: 3
          batch_size: 16
        selection: {primary: auto}
        scheduler: {zzz: 1}
        model: 5
        logging: [a]
        """,
    )
    error = error_of(lambda: load_config(path))
    assert error.message == "configs/x.yaml is not a valid config:"
    assert error.details == (
        "configs/x.yaml:3: optimizer.learning_rate: should be a valid number, not 'fast'",
        "configs/x.yaml:4: optimiser: unknown section; did you mean 'optimizer'?",
        "configs/x.yaml:6: trainer.num_epoch: unknown key; did you mean 'num_epochs'?",
        "configs/x.yaml:7: trainer.batch_size: unknown key; did you mean 'dataloader.batch_size'?",
        "configs/x.yaml:8: selection.primary: unknown key; did you mean 'primary_metric'?",
        "configs/x.yaml:9: scheduler.zzz: unknown key; known: factor, patience, type",
        "configs/x.yaml:10: model: should be a mapping (`key: value` lines), not 5",
        "configs/x.yaml:11: logging: should be a mapping (`key: value` lines), not a list",
    )
    assert all(problem.file == path for problem in error.problems)


def test_sections_with_nothing_in_them_take_defaults(write) -> None:
    path = write("x.yaml", "paths: {dataset: demo}\ntrainer:\n  # num_epochs: 5\nmodel: {}\n")
    config = load_config(path).config
    assert config == TrainingConfig.model_validate({"paths": {"dataset": "demo"}})


def test_errors_below_an_alias_name_the_line_of_the_anchor(write, error_of) -> None:
    path = write(
        "x.yaml",
        """\
        paths: {dataset: demo}
        scheduler: &s
          factor: 7
        early_stopping: *s
        """,
    )
    problems = error_of(lambda: load_config(path)).problems
    assert [(p.line, p.key) for p in problems] == [
        (3, "scheduler.factor"),
        (3, "early_stopping.factor"),
    ]


def test_missing_files_get_a_guess(write, error_of) -> None:
    write("configs/sched_boost.yaml", WHOLE)
    error = error_of(lambda: load_config(Path("configs/sched_bost.yaml")))
    assert error.message == (
        "the config configs/sched_bost.yaml does not exist; did you mean configs/sched_boost.yaml?"
    )


def test_source_is_kept_byte_for_byte(write, here: Path) -> None:
    path = write("x.yaml", "paths: {dataset: demo}\r\n# end")
    assert load_config(path).source_bytes == (here / path).read_bytes()


SECTIONS = "paths: {graph: g, train_labels: t, val_labels: v}\ntrainer: {num_epochs: 77}\n"
FLAT = "graph_dir: g\ntrain_label_file: t\nval_label_file: v\nnum_epochs: 77\n"


@pytest.mark.parametrize("text", [SECTIONS, FLAT], ids=["sections", "flat"])
def test_the_value_before_overrides_is_the_written_one_else_the_default(
    text: str, write, over
) -> None:
    path = write("x.yaml", text)
    before = load_config(path, over("paths.graph=h", "trainer.num_epochs=3")).before_overrides
    assert (before("trainer.num_epochs"), before("paths.graph")) == (77, "g")
    assert before("trainer.accumulate_grad_batches") == 32
    for key in ("paths.metadata", "model.options.depth", "model.nonsense", "nonsense"):
        assert before(key) is None


def test_there_is_no_value_before_an_override_that_makes_the_config_valid(write, over) -> None:
    path = write("x.yaml", "paths: {train_labels: t, val_labels: v}\n")
    assert load_config(path, over("paths.graph=h")).before_overrides("paths.graph") is None
