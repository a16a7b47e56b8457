"""The versions of what decides the result of a training: the libraries, and how texts are normalised."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from gradsim_shared.normalisation import NEWEST

_LIBRARIES = (
    "gradsim-router",
    "torch",
    "transformers",
    "optimum-onnx",
    "onnxruntime",
    "tokenizers",
    "fasttext",
    "numpy",
    "scikit-learn",
    "scipy",
)


def library_versions() -> dict[str, str]:
    """Return what is installed; a stage is run again when one of them has changed."""
    versions = {"text normalisation": str(NEWEST)}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
