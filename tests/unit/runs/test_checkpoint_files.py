from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topoqa_train.runs import checkpoint_files, ranking
from topoqa_train.runs.checkpoint_files import Match, Shelf, is_rounded, match


def named(name: str) -> tuple[int | None, dict[str, float]]:
    epoch, texts = checkpoint_files.parse(name)
    return epoch, {metric: float(text) for metric, text in texts.items()}


class TestNames:
    @pytest.mark.parametrize(
        ("name", "epoch", "metrics"),
        [
            ("checkpoint.val-0.05303_epoch126.chkpt", 126, {"val_loss": 0.05303}),
            (
                "checkpoint.sel--0.49300_val-0.05303_epoch126.chkpt",
                126,
                {"val_loss": 0.05303, "selection_metric": -0.493},
            ),
            ("checkpoint.val-0.05303_epoch126-v1.chkpt", 126, {"val_loss": 0.05303}),
            ("epoch=12-val_loss=0.0530.ckpt", 12, {"val_loss": 0.053}),
            ("epoch=12-step=400.ckpt", 12, {}),
            ("model.0.05577.chkpt", None, {"val_loss": 0.05577}),
            ("model.0.05577-v1.chkpt", None, {"val_loss": 0.05577}),
            ("model.12.chkpt", None, {}),
            ("interval-7_epoch3.chkpt", 3, {}),
            ("best.ckpt", None, {}),
            ("x.chkpt", None, {}),
            ("checkpoint.val-0.05_epoch99999999999999999999.chkpt", None, {"val_loss": 0.05}),
        ],
    )
    def test_names(self, name: str, epoch: int | None, metrics: dict[str, float]) -> None:
        assert named(name) == (epoch, metrics)

    @given(
        epoch=st.integers(0, 10**6),
        val_loss=st.floats(0, 1e6),
        selection=st.floats(-1e6, 1e6),
        metric=st.sampled_from([ranking.VAL_LOSS, ranking.SELECTION]),
    )
    def test_names_that_we_write_are_read_back(
        self, epoch: int, val_loss: float, selection: float, metric: str
    ) -> None:
        name = ranking.file_name(metric, epoch, val_loss, selection)
        found, texts = checkpoint_files.parse(name)
        assert found == epoch
        assert is_rounded(texts["val_loss"], val_loss)
        if metric == ranking.SELECTION:
            assert is_rounded(texts["selection_metric"], selection)

    @given(name=st.text(max_size=60))
    def test_any_name_is_read(self, name: str) -> None:
        for text in (name, f"{name}.chkpt", f"checkpoint.val-{name}_epoch{name}.ckpt"):
            checkpoint_files.parse(text)


@pytest.mark.parametrize(
    ("text", "exact", "expected"),
    [
        ("0.05303", 0.053034999, True),
        ("0.05303", 0.05302501, True),
        ("0.05303", 0.05302, False),
        ("0.05303", -0.05303, False),
        ("0.05303", math.nan, False),
        ("0.05303", math.inf, False),
        ("0.05", 0.0549, True),
        ("0.05", 0.056, False),
        ("nan", math.nan, True),
        ("nan", 0.1, False),
    ],
)
def test_rounding(text: str, exact: float, expected: bool) -> None:
    assert is_rounded(text, exact) is expected


ONE, TWO = "checkpoint.val-0.1_epoch1.chkpt", "checkpoint.val-0.2_epoch2.chkpt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "model_checkpoints"
    folder.mkdir(parents=True)
    for name in (ONE, TWO, "last.ckpt"):
        (folder / name).write_text(name)
    (tmp_path / "outside_epoch1.chkpt").write_text("secret")
    (tmp_path / "other_run").mkdir()
    (tmp_path / "other_run" / ONE).write_text("of another run")
    return folder


def look(folder: Path) -> Shelf:
    return checkpoint_files.scan(folder.parent, [folder])


class TestScan:
    def test_ranked_files_without_the_last_and_without_what_is_half_written(
        self, folder: Path
    ) -> None:
        (folder / f".{ONE}.7.tmp").write_text("")
        (folder / "notes.txt").write_text("")
        (folder / "a_folder.ckpt").mkdir()
        (folder / "last-v1.ckpt").write_text("")
        assert [file.name for file in look(folder).files] == [ONE, TWO]

    def test_the_last_is_that_of_the_latest_session(self, folder: Path) -> None:
        assert look(folder).last == folder / "last.ckpt"
        for name in ("last-v9.ckpt", "last-v10.chkpt"):
            (folder / name).write_text("")
        assert look(folder).last == folder / "last-v10.chkpt"
        for file in folder.glob("last*"):
            file.unlink()
        assert look(folder).last is None

    @pytest.mark.parametrize(
        "target",
        [
            ONE,
            f"./{ONE}",
            f"../model_checkpoints/{ONE}",
            f"/home/elsewhere/runs/x/model_checkpoints/{ONE}",
            f"../../gone/{ONE}",
            f"../../other_run/{ONE}",
            f"C:\\runs\\x\\model_checkpoints\\{ONE}",
        ],
    )
    def test_a_link_means_the_file_of_its_name(self, folder: Path, target: str) -> None:
        (folder / "best.ckpt").symlink_to(target)
        shelf = look(folder)
        assert shelf.links == {folder / "best.ckpt": folder / ONE}
        assert shelf.broken == {}

    @pytest.mark.parametrize(
        "target",
        [
            "gone.chkpt",
            "/etc/passwd",
            "../../outside_epoch1.chkpt",
            "best.ckpt",
            "..",
            ".",
            "a_folder.ckpt",
            "../run_metadata.json",
            "x" * 200,
        ],
    )
    def test_a_link_to_anything_else_is_broken(self, folder: Path, target: str) -> None:
        (folder / "a_folder.ckpt").mkdir()
        (folder.parent / "run_metadata.json").write_text("{}")
        (folder / "best.ckpt").symlink_to(target)
        shelf = look(folder)
        assert shelf.links == {}
        assert shelf.broken == {"best.ckpt": target}

    def test_a_copy_in_place_of_a_link_counts_as_the_link(self, folder: Path) -> None:
        for link, file in (("best.ckpt", TWO), ("second_best.ckpt", ONE)):
            (folder / link).write_bytes((folder / file).read_bytes())
        (folder / "third_best.ckpt").write_text("weights that have no other file")
        shelf = look(folder)
        assert [file.name for file in shelf.files] == [ONE, TWO, "third_best.ckpt"]
        assert shelf.links == {
            folder / "best.ckpt": folder / TWO,
            folder / "second_best.ckpt": folder / ONE,
        }

    def test_a_copy_of_two_files_that_hold_the_same_is_of_neither(self, folder: Path) -> None:
        for name in (ONE, TWO, "best.ckpt"):
            (folder / name).write_bytes(b"the same")
        assert look(folder).links == {}

    def test_files_that_differ_only_at_their_beginning_are_no_copies(self, folder: Path) -> None:
        (folder / ONE).write_bytes(b"1" + bytes(10**6))
        (folder / TWO).write_bytes(b"2" + bytes(10**6))
        (folder / "best.ckpt").write_bytes(b"2" + bytes(10**6))
        assert look(folder).links == {folder / "best.ckpt": folder / TWO}

    def test_a_link_by_way_of_another(self, folder: Path) -> None:
        (folder / "second_best.ckpt").symlink_to("best.ckpt")
        (folder / "best.ckpt").symlink_to(TWO)
        links = look(folder).links_to(folder / TWO)
        assert [link.name for link in links] == ["best.ckpt", "second_best.ckpt"]

    def test_links_are_sorted_best_first(self, folder: Path) -> None:
        names = ["best.ckpt", "best_val_loss.ckpt", "second_best-sel.ckpt", "third_best", "x.ckpt"]
        for name in reversed(names):
            (folder / name).symlink_to(ONE)
        assert [link.name for link in look(folder).links_to(folder / ONE)] == names

    def test_a_missing_folder_and_a_link_out_of_the_run_are_empty(
        self, folder: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        (other / "model_checkpoints").symlink_to(folder, target_is_directory=True)
        for name in ("model_checkpoints", "no"):
            assert checkpoint_files.scan(other, [other / name]) == Shelf()

    def test_a_run_behind_a_link_is_read_as_any(self, folder: Path, tmp_path: Path) -> None:
        (folder / "best.ckpt").symlink_to(ONE)
        (tmp_path / "latest").symlink_to("run", target_is_directory=True)
        there = tmp_path / "latest" / "model_checkpoints"
        shelf = checkpoint_files.scan(tmp_path / "latest", [there])
        assert shelf.links == {there / "best.ckpt": there / ONE}


NAN = math.nan
ROWS = [
    {"epoch": 0.0, "val_loss": 0.0912, "val_spearman_corr": 0.1, "selection_metric": -0.0088},
    {"epoch": 1.0, "val_loss": 0.05303, "val_spearman_corr": 0.5, "selection_metric": -0.44697},
    {"epoch": 2.0, "val_loss": 0.055771, "val_spearman_corr": 0.6, "selection_metric": -0.544229},
    {"epoch": 3.0, "val_loss": 0.055769, "val_spearman_corr": 0.7, "selection_metric": -0.644231},
    {"epoch": 4.0, "val_loss": NAN, "val_spearman_corr": NAN, "selection_metric": NAN},
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("checkpoint.sel--0.44697_val-0.05303_epoch1.chkpt", Match(1, ROWS[1])),
        ("epoch=2-step=9.ckpt", Match(2, ROWS[2])),
        # Without an epoch it is of the only one with its loss, or with both metrics.
        ("model.0.05303.chkpt", Match(1, ROWS[1])),
        ("checkpoint.sel--0.64423_val-0.05577.chkpt", Match(3, ROWS[3])),
    ],
)
def test_a_file_has_the_metrics_of_its_epoch(name: str, expected: Match) -> None:
    assert match(name, ROWS) == expected


@pytest.mark.parametrize(
    ("name", "epoch", "metrics", "doubt"),
    [
        ("model.0.05577.chkpt", None, {"val_loss": 0.05577}, "2 epochs have"),
        ("model.0.07.chkpt", None, {"val_loss": 0.07}, "no epoch has"),
        ("model_final.chkpt", None, {}, "neither an epoch nor a metric"),
        ("checkpoint.val-0.04000_epoch77.chkpt", 77, {"val_loss": 0.04}, "no epoch 77"),
        (
            "checkpoint.val-0.04000_epoch1.chkpt",
            1,
            {"val_loss": 0.04},
            "epoch 1 has val_loss 0.05303",
        ),
        ("checkpoint.val-0.1_epoch4.chkpt", 4, {"val_loss": 0.1}, "epoch 4 has val_loss nan"),
        # A contradicted selection metric spares the rest.
        (
            "checkpoint.sel--0.90000_val-0.05303_epoch1.chkpt",
            1,
            {**ROWS[1], "selection_metric": -0.9},
            "selection_metric -0.44697",
        ),
    ],
)
def test_a_name_that_the_metrics_do_not_confirm(
    name: str, epoch: int | None, metrics: dict[str, float], doubt: str
) -> None:
    found = match(name, ROWS)
    assert (found.epoch, found.metrics) == (epoch, metrics)
    assert doubt in str(found.doubt)


def test_a_selection_metric_that_only_the_name_has_is_taken_from_it() -> None:
    rows = [{**ROWS[1], "selection_metric": NAN}]
    found = match("checkpoint.sel--0.90000_val-0.05303_epoch1.chkpt", rows)
    assert found == Match(1, {**ROWS[1], "selection_metric": -0.9})
    assert match("checkpoint.val-nan_epoch4.chkpt", ROWS).doubt is None
