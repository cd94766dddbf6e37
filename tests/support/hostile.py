"""Files as nobody would write them by accident, for every kind of file that a command reads."""

from __future__ import annotations

import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from projects import Project

UNTRUSTED = "untrusted"

MIB = 2**20
MARK = "was_here"
# Where a reader may continue without the file, or with what is left of it.
OPTIONAL = ("graph_metadata", "run_metadata", "metrics")


class RunsCode:
    """Object whose unpickling creates a file, which shows that code was run."""

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


def copy_run(run: Path, project: Project) -> None:
    """Copy a run to the place in `project` whose files `command` reads as untrusted."""
    shutil.copytree(run, project.runs / UNTRUSTED, symlinks=True)


def command(kind: str, project: Project) -> tuple[Path, tuple[object, ...]]:
    """The file of that kind, and the command that reads it."""
    pipeline = ("pipeline", "-m", project.manifest, "--output-root", project.root / "out")
    run = ("run", "-c", project.config, "--output-root", project.root / "out", "--fast-dev-run")
    theirs = project.runs / UNTRUSTED
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
