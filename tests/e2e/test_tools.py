"""config, data, plugins and runs through the real executable, on a project that was trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import Project

ESCAPE = "\x1b"


@pytest.fixture
def runs(trained: Any, tmp_path: Path) -> Path:
    """A copy of all that the pipeline of the session left."""
    shutil.copytree(trained.project.runs, tmp_path / "runs", symlinks=True)
    return tmp_path / "runs"


def names(root: Path) -> set[str]:
    return {path.parent.name for path in root.glob("*/run_metadata.json")} - {"latest"}


class TestConfig:
    def test_a_run_s_own_config_says_every_value_in_its_file(self, trained: Any, cli: Any) -> None:
        run = trained.run("second")
        done = cli("config", "show", run / "config" / "config.yaml", "--json")
        document = json.loads(done.out)
        assert (done.status, done.err) == (0, "")
        values = {value["key"]: value for value in document["values"]}
        assert values["optimizer.learning_rate"]["value"] == 0.02
        said = [value for value in values.values() if value["value"] not in (None, {})]
        assert {value["from"]["kind"] for value in said} == {"config"}

    def test_what_is_shown_of_a_job_is_what_its_run_had(self, trained: Any, cli: Any) -> None:
        project = trained.project
        arguments = ("config", "show", "-m", project.manifest, "--job", "second", "--json")
        ours = json.loads(cli(*arguments).out)
        run = trained.run("second") / "config" / "config.yaml"
        theirs = json.loads(cli("config", "show", run, "--json").out)

        def values(document: dict[str, Any]) -> dict[str, Any]:
            return {value["key"]: value["value"] for value in document["values"]}

        assert values(ours) == values(theirs)

    @pytest.mark.parametrize("option", [(), ("--manifest",)])
    def test_a_schema_is_json_alone(self, cli: Any, option: tuple[str, ...]) -> None:
        done = cli("config", "schema", *option)
        assert (done.status, done.err) == (0, "")
        assert json.loads(done.out)["$schema"].startswith("http://json-schema.org/")


class TestData:
    def test_stats_of_what_was_trained_on(self, trained: Any, cli: Any) -> None:
        done = cli("data", "stats", "-c", trained.project.config, "--json")
        document = json.loads(done.out)
        run = json.loads((trained.run("first") / "run_metadata.json").read_text())
        assert done.status == 0
        counts = {name: part["decoys"] for name, part in document["splits"].items()}
        assert counts == run["data"]["graphs"]
        assert document["splits"]["val"]["left_out"] == {"no dockq": 3}
        for part in document["splits"].values():
            assert sum(part["dockq"].values()) == part["decoys"]
        assert ESCAPE not in done.err

    def test_a_table_within_its_width(self, project: Project, cli: Any) -> None:
        done = cli("data", "stats", "-c", project.config, COLUMNS="80")
        assert done.status == 0
        assert max(map(len, done.out.splitlines())) <= 80
        assert ESCAPE not in done.out

    def test_what_filter_keeps_can_be_trained_on(self, project: Project, cli: Any) -> None:
        (project.graphs / "train0_000.pt").unlink()
        (project.graphs / "train0_001.pt").write_bytes(b"cut short")
        bad = cli("run", "-c", project.config, "--fast-dev-run", "--output-root", project.runs)
        assert bad.status == 2
        new = project.root / "sound.csv"
        arguments = ("data", "filter", project.labels("train"), "--graphs", project.graphs)
        done = cli(*arguments, "--out", new, "--json")
        reasons = [item["reason"] for item in json.loads(done.out)["left_out"]]
        assert sorted(reasons) == ["broken graph", "no graph"]
        good = cli(
            *("run", "-c", project.config, "--fast-dev-run", "--output-root", project.runs),
            *("-o", f"paths.train_labels={new}"),
        )
        assert good.status == 0, good.err


class TestRuns:
    def test_clean_lists_then_deletes_and_the_others_read_as_before(
        self, runs: Path, cli: Any
    ) -> None:
        before = names(runs)
        board = json.loads(cli("leaderboard", "--run-root", runs, "--json").out)["runs"]
        listed = cli("runs", "clean", "--keep-best", "2", "--run-root", runs, "--json")
        planned = json.loads(listed.out)
        assert listed.status == 0
        assert planned["deleted"] is None
        assert names(runs) == before
        kept = {run["run_id"] for run in planned["keep"]}
        assert {run["run_id"] for run in board[:2]} <= kept
        doomed = {run["run_id"] for run in planned["delete"]}
        assert doomed
        assert doomed | kept == before

        done = cli("runs", "clean", "--keep-best", "2", "--run-root", runs, "--yes")
        assert done.status == 0, done.err
        assert names(runs) == kept
        after = json.loads(cli("leaderboard", "--run-root", runs, "--json").out)["runs"]
        left = [run for run in board if run["run_id"] in kept]
        assert [run["value"] for run in after] == [run["value"] for run in left]
        assert not list(runs.glob(".deleting*"))

    def test_what_fine_tuning_started_from_goes_with_it_or_stays(
        self, runs: Path, cli: Any
    ) -> None:
        done = cli("runs", "clean", "--older-than", "0h", "--run-root", runs, "--json")
        document = json.loads(done.out)
        # `latest` is of phase 2, so it, its phase 1 and their base stay.
        latest = (runs / "latest").resolve().name
        started = json.loads((runs / latest / "run_metadata.json").read_text())["started_from"]
        why = {run["run_id"]: run["why"] for run in document["keep"]}
        assert why[latest] == "is what latest points at"
        assert why[started["run_id"]] == f"is the starting point of {latest}"
        assert len(why) == 3

    def test_archive_and_back(self, runs: Path, cli: Any) -> None:
        every = names(runs)
        done = cli("runs", "archive", "--keep", "0", "--run-root", runs, "--json")
        moved = {run["run_id"] for run in json.loads(done.out)["moved"]}
        assert moved
        assert names(runs / "history") == moved
        assert names(runs) == every - moved
        back = cli("runs", "archive", "--undo", *sorted(moved), "--run-root", runs)
        assert back.status == 0, back.err
        assert names(runs) == every

    def test_a_run_can_go_on_after_it_was_in_history(
        self, project: Project, cli: Callable[..., Any]
    ) -> None:
        arguments = ("run", "-c", project.config, "--output-root", project.runs)
        assert cli(*arguments, "--run-name", "a", "-o", "trainer.num_epochs=1").status == 0
        assert cli(*arguments, "--run-name", "b", "-o", "trainer.num_epochs=1").status == 0
        assert cli("runs", "archive", "a", "--run-root", project.runs).status == 0
        more = ("-o", "trainer.num_epochs=2", "--output-root", project.runs)
        done = cli("resume", "--run-id", "a", *more)
        assert done.status == 0, done.err
        table = (project.runs / "history" / "a" / "metrics" / "metrics.csv").read_text()
        assert len(table.splitlines()) == 3
