from __future__ import annotations

import math

import pytest

from topoqa_train.runs.checkpoint_metrics import Proven, prove

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
