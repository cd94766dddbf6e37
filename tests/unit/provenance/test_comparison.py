from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.launch.job import RerunOf
from topoqa_train.provenance import comparison
from topoqa_train.provenance.environment import Environment
from topoqa_train.runs import metadata
from topoqa_train.runs.paths import RunPaths

NOW = Environment(versions={"numpy": "2"}, host={}, git=None, code=None, environment={})
DATA = {"fingerprint": "w", "fingerprints": {"labels": "l", "graphs": "g"}}
TEST = {"val_loss": 0.5, "rho": 0.25}


@pytest.fixture
def old(run_files: Any) -> Path:
    run: Path = run_files("old", versions={"numpy": "1"}, data=DATA, test=TEST)
    return run


@pytest.fixture
def new(run_files: Any, old: Path) -> Path:
    rerun_of = {"run_id": "old", "run_dir": str(old), "differs": []}
    run: Path = run_files("new", rerun_of=rerun_of, data=DATA)
    return run


def ended(run: Path, test: Any = TEST) -> tuple[str, ...]:
    paths = RunPaths(run)
    document = metadata.read(paths.metadata)
    rerun_of = comparison.with_metrics(paths, document, test)
    kept = json.loads(json.dumps(rerun_of))
    return comparison.closing_lines(document.model_copy(update={"rerun_of": kept}))


class TestStart:
    def test_what_was_not_reported_yet_is_news(self, old: Path) -> None:
        again = RerunOf(run_id="old", run_dir=old, differs=({"what": "asked"},))
        document, news = comparison.at_start(again, NOW)
        assert [str(each) for each in news] == ["numpy: 1 then, 2 now"]
        assert (document["run_id"], document["run_dir"]) == ("old", str(old))
        assert [each["what"] for each in document["differs"]] == ["asked", "numpy"]
        reported = again.model_copy(update={"reported": ("numpy: 1 then, 2 now",)})
        assert comparison.at_start(reported, NOW) == (document, [])

    def test_a_run_of_another_program_is_not_compared(self, old: Path) -> None:
        again = RerunOf(run_id="old", run_dir=old, compared=False)
        document, news = comparison.at_start(again, replace(NOW, versions={}))
        assert news == []
        assert document["compared"] is False

    def test_nor_of_one_that_is_gone(self, tmp_path: Path) -> None:
        again = RerunOf(run_id="old", run_dir=tmp_path / "gone")
        document, news = comparison.at_start(again, NOW)
        assert document["differs"] == news == []


class TestData:
    def test_the_same(self, new: Path) -> None:
        document = metadata.read(RunPaths(new).metadata)
        found = comparison.with_data(RunPaths(new), document)
        assert found is not None
        assert (found[0]["data_differs"], found[1]) == ([], [])

    def test_others(self, new: Path) -> None:
        document = metadata.read(RunPaths(new).metadata)
        other = {"fingerprint": "v", "fingerprints": {"labels": "m", "graphs": "g"}}
        found = comparison.with_data(RunPaths(new), document.model_copy(update={"data": other}))
        assert found is not None
        assert [each["what"] for each in found[0]["data_differs"]] == ["hash of the labels"]
        assert [str(each) for each in found[1]] == ["hash of the labels: l then, m now"]

    def test_with_nothing_to_compare(self, run_files: Any, new: Path, old: Path) -> None:
        alone = RunPaths(run_files("alone"))
        assert comparison.with_data(alone, metadata.read(alone.metadata)) is None
        (old / "run_metadata.json").unlink()
        assert comparison.with_data(RunPaths(new), metadata.read(RunPaths(new).metadata)) is None


class TestEnd:
    def test_the_same_to_the_last_bit(self, new: Path) -> None:
        assert ended(new) == (
            "Equal to old, bit for bit: every metric of 4 epochs and of the test split.",
        )

    def test_without_a_test_split(self, new: Path) -> None:
        assert ended(new, None) == ("Equal to old, bit for bit: every metric of 4 epochs.",)

    def test_metrics_of_the_test_split_that_differ(self, new: Path) -> None:
        first, second = ended(new, {**TEST, "rho": 0.5})
        assert first == "Equal to old, bit for bit: every metric of 4 epochs."
        assert second == "The metrics of the test split differ from old."

    def test_from_which_epoch_on_they_differ(self, new: Path, old: Path) -> None:
        table = old / "metrics" / "metrics.csv"
        table.write_text(table.read_text().replace("0.07,", "0.0700000001,"))
        first, second, *_ = ended(new)
        assert first == "Not equal to old: metrics differ from epoch 2 on (counted from 0)."
        assert second == "  val_loss: 0.0700000001 then, 0.07 now"

    def test_a_shorter_one_is_compared_as_far_as_it_goes(self, new: Path) -> None:
        table = new / "metrics" / "metrics.csv"
        table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
        assert ended(new) == (
            "Equal to old, bit for bit: every metric of 1 epoch.",
            "old has 4 epochs, this run 1.",
        )

    def test_one_that_has_no_epoch(self, new: Path, old: Path) -> None:
        (old / "metrics" / "metrics.csv").unlink()
        assert ended(new)[0] == "old and this run have no epoch in common to compare."

    def test_the_other_is_found_in_history(self, new: Path, old: Path) -> None:
        (old.parent / "history").mkdir()
        old.rename(old.parent / "history" / "old")
        assert ended(new)[0].startswith("Equal to old")

    def test_and_where_both_were_moved_to(self, new: Path, tmp_path: Path) -> None:
        new.parent.rename(tmp_path / "away")
        assert ended(tmp_path / "away" / "new")[0].startswith("Equal to old")

    def test_a_run_that_is_gone_is_reported(self, new: Path, old: Path) -> None:
        old.rename(old.parent / "renamed")
        assert ended(new) == ("old is gone: there are no metrics to compare with.",)

    def test_it_is_never_compared_with_itself(self, run_files: Any, tmp_path: Path) -> None:
        rerun_of = {"run_id": "same", "run_dir": str(tmp_path / "gone" / "same"), "differs": []}
        assert "is gone" in ended(run_files("same", rerun_of=rerun_of))[0]

    def test_a_name_can_t_lead_out_of_the_folder(self, run_files: Any, tmp_path: Path) -> None:
        run_files("outer")
        rerun_of = {"run_id": "../outer", "run_dir": str(tmp_path / "gone"), "differs": []}
        inner = run_files("inner", folder="history", rerun_of=rerun_of)
        assert "is gone" in ended(inner)[0]

    def test_any_other_run_ends_without_lines(self, run_files: Any) -> None:
        assert ended(run_files("alone")) == ()
