"""What a training's numbers hang on beside its config and data: programs, machine, environment.

Light enough to be looked at before anything that trains is loaded.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import topoqa_train
from topoqa_train.launch import environment
from topoqa_train.plugins import discovery

# Those that are not there are left out: some are optional, some of other machines.
_DISTRIBUTIONS = (
    "topoqa-train",
    "topoqa-graphs",
    "lightning",
    "numpy",
    "pyg-lib",
    "pytorch-lightning",
    "scipy",
    "torch",
    "torch-cluster",
    "torch-geometric",
    "torch-scatter",
    "torch-sparse",
    "torchmetrics",
)
# Libraries that torch computes with, under names that change with the version of CUDA.
_OF_TORCH = re.compile(r"(?:nvidia-(?:cublas|cuda-runtime|cudnn|cusparse)[\w-]*|triton[\w-]*)")
_GIT_SECONDS = 5.0
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class Surroundings:
    """As they are now, in the fields of run_metadata.json that they stand in."""

    versions: Mapping[str, str] = field(hash=False)
    host: Mapping[str, Any] = field(hash=False)
    git: Mapping[str, Any] | None = field(hash=False)
    code: str | None
    environment: Mapping[str, str] = field(hash=False)


def of_child(threads: int) -> Surroundings:
    """Those that a child of this process will find, its device apart."""
    return look(threads, environment.for_child())


def look(threads: int, environ: Mapping[str, str] | None = None) -> Surroundings:
    """Those of this process, in `environ` (default: its own environment)."""
    return Surroundings(
        versions=versions(),
        host=host(threads),
        git=git_state(Path.cwd()),
        code=code(),
        environment=environment.recorded(environ),
    )


def versions() -> dict[str, str]:
    """Python and the distributions that numbers come from, those of plugins too."""
    found = {"python": platform.python_version()}
    for name in (*_DISTRIBUTIONS, *_libraries_of_torch()):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    for group in (discovery.MODELS, discovery.DATASETS):
        for plugin in discovery.discover(group).values():
            found.setdefault(plugin.distribution, plugin.version or "unknown")
    return found


def _libraries_of_torch() -> list[str]:
    try:
        required = importlib.metadata.requires("torch") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    names = (_OF_TORCH.match(line) for line in required)
    return sorted({name[0] for name in names if name is not None})


def host(threads: int) -> dict[str, Any]:
    """The machine, and how many threads of it a training uses."""
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": environment.cores(),
        "threads": threads,
    }


def _processor() -> str:
    """The model, for what vectors it has decides in which order sums are taken."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:  # Linux alone has it
        return platform.processor()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


@functools.cache
def code() -> str | None:
    """A hash of this program's own source: the version is the same all through development."""
    root = Path(topoqa_train.__file__).parent
    whole = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    try:
        for file in sorted(root.rglob("*.py")):
            content = file.read_bytes()
            whole.update(f"{file.relative_to(root).as_posix()} {len(content)}\n".encode())
            whole.update(content)
    except OSError:
        return None
    return whole.hexdigest()


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of the checkout that `folder` lies in, and whether it is dirty; None outside one.

    `changes` is a hash of what is not committed in files that git knows; None where nothing is.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    dirty = bool(changed and changed.strip())
    return {
        "commit": commit.decode("utf-8", errors="replace").strip(),
        "dirty": dirty,
        "changes": _changes(folder) if dirty else None,
    }


def _changes(folder: Path) -> str | None:
    difference = _git(folder, "diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD")
    if difference is None:
        return None
    return hashlib.blake2b(difference, digest_size=_DIGEST_BYTES).hexdigest()


def _git(folder: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
