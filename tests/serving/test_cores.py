"""How many cores the service takes: what affinity and CPU quota allow."""

from __future__ import annotations

import os

import pytest

from gradsim_runtime import cores as module

V1, V2 = "4:cpu,cpuacct:/a/b\n3:cpuset:/\n", "0::/a/b\n"
CASES = {
    "no control group": ("", {}, 8),
    "version 2": (V2, {"a/b/cpu.max": "250000 100000"}, 3),
    "version 2, less than a core": (V2, {"a/b/cpu.max": "10000 100000"}, 1),
    "version 2, no limit": (V2, {"a/b/cpu.max": "max 100000"}, 8),
    "version 2, the group above": (V2, {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2),
    "version 2, a container's root": (V2, {"cpu.max": "400000 100000"}, 4),
    "version 2, more than there are": (V2, {"cpu.max": "6400000 100000"}, 8),
    "version 1": (V1, {"cpu/a/b/cpu.cfs_quota_us": "150000", "cpu/a/b/cpu.cfs_period_us": "100000"}, 2),
    "version 1, no limit": (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
    "version 1, a container's root": (V1, {"cpu/cpu.cfs_quota_us": "500000", "cpu/cpu.cfs_period_us": "100000"}, 5),
    "nonsense": (V2, {"cpu.max": "a b c"}, 8),
}


@pytest.mark.parametrize(("membership", "files", "expected"), CASES.values(), ids=CASES)
def test_cores(tmp_path, monkeypatch, membership, files, expected):
    (tmp_path / "membership").write_text(membership, encoding="ascii")
    for name, content in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n", encoding="ascii")
    monkeypatch.setattr(module, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(module, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert module.cores() == expected
