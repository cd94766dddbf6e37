"""What a child finds in its environment before its first import."""

from __future__ import annotations

import os
from collections.abc import Mapping

CHILD_VARIABLE = "TOPOQA_TRAIN_CHILD"

# One thread a job unless the config says more: torch's default on a busy machine is eight times
# slower on graphs this small, and the number of threads is part of the numbers.
_FIXED = {
    "PYTHONHASHSEED": "0",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
# glibc gives freed memory back after each step and faults it in again for the next: thousands of
# page faults a step. Elsewhere these mean nothing. Numbers don't hang on them.
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(2**26),
}
# A server that does not answer is given up on soon; the tracker itself tries again and again.
_MLFLOW = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
# Beside our own: what torch, numpy and the libraries under them read on what to compute with.
_RECORDED_PREFIXES = (
    *("TOPOQA_TRAIN_", "CUDA_VISIBLE", "SLURM_JOB_ID"),
    *("ATEN_CPU_", "CUBLAS_", "CUDNN_", "KMP_", "MKL_", "NPY_DISABLE_CPU", "NVIDIA_TF32_"),
    *("OMP_", "OPENBLAS_", "PYTORCH_ENABLE_MPS", "TORCH_ALLOW_TF32"),
)


def for_child() -> dict[str, str]:
    """This process's environment with what makes numbers repeatable."""
    return {**_MEMORY, **os.environ, **_FIXED, CHILD_VARIABLE: "1"}


def for_tracker() -> dict[str, str]:
    """This process's environment less what suits a training, and what keeps MLflow brief.

    What the user has set of MLflow's own stands.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _MEMORY and name != CHILD_VARIABLE
    }
    return {**_MLFLOW, **kept}


def recorded(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The part of the environment that can change numbers, for run_metadata.json."""
    return {
        name: value
        for name, value in sorted((os.environ if environ is None else environ).items())
        if name in _FIXED or name.startswith(_RECORDED_PREFIXES)
    }


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1
