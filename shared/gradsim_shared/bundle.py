"""Open a bundle: read its manifest and check every file before anything of it is used."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from gradsim_shared.errors import BundleError
from gradsim_shared.manifest import FORMATS, MANIFEST_FILE, FileEntry, Manifest


@dataclass(frozen=True)
class VerifiedBundle:
    """A bundle whose manifest was read and whose files were found whole.

    Attributes:
        directory: Where its files lie, links resolved: a link that is pointed at another version changes nothing here.
        manifest: What it says of itself.
    """

    directory: Path
    manifest: Manifest

    def path(self, file: str) -> Path:
        """Return where a file of the manifest lies."""
        return self.directory / file


def file_entry(path: Path) -> FileEntry:
    """Return size and SHA-256 of a file."""
    with path.open("rb") as stream:
        return FileEntry(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), size=path.stat().st_size)


def open_bundle(directory: Path) -> VerifiedBundle:
    """Read and verify the bundle in ``directory``.

    Args:
        directory: The bundle, or a symbolic link to it, which is followed once: all files are of one version.

    Raises:
        BundleError: There is no valid manifest, its format is not one that this version reads, a path leads outside
            the directory, or a file is missing, cannot be read, or has other bytes than when the bundle was written.
    """
    with _os_errors(directory):
        return _verified(directory)


def _verified(directory: Path) -> VerifiedBundle:
    root = Path(os.path.realpath(directory))  # Path.resolve fails on a link that leads to itself
    manifest = _manifest(root, directory)
    for file, entry in manifest.files.items():
        odd = PurePosixPath(file).is_absolute() or "\\" in file or "\0" in file
        if odd or not (root / file).resolve().is_relative_to(root):
            raise BundleError(f"bundle {directory}: the file {file!r} lies outside the bundle; it is not safe to read")
        path = root / file
        if not path.is_file():
            raise BundleError(f"bundle {directory}: {file} is missing; copy the bundle again, or build it again")
        if file_entry(path) != entry:
            raise BundleError(f"bundle {directory}: {file} has changed since it was written; copy or build it again")
    return VerifiedBundle(root, manifest)


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of the bundle in ``directory``, without looking at the other files.

    Raises:
        BundleError: It is missing, cannot be read, no JSON, of another format, or says what cannot be.
    """
    with _os_errors(directory):
        return _manifest(directory, directory)


@contextmanager
def _os_errors(directory: Path) -> Iterator[None]:
    """Raise ``BundleError`` where a file may not be read, or the disk fails."""
    try:
        yield
    except OSError as error:
        where, why = error.filename or directory, error.strerror or type(error).__name__
        raise BundleError(f"bundle {directory}: {where} cannot be read: {why}; mend that and try again") from error


def _manifest(root: Path, directory: Path) -> Manifest:
    """Read the manifest in ``root``, which people know as ``directory``."""
    path = root / MANIFEST_FILE
    if not path.is_file():
        inside = directory / "bundle"
        way = "Name the directory that `gradsim-offline build` wrote, such as runs/demo/bundle"
        if (inside / MANIFEST_FILE).is_file():
            way = f"It is a run directory, whose bundle is {inside}"
        raise BundleError(f"{directory} is no bundle: it has no {MANIFEST_FILE}. {way}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{directory / MANIFEST_FILE} is not valid JSON: {error}") from error
    version = content.get("format") if isinstance(content, dict) else None
    if type(version) is not int or version not in FORMATS:
        known = " and ".join(map(str, FORMATS))
        raise BundleError(f"bundle {directory} has format {version}, this version reads formats {known}")
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "manifest"
        raise BundleError(f"{directory / MANIFEST_FILE} is not a valid manifest: {where}: {first['msg']}") from error
