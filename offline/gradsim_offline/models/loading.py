"""Load models and tokenizers from a directory or the Hugging Face Hub, with errors that say what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import nn

from gradsim_shared.errors import ModelError

_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    SafetensorError,
)  # what transformers lets through


def from_pretrained(auto_class: Any, path: str | Path, *, new_head: bool = False, **settings: Any) -> nn.Module:  # noqa: ANN401 - HF's own
    """Call ``auto_class.from_pretrained``, for safetensors only.

    Args:
        auto_class: One of transformers' auto classes.
        path: Name on the Hub, or directory.
        new_head: Start with a new head, also where one was saved: it may be for other labels.
        settings: For the model's configuration.

    Raises:
        ModelError: The model is nowhere to be found, or cannot be loaded; the message names the ways on.
    """
    from transformers import logging

    from gradsim_offline.models import mini, mini_tagging  # noqa: F401 - registers the architectures

    level = logging.get_verbosity()
    logging.set_verbosity_error()  # a new head is what we want, not a warning
    try:
        model, found = auto_class.from_pretrained(
            str(path), use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=new_head, **settings
        )
    except _UNREADABLE as error:
        raise ModelError(_explain(str(path), error)) from error
    finally:
        logging.set_verbosity(level)
    if new_head:
        _renew_head(model, set(found["missing_keys"]))
    loaded: nn.Module = model
    return loaded


def labelled_model(auto_class: Any, path: str | Path, labels: Sequence[str], *, new_head: bool) -> nn.Module:  # noqa: ANN401 - HF's own
    """Load a model that has an output for each label, see ``from_pretrained``; ``labels`` in the outputs' order."""
    names = dict(enumerate(labels))
    return from_pretrained(
        auto_class,
        path,
        new_head=new_head,
        num_labels=len(labels),
        id2label=names,
        label2id={label: i for i, label in names.items()},
    )


def _renew_head(model: Any, new: set[str]) -> None:  # noqa: ANN401 - a PreTrainedModel
    """Initialise the layers outside the encoder again, unless they are new already."""
    prefix = f"{model.base_model_prefix}."
    for name, module in model.named_modules():
        own = {f"{name}.{parameter}" for parameter, _ in module.named_parameters(recurse=False)}
        if own and not name.startswith(prefix) and not own <= new:
            model._init_weights(module)


def load_tokenizer(path: str | Path, *, maximum_length: int) -> tuple[Tokenizer, int]:
    """Return the fast tokenizer, set to cut at ``maximum_length`` tokens, and the id of its padding.

    It is the very class that the server uses; what it reads is what tokenizer.json holds.

    Raises:
        ModelError: There is none, it has no fast form, or the model reads fewer tokens.
    """
    from transformers import AutoTokenizer

    try:
        wrapped = AutoTokenizer.from_pretrained(str(path))
    except _UNREADABLE as error:
        raise ModelError(_explain(str(path), error)) from error
    backend = getattr(wrapped, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ModelError(f"the tokenizer of {path} has no fast form (tokenizer.json), which serving needs")
    if wrapped.pad_token_id is None:
        raise ModelError(f"the tokenizer of {path} has no padding token; set one in its tokenizer_config.json")
    if maximum_length > wrapped.model_max_length:
        most = wrapped.model_max_length
        raise ModelError(f"{path} reads at most {most} tokens; maximum_length = {maximum_length} is too long for it")
    backend.no_padding()
    backend.enable_truncation(maximum_length)
    return backend, int(wrapped.pad_token_id)


def copy_tokenizer(path: str | Path, directory: Path) -> None:
    """Save an encoder's tokenizer beside a model that was trained from it."""
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(str(path)).save_pretrained(directory)


def is_there(path: str | Path) -> None:
    """Check early that a model can be found, before anything long runs.

    Raises:
        ModelError: It cannot.
    """
    from transformers import AutoConfig

    from gradsim_offline.models import mini, mini_tagging  # noqa: F401 - registers the architectures

    try:
        AutoConfig.from_pretrained(str(path))
    except _UNREADABLE as error:
        raise ModelError(_explain(str(path), error)) from error


def _explain(path: str, error: Exception) -> str:
    directory = Path(path)
    if directory.is_dir():
        config = directory / "config.json"
        if not config.is_file():
            return f"the directory {path} holds no model: config.json is missing"
        return f"the model in {path} (model_type {_model_type(config)}) cannot be loaded: {_first_line(error)}"
    return (
        f"the model {path!r} is neither a directory nor, from here, on the Hugging Face Hub ({_first_line(error)}). "
        "Three ways on: --model mini trains a small encoder from your own texts; --model DIRECTORY takes a saved "
        "model; or fetch it where there is a network (`huggingface-cli download NAME`) and bring the Hub cache "
        "along (HF_HOME)"
    )


def _model_type(config: Path) -> str:
    try:
        return str(json.loads(config.read_text(encoding="utf-8"))["model_type"])
    except (ValueError, KeyError, TypeError):
        return "not readable"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
