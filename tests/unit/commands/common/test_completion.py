from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from topoqa_train.commands.common import completion
from topoqa_train.runs.metrics_file import LEADING_COLUMNS


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    (folder / "sets" / "deep").mkdir(parents=True)
    for name in ("a.yaml", "b.yml", "c.txt", ".d.yaml", "sets/e.yaml", "sets/deep/f.yaml"):
        (folder / name).touch()
    monkeypatch.chdir(folder)
    return folder


def on_line(**params: Any) -> Any:
    """The context of a shell's line with these options."""
    return SimpleNamespace(params=params)


@pytest.mark.parametrize(
    ("begun", "offered"),
    [
        ("a", ["a.yaml"]),
        ("c", []),
        (".", []),
        ("./", ["./a.yaml", "./b.yml", "./sets/e.yaml"]),
        ("s", ["sets/e.yaml"]),
        ("sets/", ["sets/deep/f.yaml", "sets/e.yaml"]),
        ("gone/", []),
        ("~", []),
    ],
)
def test_yaml_files(here: Path, begun: str, offered: list[str]) -> None:
    shipped = completion.manifests("")[:2]
    assert completion.manifests(begun) == offered
    assert shipped == ["run_core", "run_extended"]


def test_a_folder_that_can_t_be_read(here: Path) -> None:
    for name in ("loop", "loop.yaml"):
        (here / name).symlink_to(here / name)
    assert completion.configs("loop") == []
    assert completion.configs("loop/") == []
    assert "a.yaml" in completion.configs("")


def test_runs_and_their_metrics(run_files: Callable[..., Path], epoch: type) -> None:
    root = run_files("one", [epoch(0.5, extra={"val_mine": 1.0})]).parent
    assert completion.runs(on_line(output_root=str(root)), "") == ["latest", "one"]
    assert completion.runs(on_line(run_root=root), "o") == ["one"]
    assert completion.metrics(on_line(run_root=root), "val_m") == ["val_mine"]
    nowhere = on_line(run_root=root / "nowhere")
    assert completion.runs(nowhere, "") == []
    assert completion.metrics(nowhere, "") == list(LEADING_COLUMNS)


def test_keys_are_those_that_a_config_takes() -> None:
    from topoqa_train.config.models import TrainingConfig

    keys = completion.keys("")
    assert {"trainer.num_epochs=", "paths.graph=", "mlflow.tags="} <= set(keys)
    assert all(key.split(".")[0] in TrainingConfig.model_fields for key in keys)
