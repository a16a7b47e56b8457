"""Watch a program, with all its threads and children, from the kernel's side: whom it calls, and what it writes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gradsim_shared.privacy import SWITCHES

CALLS = "connect,sendto,sendmsg,sendmmsg,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,symlink,link"

_ADDRESS = re.compile(r"sin6?_port=htons\((\d+)\).*?inet_(?:addr|pton)\((?:AF_INET6, )?\"([^\"]+)\"")
_OPENED = re.compile(r"\bO_(?:WR|RDWR|CREAT).* = \d+<(/[^>]*)>")
_MADE = re.compile(r"\b(?:mkdir|mkdirat|rename|renameat|renameat2|symlink|link)\((.*)\) = 0")


@dataclass(frozen=True)
class Seen:
    """What a program did.

    Attributes:
        called: Addresses outside this machine, and name servers, as ``address:port``.
        written: Files and directories that it made, or opened to write.
    """

    called: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)

    def outside(self, *allowed: Path | str) -> list[str]:
        """Return what was written neither in these directories nor in the kernel's own."""
        inside = ("/dev", "/proc", *map(str, allowed))
        return sorted(path for path in self.written if not any(_within(path, directory) for directory in inside))


def require_strace() -> None:
    """Skip the test where programs cannot be watched."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; it shows what native libraries look up and write (apt install strace)")
    tried = subprocess.run(["strace", "-f", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace may not watch programs here: {tried.stderr.strip()}")


def watched(command: Iterable[str], trace: Path) -> list[str]:
    """Return the command line that runs a command and notes in ``trace`` what it does; its process is the command's."""
    return ["strace", "-D", "-f", "-q", "-y", "--seccomp-bpf", "-s", "256", "-e", CALLS, "-o", str(trace), *command]


def home_of_its_own(directory: Path) -> dict[str, str]:
    """Return the environment of a new user's first command: nothing is set, and nothing is there yet."""
    for name in ("home", "temporary"):
        (directory / name).mkdir()
    dropped = (*SWITCHES, "GRADSIM", "BENTOML", "HF_", "XDG_", "MPL", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    own = {"HOME": str(directory / "home"), "TMPDIR": str(directory / "temporary"), "PYTHONDONTWRITEBYTECODE": "1"}
    return kept | own


def seen(trace: Path, directory: Path) -> Seen:
    """Return what the watched program did in ``directory``, once it has ended."""
    lines = _whole(trace)
    found = Seen()
    for line in lines:
        if (address := _ADDRESS.search(line)) and (address[1] == "53" or not _loopback(address[2])):
            found.called.add(f"{address[2]}:{address[1]}")
        elif opened := _OPENED.search(line):
            found.written.add(opened[1].removesuffix(" (deleted)"))
        elif made := _MADE.search(line):
            found.written.add(os.path.normpath(directory / re.findall(r"\"([^\"]*)\"", made[1])[-1]))
    return found


def _whole(trace: Path) -> list[str]:
    """Return the lines of a trace, each call in one line, when its first process has ended."""
    limit = time.monotonic() + 60
    while True:
        lines = trace.read_text(encoding="utf-8", errors="replace").splitlines() if trace.exists() else []
        first = lines[0].split()[0] if lines else ""
        if any(re.match(rf"{first} +\+\+\+ ", line) for line in lines):
            break
        assert time.monotonic() < limit, "strace did not end"
        time.sleep(0.05)
    whole, begun = [], {}
    for line in lines:
        process, _, call = line.partition(" ")
        if call.endswith("<unfinished ...>"):
            begun[process] = line.removesuffix("<unfinished ...>")
        elif rest := re.match(r" *<\.\.\. \w+ resumed>(.*)", call):
            whole.append(begun.pop(process, "") + rest[1])
        else:
            whole.append(line)
    return [*whole, *begun.values()]


def _loopback(address: str) -> bool:
    return address.startswith("127.") or address in ("::1", "0.0.0.0", "::")


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")
