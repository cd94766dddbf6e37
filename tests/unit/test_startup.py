"""What a command loads before it has anything to train: looked up in `sys.modules`, no clock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HEAVY = ("torch", "torch_geometric", "lightning", "pytorch_lightning", "pandas", "scipy")

# Runs each command line of the first argument in one fresh process, one after another, and
# prints what it loaded. The second argument is code to run before, which tests the probe itself.
PROBE = """
import io, json, sys
from contextlib import redirect_stdout, redirect_stderr

lines, heavy, before = json.loads(sys.argv[1])
exec(before)
from topoqa_train import cli
ended = []
for line in lines:
    sys.argv = ["topoqa-train", *line]
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = cli._status()
    ended.append([status, out.getvalue(), err.getvalue()])
print(json.dumps({"ended": ended, "loaded": [name for name in heavy if name in sys.modules]}))
"""


def probe(
    lines: list[list[str]], folder: Path, before: str = "", heavy: tuple[str, ...] = HEAVY
) -> dict[str, Any]:
    arguments = json.dumps([lines, heavy, before])
    done = subprocess.run(
        [sys.executable, "-c", PROBE, arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_help_of_every_command_loads_nothing_heavy(tmp_path: Path) -> None:
    from topoqa_train.plugins import discovery

    ours = [
        name
        for name, plugin in discovery.discover(discovery.COMMANDS).items()
        if plugin.distribution == discovery.OWN_DISTRIBUTION
    ]
    assert {"run", "pipeline", "leaderboard"} <= set(ours)
    lines = [["--help"], ["--version"], *([name, "--help"] for name in ours)]
    found = probe(lines, tmp_path)
    for line, (status, out, err) in zip(lines, found["ended"], strict=True):
        assert (line, status, err) == (line, 0, "")
        assert out
    assert found["loaded"] == []


def test_the_list_of_commands_loads_none_of_them(tmp_path: Path) -> None:
    from topoqa_train.plugins import discovery

    modules = {
        plugin.entry_point.module for plugin in discovery.discover(discovery.COMMANDS).values()
    }
    names = tuple(sorted({*modules, "topoqa_train.config.models"}))
    found = probe([["--help"], ["--version"], ["no-such"]], tmp_path, heavy=names)
    assert [status for status, _, _ in found["ended"]] == [0, 0, 2]
    assert found["loaded"] == []
    found = probe([["leaderboard", "--help"]], tmp_path, heavy=tuple(sorted(modules)))
    assert found["loaded"] == ["topoqa_train.commands.leaderboard"]


def test_reading_runs_loads_nothing_heavy(run_files: Callable[..., Path]) -> None:
    runs = [run_files(f"run_{number}") for number in range(3)]
    root = str(runs[0].parent)
    lines = [
        ["leaderboard", "--run-root", root],
        ["leaderboard", "--run-root", root, "--json"],
        ["summarise", "--run-root", root],
        ["monitor", "--run-root", root],
        ["monitor", "--run-root", root, "--table"],
        ["monitor", "--run-root", root, "--follow"],
    ]
    found = probe(lines, runs[0].parent.parent)
    assert [status for status, _, _ in found["ended"]] == [0] * len(lines)
    assert len(json.loads(found["ended"][1][1])["runs"]) == 3
    assert found["loaded"] == []


def test_maintenance_loads_nothing_heavy(run_files: Callable[..., Path], tmp_path: Path) -> None:
    root = run_files("run", completed="2020-01-01T00:00:00+00:00").parent
    graphs = tmp_path / "graphs"
    graphs.mkdir()
    for target in "ab":
        (graphs / f"{target}_0.pt").touch()
    (tmp_path / "labels.csv").write_text("MODEL,dockq\na_0,0.5\nb_0,0.25\n")
    lines = [
        ["init", "own", "--graphs", "graphs", "--labels", "labels.csv"],
        ["config", "show", "own/configs/train.yaml"],
        ["config", "show", "-m", "own/manifests/run_core.yaml", "--job", "phase2_seed101"],
        ["config", "schema"],
        ["plugins", "list", "--json"],
        ["runs", "archive", "run", "--run-root", str(root)],
        ["runs", "clean", "--older-than", "1d", "--keep-best", "1", "--run-root", str(root)],
        ["runs", "clean", "run", "--yes", "--run-root", str(root)],
    ]
    found = probe(lines, tmp_path)
    assert [status for status, _, _ in found["ended"]] == [0] * len(lines)
    assert found["loaded"] == []


def test_a_wrong_request_is_refused_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    names = ("batch", "fine-tune", "pipeline")
    lines = [["run", "-c", "no_such.yaml"], *([name, "-m", "no_such.yaml"] for name in names)]
    lines += [["no-such"], ["run"], ["run", "--from-run", "no_such"]]
    lines += [["run", "--from-run", "no/such"]]
    found = probe(lines, tmp_path)
    assert [status for status, _, _ in found["ended"]] == [2] * 8
    assert found["loaded"] == []


def test_the_probe_sees_what_is_loaded(tmp_path: Path) -> None:
    assert probe([], tmp_path, before="import scipy")["loaded"] == ["scipy"]
