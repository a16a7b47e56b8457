"""Load a bundle's model files with the libraries that run them: fastText, tokenizers, onnxruntime."""

from __future__ import annotations

import fasttext
import onnxruntime
from tokenizers import Tokenizer

from gradsim_shared.bundle import Bundle
from gradsim_shared.errors import BundleError
from gradsim_shared.group_model import GroupModel, served_precision
from gradsim_shared.identification import LanguageIdentifier
from gradsim_shared.manifest import Group


def load_identifier(bundle: Bundle) -> LanguageIdentifier:
    """Load the bundle's language identifier.

    Raises:
        BundleError: The file is no fastText model, or knows none of the labels.
    """
    settings = bundle.manifest.identifier
    path = bundle.path(settings.file)
    try:
        model = fasttext.load_model(str(path))
    except (ValueError, MemoryError) as error:
        raise BundleError(f"{path} is no fastText model that can be read: {error}") from error
    return LanguageIdentifier(model, settings.labels, settings.temperature)


def load_group_model(bundle: Bundle, group: Group, threads: int) -> GroupModel:
    """Load tokenizer and model of one group.

    Args:
        bundle: The bundle that holds the group.
        group: Its entry in the manifest.
        threads: How many threads compute one batch.

    Raises:
        BundleError: A file cannot be read, or the model asks for inputs that this version does not know.
    """
    try:
        tokenizer = Tokenizer.from_file(str(bundle.path(group.tokenizer)))
        session = _session(str(bundle.path(served_precision(group).file)), threads)
    except Exception as error:  # both libraries raise bare Exception and classes of their own
        raise BundleError(f"bundle {bundle.directory}: group {group.id} cannot be loaded: {error}") from error
    return GroupModel(session, tokenizer, group, bundle.manifest.maximum_length)


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
