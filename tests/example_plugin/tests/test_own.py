"""What the contracts can't know."""

import json
from pathlib import Path

import pytest

from topoqa_baselines.clouds import prepare
from topoqa_baselines.contacts import contacts
from topoqa_baselines.network import build
from topoqa_train.api import ModelOptions, RequestError
from topoqa_train.testing.datasets import quiet


def test_counting_ranks_the_clouds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOPOQA_TRAIN_CACHE", str(tmp_path))
    found = prepare(quiet)
    contacts(found.graph, found.val_labels, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["decoys"] > 30
    assert document["val_target_spearman"] > 0.3


@pytest.mark.parametrize("width", [0, -1, "wide", 1.5])
def test_a_width_that_makes_no_sense_is_refused(width: object) -> None:
    with pytest.raises(RequestError, match=r"model\.options\.width"):
        build(ModelOptions(extra={"width": width}), 4, 1)
