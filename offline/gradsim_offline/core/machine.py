"""What this machine has for a build: libraries, processor, memory, GPU, disk; nothing is downloaded or asked for."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

DISTRIBUTION, EXTRA = "gradsim-router", "offline"
LEAST_DISK, LEAST_MEMORY = 2 * 10**9, 2 * 10**9
"""Bytes: a small build of one's own files takes about so much."""
CPU_INFO, MEMORY_INFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
_FEATURES = {  # name -> flags of Linux, any of which means it
    "AVX2": ("avx2",),
    "AVX512": ("avx512f",),
    "VNNI": ("avx512_vnni", "avx_vnni"),
    "AVX512-BF16": ("avx512_bf16",),
    "AMX": ("amx_bf16", "amx_int8"),
}


def cpu_flags(cpu_info: Path = CPU_INFO) -> set[str]:
    """Return what the first CPU can do; nothing where the system does not say."""
    return set(_field(cpu_info, "flags").split())


def libraries() -> dict[str, dict[str, str | None]]:
    """Return what the toolkit needs: ``{name: {"wanted": ">=2.6", "found": "2.13.0"}}``; found ``None``: not there.

    Read from the metadata of the installed distribution, without importing anything.
    """
    from packaging.requirements import Requirement

    needs = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or []]
    extras = {EXTRA, "runtime"}
    used = [need for need in needs if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras)]
    wanted = {need.name: str(need.specifier) for need in used if need.name != DISTRIBUTION}
    return {name: {"wanted": text, "found": _version(name)} for name, text in sorted(wanted.items())}


def processor() -> dict[str, Any]:
    """Return name, usable cores and instruction sets that matter; ``None``: the system does not say."""
    flags = cpu_flags()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    has = {name: bool(flags & set(some)) if flags else None for name, some in _FEATURES.items()}
    return {"name": _field(CPU_INFO, "model name") or platform.processor(), "cores": usable, "features": has}


def free_memory() -> int | None:
    """Return the bytes of memory that a build could use; ``None``: the system does not say."""
    words = _field(MEMORY_INFO, "MemAvailable").split()
    return 1024 * int(words[0]) if words else None


def free_disk(directory: Path) -> int:
    """Return the bytes that are free where a directory is, or would be made."""
    directory = directory.absolute()
    return shutil.disk_usage(next(parent for parent in (directory, *directory.parents) if parent.exists())).free


def accelerators() -> list[str]:
    """Return the names of GPUs that torch can use; it must be installed."""
    import torch

    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return ["mps"] if torch.backends.mps.is_available() else []


def problems(found: Mapping[str, Mapping[str, str | None]], directory: Path) -> list[str]:
    """Return what keeps a build from working, a sentence each: libraries, memory, disk.

    Args:
        found: What ``libraries`` returned.
        directory: Where runs are written.
    """
    from packaging.specifiers import SpecifierSet

    said = []
    for name, of in found.items():
        if of["found"] is None:
            said.append(f"{name} is not installed; run: pip install '{DISTRIBUTION}[{EXTRA}]'")
        elif not SpecifierSet(of["wanted"] or "").contains(of["found"], prereleases=True):
            said.append(
                f"{name} is {of['found']}, and {of['wanted']} is needed; run: pip install '{name}{of['wanted']}'"
            )
    memory, disk = free_memory(), free_disk(directory)
    if memory is not None and memory < LEAST_MEMORY:
        said.append(f"{memory / 1e9:.1f} GB of memory are free; a small build takes {LEAST_MEMORY / 1e9:.0f} GB")
    if disk < LEAST_DISK:
        said.append(f"{disk / 1e9:.1f} GB of disk are free; a small build takes {LEAST_DISK / 1e9:.0f} GB")
    return said


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _field(file: Path, name: str) -> str:
    """Return the value of the first line ``name : value`` of one of Linux's files; empty where there is none."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")
