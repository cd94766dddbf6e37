from __future__ import annotations

import os

import pytest

from topoqa_train.launch import environment


def test_a_child_finds_what_makes_numbers_repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    monkeypatch.setenv("SOMETHING_ELSE", "stays")
    found = environment.for_child()
    assert found["PYTHONHASHSEED"] == "0"
    assert found["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert found["OMP_NUM_THREADS"] == found["MKL_NUM_THREADS"] == "1"
    assert found[environment.CHILD_VARIABLE] == "1"
    assert found["SOMETHING_ELSE"] == "stays"
    # The environment of this process is its own.
    assert os.environ["OMP_NUM_THREADS"] == "16"
    assert environment.CHILD_VARIABLE not in os.environ


def test_what_can_change_numbers_is_recorded_and_nothing_private(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("TOPOQA_TRAIN_RUNS", "/runs")
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    found = environment.recorded()
    assert found["CUDA_VISIBLE_DEVICES"] == "1"
    assert found["TOPOQA_TRAIN_RUNS"] == "/runs"
    assert found["PYTHONHASHSEED"] == "0"
    assert "SECRET_TOKEN" not in found
    assert "HOME" not in found
    assert list(found) == sorted(found)


def test_cores_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert environment.cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert environment.cores() == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert environment.cores() == 8


def test_a_tracker_does_not_get_what_is_set_for_a_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.for_child().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "word")
    found = environment.for_tracker()
    assert environment.CHILD_VARIABLE not in found
    assert not any(name.startswith("MALLOC_") for name in found)
    assert found["MLFLOW_TRACKING_PASSWORD"] == "word"
