from __future__ import annotations

from pathlib import Path

from topoqa_train.ui.tables.project import folder_lines

FILES = [("configs/train.yaml", "the sweep"), ("labels/val.csv", "3 decoys")]


def test_what_is_there_and_what_to_type_next() -> None:
    lines = folder_lines(Path("/home/x/my data"), "the graphs", FILES, Path("/home/x"), own=True)
    assert lines == [
        "my data/ trains on the graphs",
        "  configs/train.yaml  the sweep",
        "  labels/val.csv      3 decoys",
        "Next:",
        "  cd 'my data'",
        "  topoqa-train pipeline --dry-run    checks every path and label, trains nothing",
        "  topoqa-train pipeline              sweep, select the best, fine-tune, rank",
    ]


def test_no_cd_where_one_is_already() -> None:
    lines = folder_lines(Path("/home/x"), "the demo", FILES, Path("/home/x"), own=False)
    assert not [line for line in lines if "cd " in line]
    assert lines[-1].startswith("  topoqa-train init DIR --graphs")
