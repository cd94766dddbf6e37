"""Files of a run cut short at some places; `nox -s torture` cuts them anywhere."""

from __future__ import annotations

import shutil

import pytest
from cutting import FILES_OF_A_RUN, check_readers
from processes import numbers

PLACES = 40


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a run, to cut files of."""
    return shutil.copytree(trained.run("first"), tmp_path / "run", symlinks=True)


@pytest.mark.parametrize("name", FILES_OF_A_RUN)
def test_readers_of_a_run(run, rng, name):
    check_readers(run, name, sorted(rng.sample(range((run / name).stat().st_size), PLACES)))


def test_a_run_whose_last_checkpoint_is_cut_resumes_from_the_newest_whole_one(trained, run, cli):
    last = run / "model_checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    done = cli("resume", "--run-dir", run, "-o", "trainer.num_epochs=5")
    assert done.status == 0, done.err
    assert "last.ckpt" in done.err
    assert numbers(run)[:4] == numbers(trained.run("first"))
    assert len(numbers(run)) == 5
