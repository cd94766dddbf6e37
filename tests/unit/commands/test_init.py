from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from topoqa_train.labels.label_file import read_labels


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "g").mkdir()
    rows = ["MODEL,dockq"]
    for target in ("1ABC", "2XYZ", "3KLM", "4PQR", "5STU"):
        (tmp_path / "g" / f"{target}_0.pt").touch()
        rows.append(f"{target}_0,0.5")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_next_commands_are_printed(typed: Any, here: Path) -> None:
    status, out, err = typed("init", "mine")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "mine/ trains on the data set demo"
    assert lines.index("Next:") < lines.index("  cd mine")
    assert [line.split()[:2] for line in lines if "topoqa-train pipeline" in line] == [
        ["topoqa-train", "pipeline"]
    ] * 2


def targets(path: Path) -> list[str]:
    return [row.target for row in read_labels(path, split="x").rows]


def test_options_of_the_split(typed: Any, here: Path) -> None:
    data = ("--graphs", "g", "--labels", "labels.csv")
    assert typed("init", "a", *data, "--val-targets", "2XYZ, 5STU", "--test-targets=1ABC")[0] == 0
    assert targets(here / "a/labels/val.csv") == ["2XYZ", "5STU"]
    assert targets(here / "a/labels/test.csv") == ["1ABC"]
    assert typed("init", "b", *data, "--val-share", "0.4", "--test-share", "0.2")[0] == 0
    assert len(targets(here / "b/labels/val.csv")) == 2
    assert len(targets(here / "b/labels/test.csv")) == 1
    for name, seed in (("c", 1), ("d", 1), *((f"e{seed}", seed) for seed in range(2, 8))):
        assert typed("init", name, *data, "--seed", seed)[0] == 0
    assert targets(here / "c/labels/val.csv") == targets(here / "d/labels/val.csv")
    assert len({tuple(targets(path)) for path in here.glob("e*/labels/val.csv")}) > 1


def test_a_warning_on_related_targets_goes_to_standard_error(typed: Any, here: Path) -> None:
    _, out, err = typed("init", "mine", "--graphs", "g", "--labels", "labels.csv")
    assert "relatives" in err
    assert "relatives" not in out


def test_wrong_requests(typed: Any, here: Path) -> None:
    assert typed("init", ".")[0] == 0
    for arguments, words in (
        (("."), "\n  configs/train.yaml\n"),
        (("a", "--val-share", "1.5"), "--val-share"),
    ):
        status, out, err = typed("init", *arguments)
        assert (status, out) == (2, "")
        assert words in err
