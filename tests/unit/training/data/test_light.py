"""What can be checked without torch is checked without torch, in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "lightning", "torch_geometric", "pandas", "scipy", "numpy")


@pytest.mark.parametrize(
    "module", ["keys", "labels", "index", "coverage", "fingerprint", "builder_files", "survey"]
)
def test_imports_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, topoqa_train.training.data.{module}\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_reading_graphs_needs_no_torch_geometric() -> None:
    code = (
        "import sys, topoqa_train.training.data.dataset\n"
        "print('torch_geometric' in sys.modules, 'lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
