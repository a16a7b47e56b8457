"""Where trainings compute: CUDA, MPS or CPU; and how its memory is kept."""

from __future__ import annotations

import ctypes
import sys

import torch

from gradsim_shared.errors import SettingsError
from gradsim_shared.nearest import unknown


def resolve_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``mps``; auto takes the fastest there is.

    Raises:
        SettingsError: The name is unknown, or this machine has no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    if name not in available:
        raise SettingsError(unknown("device", name, ["auto", *available]))
    if not available[name]:
        raise SettingsError(f"device {name}: torch {torch.__version__} finds none here; use auto or cpu")
    return torch.device(name)


def keep_memory() -> None:
    """Tell glibc to keep large freed blocks: the gradients of big embeddings come and go with every training step.

    By default each of them is fetched from the kernel anew, page by page, which costs as much as the backward pass
    (``bench/training_step.py``). Does nothing where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    largest = 2**31 - 1
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 2**30)
    mallopt(_M_TRIM_THRESHOLD, largest)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
