from __future__ import annotations

from pathlib import Path

from topoqa_train.runs.paths import RunPaths


def test_every_file_has_the_name_that_was_promised(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "job_2026-01-31_12-00-00")
    promised = {
        "config/config.yaml": paths.config,
        "config/original_config.yaml": paths.original_config,
        "config/applied_overrides.yaml": paths.applied_overrides,
        "run_metadata.json": paths.metadata,
        "training_console.log": paths.console_log,
        "feature_metadata.json": paths.feature_metadata,
        "dataset_coverage.json": paths.coverage,
        "metrics/metrics.csv": paths.metrics,
        "model_checkpoints": paths.checkpoints,
        "model_checkpoints/best.ckpt": paths.best,
        "model_checkpoints/last.ckpt": paths.last,
    }
    assert {name: paths.relative(path) for name, path in promised.items()} == {
        name: name for name in promised
    }
    assert paths.run_id == "job_2026-01-31_12-00-00"
    assert not paths.root.exists()
