"""Versions of a bundle beside each other, and a symbolic link to the one that is served."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import tiny_bundle


def release(bundle: Path, link: Path, name: str) -> str:
    """Write a version of a bundle, with model files of its own, point the link at it, and return its title."""
    version = link.parent / name
    shutil.copytree(bundle, version)
    for path in version.rglob("model.onnx"):
        model = onnx.load(path)
        model.doc_string = name
        onnx.save(model, str(path))
    tiny_bundle.write_manifest(version, name=name, threshold=0.5)
    temporary = link.with_name("link.next")
    temporary.symlink_to(version, target_is_directory=True)
    temporary.replace(link)  # at once: there is no moment without a bundle
    return f"{name}@1.0.0"
