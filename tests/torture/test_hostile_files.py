"""Untrusted files and the real executable: no code runs, nothing hangs, memory stays bounded."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hostile import CASES, MARK, MIB, OPTIONAL, UNTRUSTED, command, copy_run
from killing import kill_tree
from projects import EXECUTABLE, Project, assert_no_trace, environment

HANG_SECONDS = 300
# What a command may take beyond what it takes on files of friends, all of them under a MiB here.
MORE = 150 * MIB


def measured(arguments: tuple[object, ...], cwd: Path) -> tuple[int, str, int]:
    """Status, what it said on standard error, and the most memory that one process of it had."""
    with (cwd / "err").open("w") as err:
        process = subprocess.Popen(
            [EXECUTABLE, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
            cwd=cwd,
            env=environment(),
            start_new_session=True,
        )
    until = time.monotonic() + HANG_SECONDS
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > until:
            kill_tree(process)
            pytest.fail(f"it hangs: {arguments}")
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, (cwd / "err").read_text(), usage.ru_maxrss * 1024


@pytest.fixture(scope="module")
def friendly(trained, base_project, tmp_path_factory):
    """The most memory that each command takes where nobody means ill."""
    root = tmp_path_factory.mktemp("friendly")
    shutil.copytree(base_project.root, root / "p", ignore=shutil.ignore_patterns("runs"))
    project = Project(root / "p")
    copy_run(trained.run("first"), project)
    shutil.copy(
        (trained.run("first") / "model_checkpoints" / "best.ckpt").resolve(),
        project.root / "x.ckpt",
    )
    known: dict[tuple[str, ...], int] = {}

    def most(kind: str) -> int:
        _, arguments = command(kind, project)
        key = tuple(map(str, arguments))
        if key not in known:
            status, said, known[key] = measured(arguments, root)
            assert status == 0, said
        return known[key]

    return most


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.how}")
def test_an_untrusted_file(case, trained, friendly, project, tmp_path):
    copy_run(trained.run("first"), project)
    file, arguments = command(case.kind, project)
    case.spoil(file, project.root)
    before = {path for path in tmp_path.rglob("*") if (project.root / "out") not in path.parents}
    status, said, memory = measured(arguments, tmp_path)
    assert status == 2 or (status == 0 and case.kind in OPTIONAL), said
    assert_no_trace(said)
    if status == 2:
        assert file.name in said.replace("\n", "") or file.stem in said
        assert len(said.splitlines()) <= 60
        assert max(map(len, said.splitlines())) < 2000
    assert memory < friendly(case.kind) + MORE
    assert not list(tmp_path.rglob(MARK))
    after = {path for path in tmp_path.rglob("*") if (project.root / "out") not in path.parents}
    assert {path.name for path in after - before} <= {"err", "out"}


def test_a_structure_that_unpacks_to_much(tmp_path):
    """As `graphs build` reads them; the plugin's own tests have many more."""
    (tmp_path / "decoys").mkdir()
    with gzip.open(tmp_path / "decoys" / "x.pdb.gz", "wb", compresslevel=9) as bomb:
        for _ in range(2048):
            bomb.write(b"\n" * MIB)
    status, said, memory = measured(
        ("graphs", "build", "--structures", tmp_path / "decoys", "--out", tmp_path / "graphs"),
        tmp_path,
    )
    assert status in (1, 2), said
    assert "x.pdb.gz" in said
    assert_no_trace(said)
    assert memory < 1024 * MIB
    assert not list((tmp_path / "graphs").rglob("*.pt"))


def test_a_run_whose_links_lead_out(trained, project, cli, tmp_path):
    copy_run(trained.run("first"), project)
    secret = tmp_path / "secret.ckpt"
    shutil.copy(trained.run("first") / "model_checkpoints" / "last.ckpt", secret)
    folder = project.runs / UNTRUSTED / "model_checkpoints"
    for link in ("best.ckpt", "second_best.ckpt"):
        (folder / link).unlink()
        (folder / link).symlink_to(secret)
    document = json.loads(cli("summarise", "--run-dir", project.runs / UNTRUSTED).out)
    assert str(secret) not in json.dumps({**document, "broken_links": None, "warnings": None})
    content = secret.read_bytes()
    more = ("-o", "trainer.num_epochs=5")
    assert cli("resume", "--run-dir", project.runs / UNTRUSTED, *more).status in (0, 2)
    assert secret.read_bytes() == content
