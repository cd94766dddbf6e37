from __future__ import annotations

import pytest
import torch

from topoqa_train.training.device import device


def test_a_processor_goes_by_its_instructions() -> None:
    found = device("cpu")
    assert found == {"kind": "cpu", "name": torch.backends.cpu.get_cpu_capability()}


def test_of_a_gpu_the_chosen_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"GPU {number}")
    assert device("auto")["name"] == "GPU 0"
    assert device("gpu", (1,))["name"] == "GPU 1"
    assert device("cuda", (7,))["name"] == "GPU 0"
    assert device("cuda")["kind"] == "cuda"
    assert device("cpu")["kind"] == "cpu"


def test_auto_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device("auto")["kind"] == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device("auto") == {"kind": "mps", "name": "mps"}
