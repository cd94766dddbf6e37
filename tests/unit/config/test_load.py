from __future__ import annotations

import logging
from pathlib import Path

import pytest

from topoqa_train.config.load import LoadedConfig, load_config
from topoqa_train.config.models import TrainingConfig
from topoqa_train.config.overrides import Override

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
    paths = load_config(write("configs/x.yaml", WHOLE)).config.paths
    assert paths.graph == here.resolve() / "graphs"
    assert paths.train_labels == here.resolve() / "configs" / "train.csv"
    assert paths.val_labels == Path("/home/someone/val.csv")
    assert paths.save_dir == Path("runs")
    assert paths.metadata is None


def test_the_working_directory_does_not_matter(
    write, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = load_config(write("configs/x.yaml", WHOLE)).config
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert load_config(Path("../configs/x.yaml")).config == one


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
    )
    assert all(problem.file == path for problem in error.problems)


def test_an_unknown_key_without_a_guess_lists_the_known_keys(write, error_of) -> None:
    path = write("x.yaml", "paths: {dataset: demo}\nscheduler: {zzz: 1}\n")
    (problem,) = error_of(lambda: load_config(path)).problems
    assert problem.message == "unknown key; known: factor, patience, type"


def test_a_section_that_is_not_a_mapping(write, error_of) -> None:
    path = write("x.yaml", "paths: {dataset: demo}\ntrainer: 5\nmodel: [a]\n")
    details = error_of(lambda: load_config(path)).details
    assert details == (
        "x.yaml:2: trainer: should be a mapping (`key: value` lines), not 5",
        "x.yaml:3: model: should be a mapping (`key: value` lines), not a list",
    )


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
    error = error_of(lambda: load_config(Path("nowhere/else/x.yaml")))
    assert error.message == "the config nowhere/else/x.yaml does not exist"
    assert error.hint is not None
    assert "sched_boost_seed222" in error.hint


def test_both_ways_to_name_data_together(write, here: Path) -> None:
    path = write("x.yaml", "paths: {dataset: demo, graph: fast}\n")
    paths = load_config(path).config.paths
    assert (paths.dataset, paths.graph) == ("demo", here.resolve() / "fast")


@pytest.mark.parametrize("text", ["~nobody_of_that_name/x", '"a\\0b"'])
def test_impossible_paths(text: str, write, error_of) -> None:
    path = write("x.yaml", f"paths:\n  dataset: demo\n  graph: {text}\n")
    (problem,) = error_of(lambda: load_config(path)).problems
    assert problem.line == 3


def test_source_is_kept_byte_for_byte(write, here: Path) -> None:
    path = write("x.yaml", "paths: {dataset: demo}\r\n# end")
    assert load_config(path).source_bytes == (here / path).read_bytes()


def test_keys_without_effect_are_reported(write, caplog: pytest.LogCaptureFixture) -> None:
    path = write(
        "flat.yaml",
        """\
        graph_dir: g
        train_label_file: t.csv
        val_label_file: v.csv
        profiling: {enabled: true}
        """,
    )
    with caplog.at_level(logging.WARNING, "topoqa_train"):
        config = load_config(path).config
    assert config.reference.profiling == {"enabled": True}
    assert "flat.yaml: recorded, but without effect: profiling" in caplog.text


class TestBeforeOverrides:
    def load(self, folder: Path, text: str) -> LoadedConfig:
        (folder / "x.yaml").write_text(text)
        overrides = [
            Override(key, value, folder)
            for key, value in (
                ("paths.graph", "/alt"),
                ("trainer.num_epochs", 3),
                ("model.options.depth", 2),
            )
        ]
        return load_config(folder / "x.yaml", overrides)

    def test_the_written_value_else_the_default_else_none(self, tmp_path: Path) -> None:
        loaded = self.load(
            tmp_path,
            "paths: {graph: g, train_labels: t.csv, val_labels: v.csv}\n"
            "trainer: {num_epochs: 77}\n",
        )
        assert loaded.before_overrides("trainer.num_epochs") == 77
        assert loaded.before_overrides("paths.graph") == "g"
        assert loaded.before_overrides("trainer.accumulate_grad_batches") == 32
        assert loaded.before_overrides("paths.metadata") is None
        assert loaded.before_overrides("model.options.depth") is None
        assert loaded.before_overrides("model.nonsense") is None
        assert loaded.before_overrides("nonsense") is None

    def test_in_a_flat_config_too(self, tmp_path: Path) -> None:
        loaded = self.load(
            tmp_path,
            "graph_dir: g\ntrain_label_file: t.csv\nval_label_file: v.csv\nnum_epochs: 77\n",
        )
        assert loaded.before_overrides("trainer.num_epochs") == 77
        assert loaded.before_overrides("paths.graph") == "g"

    def test_where_only_an_override_makes_it_valid(self, tmp_path: Path) -> None:
        loaded = self.load(tmp_path, "paths: {train_labels: t.csv, val_labels: v.csv}\n")
        assert loaded.before_overrides("paths.graph") is None
