"""Load a bundle's model files with the libraries that run them: fastText, tokenizers, onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import fasttext
import onnxruntime
from tokenizers import Tokenizer

from gradsim_shared.bundle import Bundle
from gradsim_shared.errors import BundleError
from gradsim_shared.group_model import GroupModel, served_precision
from gradsim_shared.identification import LanguageIdentifier
from gradsim_shared.manifest import Group


@dataclass(frozen=True)
class Loaded:
    """What is in memory, by the SHA-256 of its file: groups, and bundles, often hold the same file.

    Attributes:
        identifiers: fastText models.
        tokenizers: By what sets them up as well: one that cuts texts is not one that does not.
    """

    identifiers: dict[str, Any] = field(default_factory=dict)
    tokenizers: dict[tuple[str, str, int], Tokenizer] = field(default_factory=dict)


def load_identifier(bundle: Bundle, loaded: Loaded | None = None) -> LanguageIdentifier:
    """Load the bundle's language identifier, or use the one that is in memory.

    Raises:
        BundleError: The file is no fastText model, or knows none of the labels.
    """
    settings = bundle.manifest.identifier
    path, key = bundle.path(settings.file), bundle.manifest.files[settings.file].sha256
    models = Loaded().identifiers if loaded is None else loaded.identifiers
    try:
        if key not in models:
            models[key] = fasttext.load_model(str(path))
    except (ValueError, MemoryError) as error:
        raise BundleError(f"{path} is no fastText model that can be read: {error}") from error
    return LanguageIdentifier(models[key], settings.labels, settings.temperature)


def load_group_model(bundle: Bundle, group: Group, threads: int, loaded: Loaded | None = None) -> GroupModel:
    """Load the model of one group, and its tokenizer unless that is in memory.

    Args:
        bundle: The bundle that holds the group.
        group: Its entry in the manifest.
        threads: How many threads compute one batch.
        loaded: What other groups have loaded; ``None`` means nothing.

    Raises:
        BundleError: A file cannot be read, or the model asks for inputs that this version does not know.
    """
    manifest = bundle.manifest
    tokenizers = Loaded().tokenizers if loaded is None else loaded.tokenizers
    key = (manifest.files[group.tokenizer].sha256, manifest.task, manifest.maximum_length)
    try:
        if key not in tokenizers:
            tokenizers[key] = Tokenizer.from_file(str(bundle.path(group.tokenizer)))
        session = _session(str(bundle.path(served_precision(group).file)), threads)
    except Exception as error:  # both libraries raise bare Exception and classes of their own
        raise BundleError(f"bundle {bundle.directory}: group {group.id} cannot be loaded: {error}") from error
    return GroupModel(
        session,
        tokenizers[key],
        group,
        task=manifest.task,
        labels=manifest.labels,
        maximum_length=manifest.maximum_length,
        segmentation=manifest.segmentation,
    )


def _session(path: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # every group has threads of its own: idle ones must sleep, or they take the cores from the group that works
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(path, options, providers=_providers())


def _providers() -> list[str]:
    """Return what may run a model, best first: a GPU where onnxruntime can use one, then the CPU."""
    available = onnxruntime.get_available_providers()
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]
