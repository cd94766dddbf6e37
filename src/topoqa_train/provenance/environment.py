"""Environment that affects results beside config and data: versions, host, git state, variables.

Imports nothing heavy, so that it can be recorded before anything that trains is loaded.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import topoqa_train
from topoqa_train.launch import environment as variables
from topoqa_train.plugins import discovery

# Some are optional and some exist on other machines only; missing ones are not recorded.
_DISTRIBUTIONS = (
    *("topoqa-train", "topoqa-graphs", "lightning", "numpy", "pyg-lib", "pytorch-lightning"),
    *("scipy", "torch", "torch-cluster", "torch-geometric", "torch-scatter", "torch-sparse"),
    "torchmetrics",
)
# Libraries that torch computes with; their names change with the version of CUDA.
_OF_TORCH = re.compile(r"(?:nvidia-(?:cublas|cuda-runtime|cudnn|cusparse)[\w-]*|triton[\w-]*)")
_GIT_SECONDS = 5.0
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class Environment:
    """The present environment, in the fields of run_metadata.json that record it."""

    versions: Mapping[str, str]
    host: Mapping[str, Any]
    git: Mapping[str, Any] | None
    code: str | None
    environment: Mapping[str, str]


def of_child(threads: int) -> Environment:
    """Return what a child of this process will find, except for its device."""
    return current(threads, variables.for_child())


def current(threads: int, environ: Mapping[str, str] | None = None) -> Environment:
    """Return the environment of this process, with variables from `environ` if given."""
    return Environment(
        versions=versions(),
        host=host(threads),
        git=git_state(Path.cwd()),
        code=code(),
        environment=variables.recorded(environ),
    )


def versions() -> dict[str, str]:
    """Return the versions of Python and of all distributions that affect results."""
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
    return sorted({name[0] for line in required if (name := _OF_TORCH.match(line))})


def host(threads: int) -> dict[str, Any]:
    """Return what identifies the machine, and how many threads a training uses."""
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": variables.cores(),
        "threads": threads,
    }


def _processor() -> str:
    """Return the processor's model: its vector units decide in which order sums are taken."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:  # only Linux has this file
        return platform.processor()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


@functools.cache
def code() -> str | None:
    """Return a hash of this program's source: during development the version stays the same."""
    root = Path(topoqa_train.__file__).parent
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    try:
        for file in sorted(root.rglob("*.py")):
            content = file.read_bytes()
            digest.update(f"{file.relative_to(root).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    except OSError:
        return None
    return digest.hexdigest()


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit and changes of the checkout that contains `folder`; None outside of one.

    `changes` is a hash of the uncommitted changes to tracked files, None if there are none.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    dirty = bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    return {
        "commit": commit.decode("utf-8", errors="replace").strip(),
        "dirty": dirty,
        "changes": _changes(folder) if dirty else None,
    }


def _changes(folder: Path) -> str | None:
    patch = _git(folder, "diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD")
    if patch is None:
        return None
    return hashlib.blake2b(patch, digest_size=_DIGEST_BYTES).hexdigest()


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Return git's output; None without git, outside a checkout, or if it takes too long."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=True,
            # Reading must not make a concurrent git command of the user fail on a lock.
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
