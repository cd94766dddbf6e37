"""Runs of the previous pipeline, read the way every command reads a run."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from legacy_runs import (
    COMPLETED,
    CREATED,
    ELSEWHERE,
    FLAT_CONFIG,
    SECONDS,
    Links,
    Measured,
    metadata,
    table,
    training,
    write_legacy_run,
)

from topoqa_legacy import metrics
from topoqa_train.clock import SystemClock
from topoqa_train.errors import RequestError
from topoqa_train.runs import history, leaderboard, summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore
from topoqa_train.runs.summary import RunSummary

NAME = "sched_boost_seed222_2025-11-03_09-15-02"
HISTORY = training(30)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A run of 30 epochs; the options of `write_legacy_run`."""

    def _write(name: str = NAME, history: Any = HISTORY, **options: Any) -> Path:
        return write_legacy_run(tmp_path / "runs", name, history, **options)

    return _write


def read(run: Path) -> RunSummary:
    return summary.read(RunPaths(run), SystemClock())


def by_loss(history: list[Measured] = HISTORY) -> list[int]:
    return sorted(range(len(history)), key=lambda epoch: history[epoch].val_loss or math.inf)[:3]


def epochs(run: RunSummary, metric: str | None = None) -> list[int | None]:
    return [each.epoch for each in run.checkpoints(metric)]


def state(run: RunSummary) -> tuple[Status, str | None]:
    return run.status, run.metadata.completed


class TestWhole:
    def test_it_reads_like_any_run(self, write: Any) -> None:
        run = read(write())
        assert run.read_only
        assert run.kind == "a run of the previous pipeline"
        assert run.status == Status.COMPLETED
        assert len(run.rows) == 30
        assert run.metadata.run_name == NAME
        assert run.ranking_metric == "selection_metric"
        assert run.selection_settings == (True, 1.0, 0.0)
        assert run.seconds == 9000.5
        assert run.parameters["learning_rate"] == 0.005
        assert not run.limited
        assert run.warnings == ()
        assert run.shelf.broken == {}

    def test_a_checkpoint_has_the_metrics_of_its_epoch(self, write: Any) -> None:
        for names in ("val", "sel", "bare"):
            run = read(write(f"run_{names}", names=names))
            for metric in (None, "val_loss", "selection_metric", "val_spearman_corr"):
                kept = run.checkpoints(metric)
                assert len(kept) == 3
                for each in kept:
                    assert each.epoch is not None
                    assert each.path.read_text() == f"weights of epoch {each.epoch}"
                    assert each.metrics["val_loss"] == HISTORY[each.epoch].val_loss
                    assert each.metrics["val_spearman_corr"] == HISTORY[each.epoch].rho
                    assert each.doubt is None
            assert epochs(run, "val_loss") == by_loss()

    def test_the_best_is_the_first_by_what_is_asked(self, write: Any) -> None:
        run = read(write())
        for metric in (None, "val_loss", "selection_metric"):
            assert run.best(metric) == run.checkpoints(metric)[0]
        # Checkpoints are kept by the two alone: by another, it is what ranks the run.
        assert run.best("val_spearman_corr") == run.best()

    @pytest.mark.parametrize("links", ["relative", "absolute", "elsewhere"])
    def test_links_of_any_kind_mean_the_file_of_their_name(self, write: Any, links: Links) -> None:
        run = read(write(links=links))
        by_name = {link: each.epoch for each in run.checkpoints() for link in each.links}
        assert list(map(by_name.get, ("best.ckpt", "second_best.ckpt", "third_best.ckpt"))) == (
            by_loss()
        )
        best = run.best("val_loss")
        assert best is not None
        assert best.link == run.paths.best

    def test_dangling_links_are_named_and_the_files_found(self, write: Any) -> None:
        run = read(write(links="broken"))
        assert set(run.shelf.broken) == {"best.ckpt", "second_best.ckpt", "third_best.ckpt"}
        assert run.shelf.broken["best.ckpt"].startswith(ELSEWHERE)
        best = run.best("val_loss")
        assert best is not None
        assert (best.epoch, best.link, best.links) == (by_loss()[0], best.path, ())

    def test_checkpoints_in_the_run_s_own_folder_count(self, write: Any) -> None:
        run = write()
        (run / "model_checkpoints").rename(run / "elsewhere")
        for file in (run / "elsewhere").iterdir():
            file.rename(run / file.name)
        assert epochs(read(run), "val_loss") == by_loss()

    def test_a_moved_run_reads_the_same(self, write: Any, tmp_path: Path) -> None:
        run = write()
        before = read(run)
        after = read(run.rename(tmp_path / "moved"))
        assert after.rows == before.rows
        assert epochs(after) == epochs(before)

    def test_reading_leaves_every_byte_and_time_as_it_was(self, write: Any) -> None:
        run = write(config=FLAT_CONFIG)
        files = [run, *sorted(run.rglob("*"))]
        before = [(file, file.lstat().st_mtime_ns, file.lstat().st_size) for file in files]
        assert read(run).checkpoints()
        files = [run, *sorted(run.rglob("*"))]
        assert [(file, file.lstat().st_mtime_ns, file.lstat().st_size) for file in files] == before


class TestMetadata:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"completed": "2025-11-03T11:47:33Z"}, Status.COMPLETED),
            ({"completed": True}, Status.COMPLETED),
            ({"completed": "yes"}, Status.COMPLETED),
            ({"completed": "at night"}, Status.COMPLETED),
            ({"completed": None}, Status.RUNNING),
            ({"completed": ...}, Status.RUNNING),
            ({"completed": False}, Status.RUNNING),
            ({"completed": ""}, Status.RUNNING),
            ({"status": "failed"}, Status.FAILED),
            ({"completed": None, "status": "Cancelled"}, Status.INTERRUPTED),
        ],
    )
    def test_its_state(self, write: Any, changes: dict[str, Any], expected: Status) -> None:
        """All files are new, so what is not over counts as running."""
        assert read(write(document=metadata(NAME, **changes))).status == expected

    def test_one_without_an_end_runs_while_its_table_is_young(self, write: Any) -> None:
        run = write(document=metadata(NAME, completed=None))
        for file in run.rglob("*"):
            os.utime(file, (time.time() - 16 * 60,) * 2, follow_symlinks=False)
        assert read(run).status == Status.INTERRUPTED
        os.utime(run / "cpu_training/version_0/metrics.csv", (time.time() - 14 * 60,) * 2)
        assert read(run).status == Status.RUNNING

    def test_without_an_end_it_took_until_its_last_epoch(self, write: Any) -> None:
        run = write(document=metadata(NAME, completed=None, runtime=None), config=FLAT_CONFIG)
        # All files are new, as in a copy: their times say nothing about the training.
        assert read(run).recorded_seconds is None
        begun = datetime.fromisoformat(read(run).metadata.created).timestamp()
        os.utime(run / "config" / "config.yaml", (begun + 5, begun + 5))
        os.utime(run / "cpu_training/version_0/metrics.csv", (begun + 600, begun + 600))
        assert read(run).recorded_seconds == pytest.approx(600, abs=1)

    @pytest.mark.parametrize("created", [..., None, "", "soon", [], True])
    def test_else_it_is_from_the_name_or_the_oldest_file(self, write: Any, created: object) -> None:
        document = metadata(NAME, created=created)
        named = datetime(2025, 11, 3, 9, 15, 2).astimezone(UTC)
        assert datetime.fromisoformat(read(write(document=document)).metadata.created) == named
        run = write("sched_boost", document=document)
        os.utime(run / "run_metadata.json", (1.7e9, 1.7e9))
        told = datetime.fromisoformat(read(run).metadata.created)
        assert told == datetime.fromtimestamp(1.7e9, UTC)

    @pytest.mark.parametrize("name", [..., None, 7, "", [], {}])
    def test_without_a_name_it_has_its_directory_s(self, write: Any, name: object) -> None:
        run = read(write(document=metadata(NAME, run_name=name)))
        assert run.metadata.run_name == run.paths.run_id == NAME

    @pytest.mark.parametrize(
        ("runtime", "seconds"),
        [
            ({"total_seconds": 12.5}, 12.5),
            ({"training_seconds": "44", "epoch_seconds": [1, 2]}, 44.0),
            ({"epoch_seconds": [1, 2.5]}, 3.5),
            (None, SECONDS),
            ({}, SECONDS),
            ({"epoch_seconds": [1, None]}, SECONDS),
            ({"total_seconds": None}, SECONDS),
            ([], SECONDS),
        ],
    )
    def test_how_long_it_took(self, write: Any, runtime: object, seconds: float) -> None:
        run = read(write(document=metadata(NAME, runtime=runtime)))
        assert run.seconds == pytest.approx(seconds, abs=1e-6)

    def test_an_unknown_time_is_none(self, write: Any) -> None:
        run = read(write(document=metadata(NAME, runtime=None, created=None)))
        assert (run.recorded_seconds, run.seconds) == (None, 0.0)
        (shown,) = leaderboard.to_document(leaderboard.rank([run]))["runs"]
        assert shown["training_seconds"] is None

    def test_fields_of_another_shape_are_kept_as_written(self, write: Any) -> None:
        document = metadata(
            NAME,
            checkpoints=["a", "b"],
            runtime=9.0,
            environment={"A": 1},
            config={"a": 1},
            new={"x": math.nan},
        )
        found = read(write(document=document)).metadata
        assert (found.checkpoints, found.config) == ({}, {})
        extra = found.model_extra or {}
        assert extra["as_written"] == {
            "checkpoints": ["a", "b"],
            "runtime": 9.0,
            "environment": {"A": 1},
        }
        assert extra["new"] == {"x": None}
        json.dumps(found.model_dump(mode="json"), allow_nan=False)

    def test_without_metadata_it_is_still_a_run(self, write: Any) -> None:
        run = read(write(document=""))
        assert (run.read_only, len(run.rows)) == (True, 30)
        assert run.paths.run_id == run.metadata.run_name == NAME
        assert "it has no run_metadata.json" in run.warnings
        assert epochs(run, "val_loss") == by_loss()

    @pytest.mark.parametrize(
        "text",
        [
            *("{", "[]", "null", "7", '"x"', "\x00", "[" * 100_000),
            '{"a":' * 400 + "1" + "}" * 400,
            '{"runtime":' + "[" * 400 + "]" * 400 + "}",
        ],
        ids=range(9),
    )
    def test_unreadable_metadata_are_a_warning(self, write: Any, text: str) -> None:
        run = read(write(document=text))
        assert any("run_metadata.json" in line for line in run.warnings)
        assert epochs(run, "val_loss") == by_loss()

    def test_numbers_that_are_none(self, write: Any) -> None:
        text = json.dumps(metadata(NAME, runtime={"total_seconds": math.nan, "x": -math.inf}))
        assert "NaN" in text
        run = read(write(document=text))
        assert run.metadata.runtime == {"total_seconds": None, "x": None}

    def test_a_link_out_of_the_run_is_not_followed(self, write: Any, tmp_path: Path) -> None:
        run = write()
        outside = tmp_path / "outside.json"
        (run / "run_metadata.json").rename(outside)
        (run / "run_metadata.json").symlink_to(outside)
        found = read(run)
        assert any("leads out of the run" in line for line in found.warnings)
        assert found.parameters == {}


class TestSelection:
    def selection(self, write: Any, **options: Any) -> RunSummary:
        return read(write(**options))

    @pytest.mark.parametrize(
        "selection",
        [
            {"use_val_spearman": True, "spearman_weight": 2.0, "spearman_min_delta": 0.1},
            {
                "use_val_spearman_as_secondary": True,
                "spearman_secondary_weight": 2.0,
                "spearman_secondary_min_delta": 0.1,
            },
            {"spearman_weight": "2.0", "spearman_min_delta": "0.1", "use_val_spearman": "true"},
        ],
    )
    def test_either_spelling(self, write: Any, selection: dict[str, Any]) -> None:
        run = read(write(document=metadata(NAME, selection=selection)))
        assert run.selection_settings == (True, 2.0, 0.1)
        assert run.ranking_metric == "selection_metric"
        for row, measured in zip(run.rows, HISTORY, strict=True):
            assert measured.val_loss is not None
            assert measured.rho is not None
            expected = measured.val_loss - 2.0 * max(0.0, measured.rho - 0.1)
            assert row["selection_metric"] == expected

    @pytest.mark.parametrize(
        "selection", [{"use_val_spearman": False}, {"primary_metric": "val_loss"}]
    )
    def test_without_the_correlation_val_loss_ranks(
        self, write: Any, selection: dict[str, Any]
    ) -> None:
        run = read(write(document=metadata(NAME, selection=selection)))
        assert run.ranking_metric == "val_loss"
        assert epochs(run) == by_loss()

    @pytest.mark.parametrize("selection", [..., None, [], {}, "x"])
    def test_else_from_the_config(self, write: Any, selection: object) -> None:
        run = read(write(document=metadata(NAME, selection=selection), config=FLAT_CONFIG))
        assert run.selection_settings == (True, 2.0, 0.1)
        assert run.warnings == ()

    def test_missing_settings_are_from_the_config(self, write: Any) -> None:
        document = metadata(NAME, selection={"primary_metric": "selection_metric"})
        run = read(write(document=document, config=FLAT_CONFIG))
        assert run.selection_settings == (True, 2.0, 0.1)

    def test_from_a_config_of_sections(self, write: Any) -> None:
        config = "selection: {use_val_spearman: true, spearman_weight: 3, spearman_min_delta: 0.2}"
        run = read(write(document=metadata(NAME, selection=None), config=config))
        assert run.selection_settings == (True, 3.0, 0.2)

    def test_unrecorded_settings_rank_by_val_loss(self, write: Any) -> None:
        run = read(write(document=metadata(NAME, selection=None)))
        assert (run.ranking_metric, run.selection_settings[0]) == ("val_loss", False)
        assert any("selection settings are not recorded" in line for line in run.warnings)

    def test_names_show_a_selection_metric_whose_settings_are_unknown(self, write: Any) -> None:
        run = read(write(document=metadata(NAME, selection=None), names="sel"))
        assert run.ranking_metric == "val_loss"
        assert all(math.isnan(row["selection_metric"]) for row in run.rows)
        for each in run.checkpoints():
            assert f"sel-{each.metrics['selection_metric']:.5f}_" in each.path.name

    def test_a_name_that_contradicts_the_settings_is_a_warning(self, write: Any) -> None:
        run = read(write(names="sel", weight=2.5))
        best = run.best()
        assert best is not None
        assert best.doubt is not None
        assert f"sel-{best.metrics['selection_metric']:.5f}_" in best.path.name
        assert len(run.warnings) == 3

    def test_an_undefined_correlation_counts_as_none(self, write: Any) -> None:
        run = read(write(history=[Measured(0.5, math.nan), Measured(0.4, 0.2)]))
        assert run.rows[0]["selection_metric"] == 0.5
        assert run.rows[1]["selection_metric"] == pytest.approx(0.2)

    def test_without_correlations_there_is_no_selection_metric(self, write: Any) -> None:
        text = "epoch,step,train_mse,val_loss\n0,6,,0.5\n0,6,0.4,\n"
        run = read(write(metrics={"metrics/cpu_training_version_0.csv": text}))
        assert math.isnan(run.rows[0]["selection_metric"])

    def test_a_recorded_selection_metric_wins(self, write: Any) -> None:
        text = "epoch,val_loss,val_spearman_corr,selection_metric\n0,0.5,0.4,0.123\n1,0.5,0.4,\n"
        run = read(write(metrics={"metrics/cpu_training_version_0.csv": text}))
        assert [row["selection_metric"] for row in run.rows] == [0.123, pytest.approx(0.1)]


class TestParameters:
    def test_the_metadata_s_own(self, write: Any) -> None:
        run = read(write())
        assert run.parameters["num_epochs"] == 260
        assert run.parameters["accumulate_grad_batches"] == 16

    def test_of_a_flat_config_under_our_names(self, write: Any) -> None:
        run = read(write(document=metadata(NAME, training_parameters=None), config=FLAT_CONFIG))
        assert dict(run.parameters) == {
            "accelerator": "cpu",
            "accumulate_grad_batches": 16,
            "attention_head": 8,
            "batch_size": 16,
            "early_stopping_patience": 45,
            "graph_dir": f"{ELSEWHERE}/graph_data",
            "learning_rate": 0.005,
            "scheduler": {"factor": 0.2, "patience": 6},
            "num_epochs": 260,
            "pooling_type": "mean",
            "seed": 222,
        }

    def test_of_sections_of_the_metadata(self, write: Any) -> None:
        document = metadata(
            NAME,
            training_parameters={
                "trainer": {"num_epochs": "120", "accelerator": "gpu"},
                "dataloader": {"batch_size": 24},
                "optimizer": {"learning_rate": "0.0035"},
                "edge_schema": {"use_layer_norm": True},
            },
        )
        found = read(write(document=document)).parameters
        assert found["num_epochs"] == 120
        assert found["accelerator"] == "gpu"
        assert found["batch_size"] == 24
        assert found["learning_rate"] == 0.0035
        assert found["edge_layer_norm"] is True

    def test_an_unreadable_config_is_a_warning(self, write: Any) -> None:
        run = read(write(document=metadata(NAME, training_parameters=None), config="a: [1,"))
        (line,) = [line for line in run.warnings if "config.yaml" in line]
        assert "config.yaml:1 is not valid YAML" in line

    @pytest.mark.parametrize(
        ("parameters", "limited"),
        [
            ({"fast_dev_run": True}, True),
            ({"limit_val_batches": 3}, True),
            ({"limit_val_batches": 0.5}, True),
            ({"limit_val_batches": 1.0}, False),
            ({"fast_dev_run": False, "limit_val_batches": None}, False),
        ],
    )
    def test_whether_all_was_validated(
        self, write: Any, parameters: dict[str, Any], limited: bool
    ) -> None:
        document = metadata(NAME, training_parameters=parameters)
        assert read(write(document=document)).limited is limited


class TestCheckpoints:
    def test_a_name_that_contradicts_the_metrics(self, write: Any) -> None:
        run = write(links="none")
        wrong = "checkpoint.val-0.01000_epoch3.chkpt"
        (run / "model_checkpoints" / wrong).write_text("")
        found = read(run)
        best = found.best("val_loss")
        assert best is not None
        assert (best.path.name, best.epoch, best.metrics) == (wrong, 3, {"val_loss": 0.01})
        assert any(wrong in line for line in found.warnings)
        ranked = leaderboard.rank([found], metric="val_loss")
        assert any(wrong in note for note in ranked.notes)

    def test_no_number_ranks_before_one_that_is(self, write: Any) -> None:
        history = [Measured(math.nan, math.nan), Measured(0.4, math.nan), Measured(0.5, 0.1)]
        run = write(history=history)
        (run / "model_checkpoints" / "checkpoint.val-nan_epoch0.chkpt").write_text("")
        (run / "model_checkpoints" / "model_final.ckpt").write_text("")
        found = read(run)
        for metric in (None, "val_loss", "val_spearman_corr"):
            kept = found.checkpoints(metric)
            assert kept[-1].epoch in (0, None)
            assert kept[0].epoch in (1, 2)
            assert len(kept) == 4

    def test_without_metrics_the_names_are_all_there_is(self, write: Any) -> None:
        found = read(write(metrics={}, names="sel"))
        assert found.rows == []
        best = found.best("selection_metric")
        assert best is not None
        assert set(best.metrics) == {"val_loss", "selection_metric"}

    def test_without_checkpoints_it_has_no_best(self, write: Any) -> None:
        run = write()
        for file in (run / "model_checkpoints").iterdir():
            file.unlink()
        found = read(run)
        assert (found.best(), found.checkpoints()) == (None, [])
        assert leaderboard.rank([found]).entries[0].rank is None


class TestLoops:
    def test_links_to_themselves_are_dangling(self, write: Any) -> None:
        run = write()
        for name in ("model_checkpoints", "config", "gpu_training", "lightning_logs"):
            if (run / name).is_dir():
                (run / name).rename(run / f"{name}_")
            (run / name).symlink_to(name)
        (run / "best.ckpt").symlink_to(run / "best.ckpt")
        found = read(run)
        assert len(found.rows) == 30
        assert found.checkpoints() == []
        assert found.shelf.broken == {"best.ckpt": str(run / "best.ckpt")}

    def test_a_starting_point_that_is_no_path_is_none(self, write: Any) -> None:
        write(document=metadata(NAME, started_from={"checkpoint": "a\0b", "run_id": 7}))
        write("other", document=metadata("other", started_from={"checkpoint": "~no one/x"}))
        root = write("third").parent
        assert history.held(RunStore(root), SystemClock()) == {}


class TestFound:
    @pytest.mark.parametrize("where", ["", "history"])
    def test_latest_of_another_machine(self, write: Any, tmp_path: Path, where: str) -> None:
        write("other")
        write_legacy_run(tmp_path / "runs" / where, "mine", HISTORY, document="")
        (tmp_path / "runs" / "latest").symlink_to(f"{ELSEWHERE}/training_runs/mine")
        store = RunStore(tmp_path / "runs")
        assert store.find("latest").root == tmp_path / "runs" / where / "mine"

    def test_latest_of_a_copied_tree_is_the_copy(self, write: Any, tmp_path: Path) -> None:
        original = write_legacy_run(tmp_path / "original", "mine", HISTORY)
        copy = write("mine")
        (tmp_path / "runs" / "latest").symlink_to(original)
        assert RunStore(tmp_path / "runs").find("latest").root == copy


class TestBoard:
    def test_unknown_selection_metrics_rank_nothing(self, write: Any) -> None:
        options = {"names": "sel", "weight": 2.5}
        runs = [
            read(write(name, document=metadata(name, selection=None), **options)) for name in "ab"
        ]
        ranked = leaderboard.rank(runs, metric="selection_metric")
        assert ranked.metric == "val_loss"
        assert "can't be compared" in ranked.notes[0]

    def test_the_document_marks_them_read_only(self, write: Any) -> None:
        run = read(write(document=""))
        (shown,) = leaderboard.to_document(leaderboard.rank([run]))["runs"]
        assert shown["read_only"] is True
        assert "it has no run_metadata.json" in shown["warnings"]
        json.dumps(shown, allow_nan=False)


class TestMovedWhileRead:
    def test_it_is_read_where_it_went(
        self, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Moved behind the back of the reader, after its metadata and before its metrics."""
        run = write()
        history = tmp_path / "runs" / "history"
        history.mkdir()
        original = metrics.read

        def move_first(files: Any) -> Any:
            if run.is_dir():
                run.rename(history / run.name)
            return original(files)

        monkeypatch.setattr(metrics, "read", move_first)
        found = read(run)
        assert found.paths.root == history / run.name
        assert len(found.rows) == 30


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "x", "1:00", CREATED, COMPLETED, "val_loss", "1e999", "\ud800"])
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["seconds", "spearman_weight", "primary_metric", "created", "links"])
            | st.text(max_size=6),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One to be written over again and again."""
    root = tmp_path_factory.mktemp("anything")
    return write_legacy_run(root, NAME, training(4), config=FLAT_CONFIG, names="sel")


class TestAnything:
    """Whatever stands in the files: a run or a `RequestError`, and JSON that can be written."""

    def check(self, run: Path) -> None:
        try:
            found = read(run)
        except RequestError:
            return
        ranked = leaderboard.rank([found])
        json.dumps(leaderboard.to_document(ranked), allow_nan=False)
        for metric in (None, "val_loss", "selection_metric"):
            found.checkpoints(metric)
        assert found.seconds >= 0
        if found.read_only:  # what changes may make of it
            assert datetime.fromisoformat(found.metadata.created).tzinfo is not None

    @settings(deadline=None)
    @given(
        changes=st.dictionaries(
            st.sampled_from([*metadata(NAME), "status", "progress", "warnings", "process", "notes"])
            | st.text(max_size=8),
            ANYTHING,
            max_size=5,
        )
    )
    def test_fields_of_the_metadata(self, run: Path, changes: dict[str, Any]) -> None:
        document = copy.deepcopy({**metadata(NAME), **changes})
        (run / "run_metadata.json").write_text(json.dumps(document))
        self.check(run)

    @settings(deadline=None)
    @given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
    def test_the_metadata_as_a_whole(self, run: Path, content: bytes) -> None:
        (run / "run_metadata.json").write_bytes(content)
        self.check(run)

    @settings(deadline=None)
    @given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
    def test_the_config(self, run: Path, content: bytes) -> None:
        (run / "run_metadata.json").write_text("{}")
        (run / "config" / "config.yaml").write_bytes(content)
        self.check(run)

    @settings(deadline=None)
    @given(
        content=st.binary(max_size=200),
        names=st.lists(
            st.text(
                st.characters(codec="ascii", exclude_characters="/\0"), min_size=1, max_size=40
            ),
            max_size=4,
        ),
    )
    def test_metrics_and_names(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes, names: list[str]
    ) -> None:
        root = tmp_path_factory.mktemp("names")
        run = write_legacy_run(root, NAME, training(2), links="none")
        text = table(training(2)).encode() + content
        (run / "cpu_training/version_0/metrics.csv").write_bytes(text)
        for name in names:
            if name not in (".", ".."):
                (run / "model_checkpoints" / f"{name}.ckpt").write_text("")
        self.check(run)
