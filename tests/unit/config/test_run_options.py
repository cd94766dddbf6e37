from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from topoqa_train.config.run_options import CommonOptions, RunOptions


def test_what_a_job_sets_wins_over_shared_and_nothing_is_no_value() -> None:
    shared = CommonOptions(notes="shared", trial_label="t", fast_dev_run=True, log_lr=True)
    job = CommonOptions(notes="own", trial_label=None, fast_dev_run=False)
    merged = job.over(shared, weights_from=Path("w.ckpt"))
    assert merged == RunOptions(
        notes="own", trial_label="t", log_lr=True, weights_from=Path("w.ckpt")
    )


def test_an_option_that_a_command_line_does_not_give_leaves_the_other_value() -> None:
    given = RunOptions.given(notes=None, fast_dev_run=False, limit_val_batches=2, trainer_args={})
    before = RunOptions(notes="n", fast_dev_run=True, trainer_args={"a": 1})
    assert given.over(before) == before.model_copy(update={"limit_val_batches": 2})


def test_a_fast_dev_run_is_one_batch() -> None:
    options = RunOptions(limit_train_batches=0.5, limit_val_batches=3)
    assert (options.train_batches, options.val_batches) == (0.5, 3)
    fast = options.model_copy(update={"fast_dev_run": True})
    assert (fast.train_batches, fast.val_batches) == (1, 1)


def test_what_a_run_records_can_be_read_back() -> None:
    options = RunOptions(limit_train_batches=1, log_lr=True, trainer_args={"gradient_clip_val": 1})
    recorded = options.recorded()
    assert set(recorded) == {
        *("fast_dev_run", "limit_train_batches", "limit_val_batches", "log_lr", "trainer_args")
    }
    assert RunOptions.model_validate(recorded) == options


@pytest.mark.parametrize("limit", [0, 1.5, -1, True, "3"])
def test_a_limit_is_a_number_of_batches_or_a_share(limit: object) -> None:
    with pytest.raises(ValidationError, match="should be a number of batches"):
        RunOptions.model_validate({"limit_val_batches": limit})


@pytest.mark.parametrize("flag", ["fast_dev_run", "log_lr"])
def test_an_empty_flag_is_not_set(flag: str) -> None:
    shared = CommonOptions.model_validate({flag: True})
    job = CommonOptions.model_validate({flag: None, "notes": "n"})
    assert getattr(job.over(shared), flag) is True
