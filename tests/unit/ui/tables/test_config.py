from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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


def test_each_value_with_its_origin_in_eighty_columns(lines: Callable[..., list[str]]) -> None:
    shown = lines(config_table(["a.yaml"], VALUES, HERE), 80)
    assert [line.split() for line in shown[3:]] == [
        ["paths.graph", "graphs", "line", "3:", "graph_dir"],
        ["trainer.num_epochs", "9", "-o"],
        ["trainer.accumulate_grad_batches", "1", "manifest,", "line", "12"],
        ["selection.use_val_spearman", "true", "default"],
        ["coverage.minimum_percent", "100", "line", "8"],
        ["paths.summary", "-", "default"],
    ]
