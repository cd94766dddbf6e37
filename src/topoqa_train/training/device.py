"""The device that a training runs on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

_CUDA = ("gpu", "cuda", "auto")
_MPS = ("gpu", "mps", "auto")


def device(accelerator: str, devices: int | str | Sequence[int] = 1) -> dict[str, str]:
    """Return kind and name of the device that these trainer settings select, for the metadata.

    The name of a CPU is the instruction set that torch uses.
    """
    if accelerator in _CUDA and torch.cuda.is_available():
        chosen = devices[0] if isinstance(devices, list | tuple) and devices else 0
        number = chosen if chosen in range(torch.cuda.device_count()) else 0
        return {
            "kind": "cuda",
            "name": torch.cuda.get_device_name(number),
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        }
    if accelerator in _MPS and torch.backends.mps.is_available():
        return {"kind": "mps", "name": "mps"}
    return {"kind": "cpu", "name": torch.backends.cpu.get_cpu_capability()}
