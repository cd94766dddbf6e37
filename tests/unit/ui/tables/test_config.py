from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from topoqa_train.config.value_sources import Value, ValueSource
from topoqa_train.ui.tables.config import config_table

HERE = Path("/home/x")
VALUES = [
    Value("paths.graph", HERE / "graphs", ValueSource("config", "graph_dir", HERE / "a.yaml", 3)),
    Value("trainer.num_epochs", 9, ValueSource("override", "-o trainer.num_epochs=9")),
    Value(
        "trainer.accumulate_grad_batches", 1, ValueSource("manifest", "shared", HERE / "m.yaml", 12)
    ),
    Value("selection.use_val_spearman", True, ValueSource("default")),
    Value("coverage.minimum_percent", 100.0, ValueSource("config", "coverage", HERE / "a.yaml", 8)),
    Value("paths.summary", None, ValueSource("default")),
]


def drawn(width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as capture:
        console.print(config_table(["a.yaml"], VALUES, HERE))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_each_value_with_its_origin() -> None:
    lines = [line.split() for line in drawn(80)[3:]]
    assert lines == [
        ["paths.graph", "graphs", "line", "3:", "graph_dir"],
        ["trainer.num_epochs", "9", "-o"],
        ["trainer.accumulate_grad_batches", "1", "manifest,", "line", "12"],
        ["selection.use_val_spearman", "true", "default"],
        ["coverage.minimum_percent", "100", "line", "8"],
        ["paths.summary", "-", "default"],
    ]


def test_eighty_columns_suffice() -> None:
    assert max(map(len, drawn(80))) <= 80
