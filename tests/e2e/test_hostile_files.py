"""Files of strangers, through the real executable: no code is run, nothing hangs or is outgrown."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from killing import kill_tree
from projects import EXECUTABLE, Project, assert_no_trace, environment

MIB = 2**20
HANG_SECONDS = 300
# What a command may take beyond what it takes on files of friends, all of them under a MiB here.
MORE = 150 * MIB
MARK = "was_here"


class RunsCode:
    """Unpickled by whoever trusts it, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, (f"touch {self.mark}",))


def pickled(path: Path, root: Path) -> None:
    path.write_bytes(pickle.dumps(RunsCode(root / MARK)))


def torch_pickled(path: Path, root: Path) -> None:
    torch.save({"state_dict": RunsCode(root / MARK), "x": torch.ones(2)}, path)


def unpacks_to_much(path: Path, root: Path) -> None:
    """A whole file of torch's but for one entry, which is 4 GiB of nought, packed small."""
    del root
    torch.save({"x": torch.ones(3)}, path)
    with zipfile.ZipFile(path) as good:
        entries = {info.filename: good.read(info) for info in good.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bomb:
        for name, content in entries.items():
            if not name.endswith("data/0"):
                bomb.writestr(name, content)
        (name,) = [name for name in entries if name.endswith("data/0")]
        with bomb.open(name, "w", force_zip64=True) as entry:
            for _ in range(4096):
                entry.write(bytes(MIB))


def claims_much(path: Path, root: Path) -> None:
    """A tensor of 10^12 numbers over a storage of one: views are free, copies of them are not."""
    del root
    endless = torch.ones(1).expand(10**12)
    torch.save({"x": endless, "edge_index": endless, "edge_attr": endless}, path)


def nobody_writes_to_it(path: Path, root: Path) -> None:
    del root
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def endless(path: Path, root: Path) -> None:
    del root
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def a_folder(path: Path, root: Path) -> None:
    del root
    path.unlink(missing_ok=True)
    path.mkdir()


def text(content: str | bytes) -> Callable[[Path, Path], None]:
    def write(path: Path, root: Path) -> None:
        del root
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


LAUGHS = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}\n" for n in range(1, 40)
)
DEEP = "[" * 100_000


@dataclass(frozen=True)
class Case:
    kind: str
    how: str
    spoil: Callable[[Path, Path], None]


def cases(kind: str, **ways: Callable[[Path, Path], None]) -> list[Case]:
    everywhere = {
        "fifo": nobody_writes_to_it,
        "endless": endless,
        "folder": a_folder,
        "noise": text(bytes(range(256)) * 64),
        "empty": text(b""),
    }
    return [
        Case(kind, how.replace("_", " "), spoil) for how, spoil in {**everywhere, **ways}.items()
    ]


OF_TORCH = {
    "pickled_code": pickled,
    "code_in_a_checkpoint": torch_pickled,
    "zip_bomb": unpacks_to_much,
    "claims_much": claims_much,
}
CASES = [
    *cases("graph", **OF_TORCH),
    *cases("checkpoint", **OF_TORCH),
    *cases(
        "config",
        laughs=text(LAUGHS),
        code=text('x: !!python/object/apply:os.system ["touch was_here"]\n'),
        deep=text(DEEP),
        digits=text("trainer: {num_epochs: " + "9" * 60_000 + "}\n"),
    ),
    *cases(
        "manifest",
        laughs=text(LAUGHS),
        code=text('jobs: !!python/object/apply:os.system ["touch was_here"]\n'),
        deep=text(DEEP),
        leads_out=text("jobs: [{name: ../../x, config: config.yaml}]\n"),
        a_name_that_leads_out=text("jobs: [{name: x, run_name: ../x, config: config.yaml}]\n"),
        many_jobs=text("jobs:\n" + "- {name: x, config: config.yaml}\n" * 30_000),
    ),
    *cases(
        "labels",
        leads_out=text("MODEL,dockq\n../../x,0.5\n/etc/passwd,0.1\n"),
        quote_without_end=text('MODEL,dockq\n"' + "x\n" * 200_000),
        wide=text("MODEL,dockq" + ",a" * 200_000 + "\n"),
        nulls=text("MODEL,dockq\nx\0,0.5\n"),
    ),
    *cases(
        "graph_metadata",
        deep=text(DEEP),
        digits=text('{"num_node_features": ' + "9" * 60_000 + "}"),
    ),
    *cases("run_metadata", deep=text(DEEP), digits=text('{"created": ' + "9" * 60_000 + "}")),
    *cases("metrics", wide=text("epoch" + ",a" * 200_000 + "\n")),
]


def command(kind: str, project: Project) -> tuple[Path, tuple[object, ...]]:
    """The file of that kind, and the command that reads it."""
    pipeline = ("pipeline", "-m", project.manifest, "--output-root", project.root / "out")
    run = ("run", "-c", project.config, "--output-root", project.root / "out", "--fast-dev-run")
    theirs = project.runs / "stranger"
    return {
        "graph": (project.graphs / "train0_000.pt", pipeline),
        "checkpoint": (project.root / "x.ckpt", (*run, "--resume-from", project.root / "x.ckpt")),
        "config": (project.config, pipeline),
        "manifest": (project.manifest, pipeline),
        "labels": (project.labels("val"), pipeline),
        "graph_metadata": (project.graphs / "graph_metadata.json", run),
        "run_metadata": (
            theirs / "run_metadata.json",
            ("summarise", "--run-dir", theirs),
        ),
        "metrics": (
            theirs / "metrics" / "metrics.csv",
            ("summarise", "--run-dir", theirs),
        ),
    }[kind]


# Where a reader may make do without the file, or with what is left of it.
MAY_GO_ON = ("graph_metadata", "run_metadata", "metrics")


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


def stranger(trained, project: Project) -> None:
    shutil.copytree(trained.run("first"), project.runs / "stranger", symlinks=True)


@pytest.fixture(scope="module")
def friendly(trained, base_project, tmp_path_factory):
    """The most memory that each command takes where nobody means ill."""
    root = tmp_path_factory.mktemp("friendly")
    shutil.copytree(base_project.root, root / "p", ignore=shutil.ignore_patterns("runs"))
    project = Project(root / "p")
    stranger(trained, project)
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
def test_a_file_of_a_stranger(case, trained, friendly, project, tmp_path):
    stranger(trained, project)
    file, arguments = command(case.kind, project)
    case.spoil(file, project.root)
    before = {path for path in tmp_path.rglob("*") if (project.root / "out") not in path.parents}
    status, said, memory = measured(arguments, tmp_path)
    assert status == 2 or (status == 0 and case.kind in MAY_GO_ON), said
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
    stranger(trained, project)
    secret = tmp_path / "secret.ckpt"
    shutil.copy(trained.run("first") / "model_checkpoints" / "last.ckpt", secret)
    folder = project.runs / "stranger" / "model_checkpoints"
    for link in ("best.ckpt", "second_best.ckpt"):
        (folder / link).unlink()
        (folder / link).symlink_to(secret)
    document = json.loads(cli("summarise", "--run-dir", project.runs / "stranger").out)
    assert str(secret) not in json.dumps({**document, "broken_links": None, "warnings": None})
    content = secret.read_bytes()
    more = ("-o", "trainer.num_epochs=5")
    assert cli("resume", "--run-dir", project.runs / "stranger", *more).status in (0, 2)
    assert secret.read_bytes() == content
