"""A bundle whose files need not be read as what they are, and its manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import manifests
import pytest

from gradsim_shared.bundle import file_entry
from gradsim_shared.manifest import Manifest

MakeManifest = Callable[..., Manifest]


@pytest.fixture(scope="session")
def make_manifest() -> MakeManifest:
    """A function that makes a manifest: languages with the groups that serve them, threshold, ..."""
    return manifests.make_manifest


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose files hold their own names."""
    directory = tmp_path / "bundle"
    entries = {}
    for file in manifests.make_manifest().files:
        path = directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file, encoding="utf-8")
        entries[file] = file_entry(path)
    manifest = manifests.make_manifest(files=entries)
    (directory / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    return directory


@pytest.fixture
def edit(bundle: Path) -> Callable[[Callable[[dict[str, object]], object]], None]:
    """A function that changes the bundle's manifest in place."""

    def change(how: Callable[[dict[str, object]], object]) -> None:
        path = bundle / "manifest.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        how(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    return change
