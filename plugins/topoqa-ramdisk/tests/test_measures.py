from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from topoqa_ramdisk import measures
from topoqa_ramdisk.measures import RunMeasure, Side

COLUMNS = "epoch,step,learning_rate,train_mse,val_loss,epoch_seconds"


def write_run(root: Path, name: str, graph: str, created: str, **changes: Any) -> Path:
    """A run's files as they are documented."""
    run = root / name
    (run / "metrics").mkdir(parents=True)
    rows = [f"{n},{n},0.01,0.5,{0.1 / (n + 1)!r},{2.0 + n}" for n in range(2)]
    (run / "metrics" / "metrics.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")
    document = {
        "run_name": name,
        "created": created,
        "status": "completed",
        "job": name,
        "process": {"pid": 7, "started": 1.5},
        "data": {"graph": graph, "fingerprint": "abc", "read_seconds": 3.0},
        "test": {"loss": 0.25},
        **changes,
    }
    (run / "run_metadata.json").write_text(json.dumps(document))
    return run


def measure(job: str = "a", **changes: Any) -> RunMeasure:
    base = RunMeasure(
        run_id=job,
        job=job,
        epochs=2,
        seconds_in_epochs=5.0,
        read_seconds=3.0,
        process=(7, 1.5),
        fingerprint="abc",
        rows=({"epoch": 0, "val_loss": 0.1, "epoch_seconds": 1.0},),
        test={"loss": 0.25},
    )
    return replace(base, **changes)


def side(*runs: RunMeasure) -> Side:
    return Side(Path("/g"), Path("/r"), None, 60.0, runs)


def test_runs_of_these_graphs_made_since_then(tmp_path: Path) -> None:
    write_run(tmp_path, "b", "/shm/x/g", "2026-01-31T12:00:05.000+00:00")
    write_run(tmp_path, "a", "/shm/x/g", "2026-01-31T12:00:01.123+00:00")
    write_run(tmp_path, "old", "/shm/x/g", "2026-01-31T12:00:01.122+00:00")
    write_run(tmp_path, "other", "/data/g", "2026-01-31T12:00:05.000+00:00")
    write_run(tmp_path / "history", "moved", "/shm/x/g", "2026-01-31T12:00:06.000+00:00")
    since = datetime(2026, 1, 31, 12, 0, 1, 123900, tzinfo=UTC)
    found = measures.runs_of(tmp_path, Path("/shm/x/g"), since)
    assert [run.run_id for run in found] == ["a", "b", "moved"]
    first = found[0]
    assert (first.epochs, first.seconds_in_epochs, first.read_seconds) == (2, 5.0, 3.0)
    assert (first.process, first.fingerprint, first.test) == ((7, 1.5), "abc", {"loss": 0.25})
    assert first.to_json()["run_id"] == "a"


def test_a_run_that_never_read_its_data_is_none_of_them(tmp_path: Path) -> None:
    write_run(tmp_path, "a", "/g", "2026-01-31T12:00:05.000+00:00", data={})
    assert measures.runs_of(tmp_path, Path("/g"), datetime(2026, 1, 1, tzinfo=UTC)) == ()


class TestSide:
    def test_epochs_count_by_their_number(self) -> None:
        both = side(measure(), measure("b", epochs=8, seconds_in_epochs=15.0))
        assert both.epochs == 10
        assert both.epoch_seconds == 2.0

    def test_a_process_reads_once_for_all_its_runs(self) -> None:
        both = side(
            measure(),
            measure("b"),
            measure("c", process=(8, 2.0), read_seconds=5.0),
            measure("d", process=(9, 3.0), read_seconds=None),
        )
        assert both.read_seconds == 4.0

    def test_without_runs_there_are_no_values(self) -> None:
        assert (side().epochs, side().epoch_seconds, side().read_seconds) == (0, None, None)
        assert side().to_json()["runs"] == []


class TestDiffering:
    def test_equal_numbers_by_other_names_and_times(self) -> None:
        base = "first_2026-01-31_12-00-00"
        one = [measure(base), measure(f"{base}_phase2_seed5")]
        later = "first_2026-01-31_13-30-00_2"
        other = [measure(f"{later}_phase2_seed5"), measure(later, seconds_in_epochs=9.0)]
        assert measures.differing(one, other) == []

    def test_times_are_no_numbers(self) -> None:
        other = measure(rows=({"epoch": 0, "val_loss": 0.1, "epoch_seconds": 7.0},))
        assert measures.differing([measure()], [other]) == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"rows": ({"epoch": 0, "val_loss": math.nextafter(0.1, 1), "epoch_seconds": 1.0},)},
            {"rows": ()},
            {"test": {"loss": 0.5}},
            {"test": None},
            {"fingerprint": "abd"},
        ],
    )
    def test_the_last_bit_counts(self, changes: dict[str, Any]) -> None:
        assert measures.differing([measure()], [measure(**changes)]) == ["a"]

    def test_a_run_missing_on_the_other_side(self) -> None:
        assert measures.differing([measure(), measure("b")], [measure()]) == ["b"]

    def test_nan_is_like_nan(self) -> None:
        rows = ({"epoch": 0, "val_loss": math.nan},)
        assert measures.differing([measure(rows=rows)], [measure(rows=rows)]) == []


@pytest.mark.parametrize(
    ("baseline", "ramdisk", "expected"),
    [(3.0, 2.0, 1.5), (None, 2.0, None), (3.0, None, None), (3.0, 0.0, None)],
)
def test_ratio(baseline: float | None, ramdisk: float | None, expected: float | None) -> None:
    assert measures.ratio(baseline, ramdisk) == expected
