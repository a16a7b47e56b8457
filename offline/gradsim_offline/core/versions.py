"""The versions of the libraries that decide what a training results in."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = (
    "gradsim-router",
    "torch",
    "transformers",
    "optimum-onnx",
    "onnxruntime",
    "tokenizers",
    "fasttext",
    "numpy",
)


def library_versions() -> dict[str, str]:
    """Return what is installed; a stage is run again when one of them has changed."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
