"""What can be checked without torch is checked without torch, in a fresh process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from topoqa_train import labels

LABELS = Path(labels.__file__).parent
HEAVY = ("torch", "lightning", "torch_geometric", "pandas", "scipy", "numpy")


def test_labels_import_nothing_heavy() -> None:
    modules = sorted(f"topoqa_train.labels.{path.stem}" for path in LABELS.glob("*.py"))
    assert len(modules) > 4
    code = (
        f"import sys, {', '.join(modules)}\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
