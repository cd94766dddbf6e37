from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topoqa_train.runs import checkpoint_files, ranking
from topoqa_train.runs.checkpoint_files import Proven, Shelf, Written, prove


def said(name: str) -> tuple[int | None, dict[str, float]]:
    named = checkpoint_files.parse(name)
    return named.epoch, {metric: written.value for metric, written in named.figures.items()}


class TestNames:
    @pytest.mark.parametrize(
        ("name", "epoch", "figures"),
        [
            ("checkpoint.val-0.05303_epoch126.chkpt", 126, {"val_loss": 0.05303}),
            (
                "checkpoint.sel--0.49300_val-0.05303_epoch126.chkpt",
                126,
                {"val_loss": 0.05303, "selection_metric": -0.493},
            ),
            ("checkpoint.sel-0.01000_val-0.05303_epoch0.ckpt", 0, None),
            ("checkpoint.val-0.05303_epoch126-v1.chkpt", 126, {"val_loss": 0.05303}),
            ("epoch=12-val_loss=0.0530.ckpt", 12, {"val_loss": 0.053}),
            ("epoch=12-step=400.ckpt", 12, {}),
            ("model.0.05577.chkpt", None, {"val_loss": 0.05577}),
            ("model.0.05577-v1.chkpt", None, {"val_loss": 0.05577}),
            ("model.12.chkpt", None, {}),
            ("checkpoint.val-5.3e-02_epoch3.chkpt", 3, {"val_loss": 0.053}),
            ("interval-7_epoch3.chkpt", 3, {}),
            ("best.ckpt", None, {}),
            ("x.chkpt", None, {}),
            ("checkpoint.val-0.05_epoch99999999999999999999.chkpt", None, {"val_loss": 0.05}),
        ],
    )
    def test_what_a_name_says(
        self, name: str, epoch: int | None, figures: dict[str, float] | None
    ) -> None:
        found = said(name)
        assert found[0] == epoch
        if figures is not None:
            assert found[1] == figures

    def test_a_nan_is_one(self) -> None:
        assert math.isnan(said("checkpoint.val-nan_epoch3.chkpt")[1]["val_loss"])

    @given(
        epoch=st.integers(0, 10**6),
        val_loss=st.floats(0, 1e6),
        selection=st.floats(-1e6, 1e6),
        metric=st.sampled_from([ranking.VAL_LOSS, ranking.SELECTION]),
    )
    def test_what_we_write_is_read_back_and_borne_out(
        self, epoch: int, val_loss: float, selection: float, metric: str
    ) -> None:
        named = checkpoint_files.parse(ranking.file_name(metric, epoch, val_loss, selection))
        assert named.epoch == epoch
        assert named.figures["val_loss"].agrees(val_loss)
        if metric == ranking.SELECTION:
            assert named.figures["selection_metric"].agrees(selection)

    @given(name=st.text(max_size=60))
    def test_any_name_is_read(self, name: str) -> None:
        for text in (name, f"{name}.chkpt", f"checkpoint.val-{name}_epoch{name}.ckpt"):
            checkpoint_files.parse(text)


class TestRounding:
    @pytest.mark.parametrize("exact", [0.053034999, 0.05302501, 0.05303])
    def test_what_rounds_to_it_agrees(self, exact: float) -> None:
        assert Written(0.05303, 5).agrees(exact)

    @pytest.mark.parametrize("exact", [0.05302, 0.05304, 0.0531, -0.05303, math.nan, math.inf])
    def test_what_does_not_disagrees(self, exact: float) -> None:
        assert not Written(0.05303, 5).agrees(exact)

    def test_fewer_digits_say_less(self) -> None:
        assert Written(0.05, 2).agrees(0.0549)
        assert not Written(0.05, 2).agrees(0.056)

    def test_a_nan_agrees_with_a_nan(self) -> None:
        assert Written(math.nan, 0).agrees(math.nan)
        assert not Written(math.nan, 0).agrees(0.1)


ONE, TWO = "checkpoint.val-0.1_epoch1.chkpt", "checkpoint.val-0.2_epoch2.chkpt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "model_checkpoints"
    folder.mkdir(parents=True)
    for name in (ONE, TWO, "last.ckpt"):
        (folder / name).write_text(name)
    (tmp_path / "outside_epoch1.chkpt").write_text("secret")
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

    def test_the_last_is_that_of_the_latest_sitting(self, folder: Path) -> None:
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
            f"C:\\runs\\x\\model_checkpoints\\{ONE}",
        ],
    )
    def test_a_link_leads_to_the_file_of_its_name_wherever_it_led_before(
        self, folder: Path, target: str
    ) -> None:
        (folder / "best.ckpt").symlink_to(target)
        shelf = look(folder)
        assert shelf.links == {folder / "best.ckpt": folder / ONE}
        assert shelf.broken == {}

    def test_a_link_to_another_run_that_is_there_means_the_file_of_its_own_run(
        self, folder: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / ONE).write_text("of another run")
        (folder / "best.ckpt").symlink_to(tmp_path / "old" / ONE)
        assert look(folder).links[folder / "best.ckpt"] == folder / ONE

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
    def test_one_that_leads_to_none_of_the_run_s_checkpoints_is_broken(
        self, folder: Path, target: str
    ) -> None:
        (folder / "a_folder.ckpt").mkdir()
        (folder.parent / "run_metadata.json").write_text("{}")
        (folder / "best.ckpt").symlink_to(target)
        shelf = look(folder)
        assert shelf.links == {}
        assert shelf.broken == {"best.ckpt": target}

    def test_a_copy_that_stands_where_a_link_was_counts_as_the_link(self, folder: Path) -> None:
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
        assert [link.name for link in look(folder).links_to(folder / TWO)] == [
            "best.ckpt",
            "second_best.ckpt",
        ]

    def test_links_are_told_best_first_whatever_stands_behind_their_names(
        self, folder: Path
    ) -> None:
        names = [
            "best.ckpt",
            "best_val_loss.ckpt",
            "second_best-sel.ckpt",
            "third_best",
            "old.ckpt",
        ]
        for name in reversed(names):
            (folder / name).symlink_to(ONE)
        assert [link.name for link in look(folder).links_to(folder / ONE)] == names

    def test_a_folder_that_is_a_link_out_of_the_run_is_not_looked_into(
        self, folder: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        (other / "model_checkpoints").symlink_to(folder, target_is_directory=True)
        assert checkpoint_files.scan(other, [other / "model_checkpoints"]) == Shelf()

    def test_no_folder_is_an_empty_one(self, tmp_path: Path) -> None:
        assert checkpoint_files.scan(tmp_path, [tmp_path / "no"]) == Shelf()

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


def test_a_file_has_the_figures_of_its_epoch() -> None:
    found = prove("checkpoint.sel--0.44697_val-0.05303_epoch1.chkpt", ROWS)
    assert found == Proven(1, ROWS[1])


def test_one_that_names_no_epoch_is_of_the_only_epoch_with_its_loss() -> None:
    assert prove("model.0.05303.chkpt", ROWS) == Proven(1, ROWS[1])


@pytest.mark.parametrize(("name", "many"), [("0.05577", "2 epochs have"), ("0.07", "no epoch has")])
def test_where_none_or_several_have_it_only_the_name_is_believed(name: str, many: str) -> None:
    found = prove(f"model.{name}.chkpt", ROWS)
    assert (found.epoch, found.figures) == (None, {"val_loss": float(name)})
    assert found.doubt is not None
    assert many in found.doubt


def test_both_figures_of_a_name_tell_epochs_apart() -> None:
    assert prove("checkpoint.sel--0.64423_val-0.05577.chkpt", ROWS).epoch == 3


def test_a_name_that_the_metrics_belie_is_shown_alone_and_said() -> None:
    found = prove("checkpoint.val-0.04000_epoch1.chkpt", ROWS)
    assert (found.epoch, found.figures) == (1, {"val_loss": 0.04})
    assert found.doubt is not None
    assert "epoch 1 has val_loss 0.05303" in found.doubt


def test_a_selection_metric_that_is_belied_spares_the_rest() -> None:
    found = prove("checkpoint.sel--0.90000_val-0.05303_epoch1.chkpt", ROWS)
    assert found.figures == {**ROWS[1], "selection_metric": -0.9}
    assert found.doubt is not None
    assert "selection_metric -0.44697" in found.doubt


def test_a_selection_metric_that_only_the_name_knows_is_taken_from_it() -> None:
    rows = [{**ROWS[1], "selection_metric": NAN}]
    found = prove("checkpoint.sel--0.90000_val-0.05303_epoch1.chkpt", rows)
    assert found == Proven(1, {**ROWS[1], "selection_metric": -0.9})


def test_an_epoch_that_the_metrics_lack() -> None:
    found = prove("checkpoint.val-0.04000_epoch77.chkpt", ROWS)
    assert (found.epoch, found.figures) == (77, {"val_loss": 0.04})
    assert found.doubt is not None
    assert "no epoch 77" in found.doubt


def test_a_name_that_says_nothing() -> None:
    found = prove("model_final.chkpt", ROWS)
    assert (found.epoch, found.figures) == (None, {})
    assert found.doubt is not None


def test_a_name_without_figures_is_of_its_epoch() -> None:
    assert prove("epoch=2-step=9.ckpt", ROWS) == Proven(2, ROWS[2])


def test_a_loss_that_was_no_number_agrees_with_itself() -> None:
    assert prove("checkpoint.val-nan_epoch4.chkpt", ROWS).doubt is None
    assert prove("checkpoint.val-0.1_epoch4.chkpt", ROWS).doubt is not None
