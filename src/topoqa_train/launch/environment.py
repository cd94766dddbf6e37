"""Environment variables of a training process; most must be set before its first import."""

from __future__ import annotations

import os
from collections.abc import Mapping

CHILD_VARIABLE = "TOPOQA_TRAIN_CHILD"

# One thread per job unless the config says more: on a busy machine torch's default is eight times
# slower on graphs this small, and the number of threads affects results.
_FIXED = {
    "PYTHONHASHSEED": "0",
    # cuBLAS is deterministic only with a workspace of a fixed size.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
# By default glibc returns freed memory after each step and requests it again for the next, which
# costs thousands of page faults a step. Other systems ignore these. Results don't depend on them.
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(2**26),
}
# Besides this program's own: variables by which torch, numpy and their libraries choose code.
_RECORDED_PREFIXES = (
    *("TOPOQA_TRAIN_", "CUDA_VISIBLE", "SLURM_JOB_ID"),
    *("ATEN_CPU_", "CUBLAS_", "CUDNN_", "KMP_", "MKL_", "NPY_DISABLE_CPU", "NVIDIA_TF32_"),
    *("OMP_", "OPENBLAS_", "PYTORCH_ENABLE_MPS", "TORCH_ALLOW_TF32"),
)


def for_child() -> dict[str, str]:
    """Return this process's environment with what makes results repeatable."""
    return {**_MEMORY, **os.environ, **_FIXED, CHILD_VARIABLE: "1"}


def for_tracker() -> dict[str, str]:
    """Return this process's environment without what is set for a training process only."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _MEMORY and name != CHILD_VARIABLE
    }


def recorded(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that can affect results, for run_metadata.json."""
    return {
        name: value
        for name, value in sorted((os.environ if environ is None else environ).items())
        if name in _FIXED or name.startswith(_RECORDED_PREFIXES)
    }


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1
