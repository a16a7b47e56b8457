"""How many cores this process may use: its CPU affinity, and the CPU quota of its control groups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def cores() -> int:
    """Return how many cores this process may use, at least 1; a part of a core counts as a whole one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas())]))


def _quotas() -> Iterator[float]:
    """Yield the CPU quotas, in cores, of this process's control groups and of those above them."""
    for line in _read(MEMBERSHIP).splitlines():
        _, _, name = line.partition(":")
        controllers, _, path = name.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = CGROUPS / "cpu" if controllers else CGROUPS  # version 1 names its controllers, version 2 none
        group = PurePosixPath(path.lstrip("/"))
        for part in (group, *group.parents):  # in a container the path may be the host's: then only the root is there
            quota = _version_1(root / part) if controllers else _version_2(root / part)
            if quota is not None:
                yield quota


def _version_1(group: Path) -> float | None:
    return _ratio(_read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us"))


def _version_2(group: Path) -> float | None:
    quota, _, period = _read(group / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _ratio(quota: str, period: str) -> float | None:
    """Return cores; ``None`` where there is no limit (``-1``, ``max``, no such file)."""
    quota, period = quota.strip(), period.strip()
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) > 0 else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
