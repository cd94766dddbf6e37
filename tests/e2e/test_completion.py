"""Completion as shells ask for it, through the scripts that they are given."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from projects import EXECUTABLE, Project, environment

Ask = Callable[..., list[str]]


@pytest.fixture
def ask(cli, project) -> Ask:
    """What bash is offered for the last of `words`, with the project as the working directory."""

    def offered(*words: str, **changes: str) -> list[str]:
        line = {"COMP_WORDS": "\n".join(["topoqa-train", *words]), "COMP_CWORD": str(len(words))}
        changes = {"_TOPOQA_TRAIN_COMPLETE": "complete_bash", **line, **changes}
        done = cli(cwd=project.root, **changes)
        assert (done.status, done.err) == (0, "")
        return done.out.split()

    return offered


class TestNames:
    def test_of_commands_in_the_order_of_the_help(self, ask: Ask) -> None:
        names = ask("")
        assert names[:2] == ["pipeline", "run"]
        assert {"resume", "leaderboard", "graphs"} <= set(names)
        assert ask("re") == ["resume"]

    def test_of_commands_below_a_command(self, ask: Ask) -> None:
        assert {"build", "decoys", "validate", "demo"} <= set(ask("graphs", ""))

    def test_of_options(self, ask: Ask) -> None:
        assert ask("leaderboard", "--li") == ["--limit"]
        assert "--keep-structures" in ask("graphs", "demo", "--")
        assert {"--debug", "--version", "--help"} <= set(ask("--"))

    def test_behind_an_option_and_its_value(self, ask: Ask) -> None:
        assert ask("leaderboard", "--limit", "3", "--js") == ["--json"]
        assert ask("--debug", "leader") == ["leaderboard"]

    @pytest.mark.parametrize(
        "words", [("no-such", "zzz"), ("help", "zzz"), ("leaderboard", "--no-such", "x", "zz")]
    )
    def test_where_there_is_nothing_nothing_is_said(self, ask: Ask, words: Sequence[str]) -> None:
        assert ask(*words) == []


class TestValues:
    def test_shipped_configs_and_files(self, ask: Ask) -> None:
        assert ask("run", "--config", "sched_boost_s") == [
            f"sched_boost_seed{seed}" for seed in (1337, 222, 777)
        ]
        assert ask("run", "-c", "fine") == ["fine.yaml", "fine_seed5.yaml", "fine_seed6.yaml"]

    def test_files_in_folders_as_they_were_begun(self, ask: Ask, project: Project) -> None:
        assert ask("run", "-c", "./conf") == ["./config.yaml"]
        assert ask("run", "-c", f"{project.root}/conf") == [str(project.config)]
        (project.root / "deep").mkdir()
        shutil.copy(project.config, project.root / "deep" / "x.yml")
        assert ask("run", "-c", "dee") == ["deep/x.yml"]
        assert ask("run", "-c", "nowhere/") == []

    def test_manifests(self, ask: Ask) -> None:
        assert ask("pipeline", "-m", "run_") == ["run_core", "run_extended"]
        assert ask("pipeline", "--manifest", "man") == ["manifest.yaml"]

    def test_runs(self, ask: Ask, project: Project, run_files: Callable[..., Path]) -> None:
        assert ask("resume", "--run-id", "") == []
        root = run_files("one").parent
        run_files("two", folder="history")
        assert ask("resume", "--output-root", str(root), "--run-id", "") == ["latest", "one", "two"]
        assert ask("resume", "--run-id", "t", TOPOQA_TRAIN_RUNS=str(root)) == ["two"]

    def test_metrics_are_the_columns_of_the_newest_run(
        self, ask: Ask, run_files: Callable[..., Path], epoch: type
    ) -> None:
        assert "val_loss" in ask("leaderboard", "--metric", "val_")
        root = str(run_files("one", [epoch(0.5, extra={"val_of_mine": 1.0})]).parent)
        assert ask("leaderboard", "--run-root", root, "--metric", "val_o") == ["val_of_mine"]

    def test_keys_of_a_config(self, ask: Ask) -> None:
        assert ask("run", "-o", "optimizer.l") == ["optimizer.learning_rate="]
        assert "trainer.num_epochs=" in ask("pipeline", "--override", "tr")


def in_shell(shell: str, code: str, home: Path, cwd: Path) -> str:
    """What a real shell prints, with nothing of the user's own in it."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not here")
    quiet = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    path = f"{EXECUTABLE.parent}:{environment()['PATH']}"
    done = subprocess.run(
        [found, *quiet, "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(HOME=str(home), ZDOTDIR=str(home), PATH=path),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# How a script has its shell complete `topoqa-train leaderboard --me` and print the offers.
BY_HAND = {
    "bash": """
COMP_WORDS=(topoqa-train leaderboard --me); COMP_CWORD=2
$(complete -p topoqa-train | sed 's/.*-F \\([^ ]*\\).*/\\1/') topoqa-train
echo "${COMPREPLY[@]}"
""",
    "zsh": """
words=(topoqa-train leaderboard --me); CURRENT=3
_arguments() { print -r -- "$@" }
_topoqa_train_completion
""",
    "fish": "complete -C 'topoqa-train leaderboard --me'",
}
BEFORE = {"bash": "", "zsh": "compdef() { }\n", "fish": ""}


@pytest.mark.parametrize("shell", BY_HAND)
def test_a_shell_takes_the_script_that_is_shown(
    shell: str, tmp_path: Path, project: Project
) -> None:
    # Two commands in a line: for one alone the shell would give its place to it.
    shown = in_shell(shell, "topoqa-train --show-completion; true", tmp_path, project.root)
    assert "topoqa-train" in shown
    code = f"{BEFORE[shell]}{shown}\n{BY_HAND[shell]}"
    assert "--metric" in in_shell(shell, code, tmp_path, project.root)


def test_installing_it_for_bash(tmp_path: Path, project: Project) -> None:
    said = in_shell("bash", "topoqa-train --install-completion; true", tmp_path, project.root)
    assert "bash completion installed in" in said
    code = f". {tmp_path}/.bashrc\n{BY_HAND['bash']}"
    assert in_shell("bash", code, tmp_path, project.root).split() == ["--metric"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_lines_of_help_go_with_the_names(cli, project: Project, shell: str) -> None:
    line = {"_TYPER_COMPLETE_ARGS": "topoqa-train lead", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = cli(cwd=project.root, _TOPOQA_TRAIN_COMPLETE=f"complete_{shell}", **line)
    assert (done.status, done.err) == (0, "")
    assert "leaderboard" in done.out
    assert "Rank " in done.out


def test_an_error_is_not_written_into_the_line_that_is_being_typed(cli, project: Project) -> None:
    loop = project.root / "loop"
    loop.symlink_to(loop)
    line = {"COMP_WORDS": f"topoqa-train\nresume\n--output-root\n{loop}\n--run-id\n"}
    done = cli(cwd=project.root, _TOPOQA_TRAIN_COMPLETE="complete_bash", COMP_CWORD="5", **line)
    assert (done.out.strip(), done.err) == ("", "")
