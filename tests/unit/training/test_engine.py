"""How a training that Lightning leaves comes back to us."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import RequestError, TerminatedRunError
from topoqa_train.training import engine
from topoqa_train.training.checkpoints.checkpoint_file import Progress


def test_a_sigterm_that_lightning_noticed_first_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: Any, **__: Any) -> None:
        raise SIGTERMException

    trainer = SimpleNamespace(fit=fit)
    monkeypatch.setattr(engine, "_trainer", lambda *_: trainer)
    monkeypatch.setattr(engine, "_set_progress", lambda *_: None)
    config: Any = SimpleNamespace(
        trainer=SimpleNamespace(num_epochs=3),
        dataloader=SimpleNamespace(batch_size=1, num_workers=0, seed=1),
    )
    data: Any = SimpleNamespace(train=None, val=None)
    keeper: Any = SimpleNamespace(progress=Progress())
    nothing: Any = None
    with pytest.raises(TerminatedRunError):
        engine._run_trainer(config, RunOptions(), data, nothing, keeper, nothing)


@pytest.mark.parametrize("name", sorted(engine.OWNED_ARGUMENTS))
def test_what_a_run_decides_is_no_trainer_argument(name: str) -> None:
    with pytest.raises(RequestError, match=name):
        engine.check_trainer_args({name: 1})
