"""Use what is installed, far from the checkout: `python installed.py FOLDER [--train]`."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

EXECUTABLE = Path(sysconfig.get_path("scripts")) / "topoqa-train"


def main() -> None:
    folder, train = Path(sys.argv[1]), "--train" in sys.argv
    folder.mkdir(parents=True, exist_ok=True)
    assert output(folder, "--version") == f"topoqa-train {metadata.version('topoqa-train')}\n"
    shown = output(folder, "--help")
    for entry in metadata.entry_points(group="topoqa_train.commands"):
        assert f" {entry.name} " in shown, f"{entry.name} is not in the help"
    shown = output(folder, "config", "show", "sched_boost_seed222", "--json")
    assert json.loads(shown)["values"]
    assert "runs" in output(folder, "leaderboard", "--run-root", folder, status=2)
    if train:
        use_for_training(folder)
    sys.stdout.write(f"Python {sys.version.split()[0]}: the installed program works\n")


def use_for_training(folder: Path) -> None:
    """Train a small network, and find its run."""
    from projects import make_project  # needs the product itself

    project = make_project(folder / "p")
    root = ("--output-root", project.runs)
    output(folder, "run", "-c", project.config, "--run-name", "r", *root)
    board = json.loads(output(folder, "leaderboard", "--run-root", project.runs, "--json"))
    assert [(run["run_id"], run["status"]) for run in board["runs"]] == [("r", "completed")]
    assert Path(board["runs"][0]["checkpoint"]).is_file()


def output(folder: Path, *arguments: object, status: int = 0) -> str:
    """Return what a command prints; raise an error if it ends with another status."""
    command = [str(EXECUTABLE), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{command} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
