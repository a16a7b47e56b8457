"""Load models and tokenizers from a directory or the Hugging Face Hub, with errors that say what to do."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import nn

from gradsim_shared.errors import ModelError
from gradsim_shared.ngrams import PADDING, TABLE_FILE, is_table, read_table

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)  # what transformers raises
_POSITIONS = {"position_embeddings", "embed_positions"}  # relative and rotary positions have other names, and no limit
_TIMEOUT_SECONDS = 5.0  # for the Hub to answer


def hub_settings(path: str | Path) -> dict[str, bool]:
    """Return the arguments of ``from_pretrained`` that limit it to downloaded files if the Hub cannot be reached.

    Without it, the libraries ask for each file again and again, for half a minute, with a message each time.
    """
    return {} if Path(path).is_dir() or hub_answers() else {"local_files_only": True}


@cache
def hub_answers() -> bool:
    """Ask once whether the Hugging Face Hub can be reached."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=_TIMEOUT_SECONDS).close()  # noqa: S310 - the user's
    except HTTPError:  # any answer will do
        return True
    except (OSError, ValueError):  # no name, no route, no answer in time
        return False
    return True


def from_pretrained(auto_class: Any, path: str | Path, *, new_head: bool = False, **settings: Any) -> nn.Module:  # noqa: ANN401 - HF's own
    """Return the model of ``load_with_missing``."""
    return load_with_missing(auto_class, path, new_head=new_head, **settings)[0]


def load_with_missing(
    auto_class: Any,  # noqa: ANN401 - HF's own
    path: str | Path,
    *,
    new_head: bool = False,
    **settings: Any,  # noqa: ANN401 - for the model's configuration
) -> tuple[nn.Module, frozenset[str]]:
    """Call ``auto_class.from_pretrained``, for safetensors only.

    Args:
        auto_class: One of transformers' auto classes.
        path: Name on the Hub, or directory.
        new_head: Start with a new head, also where one was saved: it may be for other labels.
        settings: For the model's configuration.

    Returns:
        The model, and the names of its weights that were not saved: they start at random.

    Raises:
        ModelError: The model is nowhere to be found, or cannot be loaded; the message names the remedies.
    """
    from gradsim_offline.models import linear_head, mini, mini_tagging, ngrams, top  # noqa: F401 - registers the architectures

    try:
        with _quietly(bars=not Path(path).is_dir()):  # a new head is what we want, not a warning
            model, loading = auto_class.from_pretrained(
                str(path),
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=new_head,
                **hub_settings(path),
                **settings,
            )
    except _UNREADABLE as error:
        raise ModelError(_explain(str(path), error)) from error
    missing = frozenset(loading["missing_keys"])
    _check_encoder_complete(path, model, missing.union(loading["mismatched_keys"]))
    if new_head:
        _renew_head(model, missing)
    return model, missing


@contextmanager
def _quietly(*, bars: bool) -> Iterator[None]:
    """Keep transformers' warnings from people, and its bars unless they are of a download."""
    from transformers import logging

    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def labelled_model(
    auto_class: str, path: str | Path, labels: Sequence[str], *, new_head: bool = False, problem_type: str | None = None
) -> nn.Module:
    """Load a model with an output for each label: with the head it was saved with, or an encoder with a new head.

    Args:
        auto_class: Name of one of transformers' auto classes.
        path: Name on the Hub, or directory.
        labels: In the order of the model's outputs.
        new_head: Start with a new head, also where one was saved.
        problem_type: transformers' name of the loss; ``None``: of labels that exclude each other.

    Raises:
        ModelError: It is nowhere to be found, or has no such head.
    """
    import transformers

    names = dict(enumerate(labels))
    return from_pretrained(
        getattr(transformers, auto_class),
        path,
        new_head=new_head,
        num_labels=len(labels),
        id2label=names,
        label2id={label: i for i, label in names.items()},
        **({"problem_type": problem_type} if problem_type else {}),
    )


def _check_encoder_complete(path: str | Path, model: Any, absent: frozenset[str]) -> None:  # noqa: ANN401 - a PreTrainedModel
    """Raise if weights of the encoder itself were not saved, or not of its sizes: they would be random."""
    prefix = "" if model.base_model is model else f"{model.base_model_prefix}."
    lacking = sorted(name for name in absent if name.startswith(prefix) and "pooler" not in name)
    if lacking:
        raise ModelError(
            f"the model {path} (model_type {model.config.model_type}) is not whole: {len(lacking)} of its encoder's "
            f"weights are not in its files, or of another size, such as {lacking[0]}"
        )


def _renew_head(model: Any, new: frozenset[str]) -> None:  # noqa: ANN401 - a PreTrainedModel
    """Initialise the layers outside the encoder again, unless they are new already."""
    prefix = f"{model.base_model_prefix}."
    for name, module in model.named_modules():
        weights = {f"{name}.{parameter}" for parameter, _ in module.named_parameters(recurse=False)}
        if weights and not name.startswith(prefix) and not weights <= new:
            model._init_weights(module)


def load_tokenizer(path: str | Path, *, maximum_length: int) -> tuple[Tokenizer, int]:
    """Return the fast tokenizer, set to cut at ``maximum_length`` tokens, and the id of its padding.

    It is the very class that the server uses; what it reads is what tokenizer.json holds. Of a model of n-grams it is
    their table, which cuts nothing.

    Raises:
        ModelError: There is none, it has no fast form, it has pieces that the model does not know, or the model reads
            fewer tokens.
    """
    if is_table(path):
        return cast("Tokenizer", read_table(Path(path) / TABLE_FILE)), PADDING  # what is used of one, it has
    wrapped = wrapped_tokenizer(path)
    backend: Tokenizer = wrapped.backend_tokenizer
    if wrapped.pad_token_id is None:
        raise ModelError(f"the tokenizer of {path} has no padding token; set one in its tokenizer_config.json")
    vocabulary, positions = _capacity(path)
    if (largest := max(backend.get_vocab().values(), default=0)) >= vocabulary:
        raise ModelError(
            f"the tokenizer of {path} has ids up to {largest}, and the model embeddings for {vocabulary} ids only: "
            "they do not belong together; take the tokenizer that the model was trained with"
        )
    if maximum_length > (most := min(wrapped.model_max_length, positions)):
        raise ModelError(
            f"{path} reads at most {most} tokens; maximum_length = {maximum_length} is too long for it; set it lower "
            f"(--set maximum_length={most}; of adapt, sprachbund and retrieve: --maximum-length {most})"
        )
    backend.no_padding()
    backend.enable_truncation(maximum_length)
    return backend, int(wrapped.pad_token_id)


def wrapped_tokenizer(path: str | Path) -> Any:  # noqa: ANN401 - a PreTrainedTokenizerFast
    """Return the fast tokenizer with what transformers knows about it: special tokens, the model's length.

    Raises:
        ModelError: There is none, or it has no fast form.
    """
    from transformers import AutoTokenizer

    try:
        with _quietly(bars=not Path(path).is_dir()):
            wrapped = AutoTokenizer.from_pretrained(str(path), **hub_settings(path))
    except _UNREADABLE as error:
        raise ModelError(_no_tokenizer(path, error)) from error
    if not isinstance(getattr(wrapped, "backend_tokenizer", None), Tokenizer):
        raise ModelError(f"the tokenizer of {path} has no fast form (tokenizer.json), which serving needs")
    return wrapped


def _capacity(path: str | Path) -> tuple[float, float]:
    """Return for how many ids and for how many positions a model has embeddings; infinite where it needs none.

    Positions are counted in the model's own layers, without its weights, as architectures name and use the sizes in
    config.json differently: those of the RoBERTa kind begin behind the padding's.
    """
    from transformers import AutoModel

    if Path(path).is_dir() and not (Path(path) / "config.json").is_file():
        return math.inf, math.inf  # the tokenizer of a model that is still to be made
    config = is_there(path)
    try:
        with torch.device("meta"):
            model = AutoModel.from_config(config)
        vocabulary = len(model.get_input_embeddings().weight)
    except (*_UNREADABLE, AttributeError) as error:
        raise ModelError(_explain(str(path), error)) from error
    positions = [
        module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and name.rpartition(".")[2] in _POSITIONS
    ]
    return vocabulary, min(positions, default=math.inf)


def copy_tokenizer(path: str | Path, directory: Path) -> None:
    """Save an encoder's tokenizer beside a model that was trained from it."""
    wrapped_tokenizer(path).save_pretrained(directory)


def is_there(path: str | Path) -> Any:  # noqa: ANN401 - a PretrainedConfig
    """Check early that a model can be found, before anything long runs, and return its configuration.

    Raises:
        ModelError: It cannot.
    """
    from transformers import AutoConfig

    from gradsim_offline.models import mini, mini_tagging, top  # noqa: F401 - registers the architectures

    try:
        return AutoConfig.from_pretrained(str(path), **hub_settings(path))
    except _UNREADABLE as error:
        raise ModelError(_explain(str(path), error)) from error


def _explain(path: str, error: Exception) -> str:
    directory = Path(path)
    if directory.is_dir():
        config = directory / "config.json"
        if not config.is_file():
            return f"the directory {path} holds no model: config.json is missing"
        if any(directory.glob("*.bin")) and not any(directory.glob("*.safetensors")):
            return (
                f"the model in {path} is pickled ({next(directory.glob('*.bin')).name}), and pickles can run code: "
                "load it where you trust it, and save it again with save_pretrained, as model.safetensors"
            )
        return f"the model in {path} (model_type {_model_type(config)}) cannot be loaded: {first_line(error)}"
    return (
        f"the model {path!r} is neither a directory nor, from here, on the Hugging Face Hub ({first_line(error)}). "
        "Three ways on: --model mini trains a small encoder from your own texts; --model DIRECTORY takes a saved "
        "model; or fetch it where there is a network (`huggingface-cli download NAME`) and bring the Hub cache "
        "along (HF_HOME)"
    )


def _no_tokenizer(path: str | Path, error: Exception) -> str:
    if Path(path).is_dir() and not (Path(path) / "tokenizer.json").is_file():
        return (
            f"the directory {path} holds no tokenizer that can be read: tokenizer.json is missing; save the model's "
            "tokenizer there, too (save_pretrained)"
        )
    return f"the tokenizer of {path} cannot be loaded: {first_line(error)}"


def _model_type(config: Path) -> str:
    try:
        return str(json.loads(config.read_text(encoding="utf-8"))["model_type"])
    except (ValueError, KeyError, TypeError):
        return "not readable"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its class where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
