"""`topoqa-train ramdisk`, from the command line's side."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from topoqa_ramdisk import benchmark
from topoqa_ramdisk.commands import ramdisk
from topoqa_ramdisk.pipelines import PipelineFailedError
from topoqa_train.errors import RequestError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Errors are left to the caller, as they are to `topoqa_train.cli`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAFE_RAMDISK_TEST_MODE", raising=False)
    app = typer.Typer(rich_markup_mode="markdown")
    settings = vars(ramdisk)["context_settings"]
    app.command("ramdisk", context_settings=settings)(ramdisk)
    runner = CliRunner()

    def invoke(*arguments: object, **variables: str) -> Any:
        return runner.invoke(app, [str(argument) for argument in arguments], env=variables)

    return invoke


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, pipelines: Any) -> Any:
    """Pipelines that train nothing in place of real ones."""
    runner = pipelines()

    @contextmanager
    def guarded(*, results_to_stderr: bool) -> Iterator[Any]:
        runner.results_to_stderr = results_to_stderr
        yield runner

    monkeypatch.setattr(benchmark, "guarded", guarded)
    return runner


def test_the_command_loads_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "scipy", "pandas", "lightning", "pydantic", "psutil"}
    code = f"import sys, topoqa_ramdisk.commands; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_whole_benchmark_loads_no_torch() -> None:
    code = "import sys, topoqa_ramdisk.benchmark; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_help_explains_where_other_options_go(run: Callable[..., Any]) -> None:
    done = run("--help", COLUMNS="200")
    assert done.exit_code == 0
    text = " ".join(done.output.split())
    assert "topoqa-train pipeline --help" in text
    for option in ("--config", "--skip-baseline", "--dry-run", "--test-mode", "--json"):
        assert option in text
    assert "SAFE_RAMDISK_TEST_MODE" in text


def test_a_dry_run_shows_and_makes_nothing(
    run: Callable[..., Any], fake: Any, tmp_path: Path
) -> None:
    done = run("--dry-run", "--test-mode", "-m", "x.yaml", "--skip-fine", "-o", "a.b=1", "-j2")
    assert done.exit_code == 0, done.output
    assert fake.asked == [["-m", "x.yaml", "--skip-fine", "-o", "a.b=1", "-j2"]]
    assert fake.ran == []
    assert "needed" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_for_programs(run: Callable[..., Any], fake: Any, graphs: Path) -> None:
    done = run("--dry-run", "--json", SAFE_RAMDISK_TEST_MODE="1")
    document = json.loads(done.stdout)
    assert document["graphs"]["source"] == str(graphs)
    assert document["place"] == {**document["place"], "kind": "folder", "in_memory": False}
    assert fake.results_to_stderr


def test_a_dry_run_reports_what_does_not_fit(
    run: Callable[..., Any], fake: Any, tmp_path: Path
) -> None:
    (tmp_path / "small.yaml").write_text("size: 1KiB\n")
    done = run("--dry-run", "--test-mode", "--config", "small.yaml")
    assert isinstance(done.exception, RequestError)
    assert "size allows 1.0 KiB" in done.exception.message
    assert "needed" in done.stdout


def test_json_is_alone_on_standard_output(
    run: Callable[..., Any], fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = run("--json", "--test-mode", "--skip-baseline")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["status"] == "completed"
    assert "Took down" in done.stderr


def test_the_pipelines_status_is_passed_on(run: Callable[..., Any], fake: Any) -> None:
    def fail(arguments: list[str]) -> None:
        raise PipelineFailedError(143)

    fake.on_run = fail
    assert run("--test-mode").exit_code == 143


@pytest.mark.parametrize(("value", "kind"), [("1", "folder"), ("0", "other"), ("", "other")])
def test_the_variable_asks_for_the_test_mode(
    run: Callable[..., Any],
    fake: Any,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    kind: str,
) -> None:
    from topoqa_ramdisk import disks

    def choose(*, test_mode: bool) -> Any:
        raise RequestError("folder" if test_mode else "other")

    monkeypatch.setattr(disks, "choose", choose)
    done = run(SAFE_RAMDISK_TEST_MODE=value)
    assert isinstance(done.exception, RequestError), done.output
    assert done.exception.message == kind
