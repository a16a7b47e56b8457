"""Try a pre-trained encoder before anything is trained: is it one, can it be exported, does it run at full length?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from gradsim_offline.bundle.onnx import export_configuration
from gradsim_offline.models.loading import first_line, is_there, load_tokenizer
from gradsim_offline.training.batching import pad
from gradsim_offline.training.task import Task
from gradsim_shared.errors import ModelError


def try_encoder(path: str | Path, labels: Sequence[str], *, task: Task, maximum_length: int) -> None:
    """Load the encoder with a new head, and let it read a short text beside one of the full length.

    Args:
        path: Name on the Hub, or directory.
        labels: In the order of the model's outputs.
        task: The task's torch half.
        maximum_length: Tokens that it must read at once.

    Raises:
        ModelError: It cannot do what a build asks of it; the message says what is missing.
    """
    _refuse_decoder(path)
    tokenizer, pad_id = load_tokenizer(path, maximum_length=maximum_length)
    if task.decoder.READS != "text" and not _separates(tokenizer):
        raise ModelError(
            f"the tokenizer of {path} puts nothing between the two texts of a pair; set a template for pairs in its "
            "tokenizer.json (post_processor), or take another encoder"
        )
    model: Any = task.load_model(path, labels, new_head=True).eval()
    export_configuration(model, task)
    pieces = sorted(set(tokenizer.get_vocab().values()) - {pad_id})  # padding inside a text may take no position
    kind = f"{path} (model_type {model.config.model_type})"
    trial = partial(_problem, model, pieces, pad_id, len(labels))
    problem = trial(maximum_length)
    most = _longest(trial, maximum_length) if problem else maximum_length
    between = trial(2 * most // 3 | 1) if most else problem  # some read multiples of a length only
    if between:
        raise ModelError(f"{kind} cannot read texts of any length: {between}")
    if most < maximum_length:
        raise ModelError(
            f"{kind} reads at most {most} tokens; maximum_length = {maximum_length} is too long for it; set it lower "
            f"(--set maximum_length={most})"
        )


def _separates(tokenizer: Tokenizer) -> bool:
    """Return whether a tokenizer marks where the second text of a pair begins."""
    sequences = tokenizer.encode("a", "a").sequence_ids
    return None in sequences[sequences.index(0) : sequences.index(1)]


def _refuse_decoder(path: str | Path) -> None:
    """Raise if a model is none that reads a text in both directions."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING
    from transformers import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING as TRANSLATING

    config = is_there(path)
    both = config.is_encoder_decoder or type(config) in TRANSLATING
    one_way = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and type(config) not in MODEL_FOR_MASKED_LM_MAPPING
    if both or one_way or config.is_decoder:
        kind = "an encoder with a decoder" if both else "a decoder"
        raise ModelError(
            f"{path} (model_type {config.model_type}) is {kind}, and no encoder by itself; take one of the BERT, "
            "RoBERTa, XLM-R, DeBERTa or ModernBERT kind, or --model mini"
        )


@torch.inference_mode()
def _problem(model: nn.Module, pieces: Sequence[int], pad_id: int, labels: int, length: int) -> str:
    """Run a text of ``length`` tokens and one of a single token together; return what is wrong, or nothing."""
    batch = pad([list(islice(cycle(pieces), length)), pieces[:1]], pad_id)
    try:
        logits = model(**batch).logits
    except Exception as error:  # an architecture may raise anything
        return first_line(error)
    fits = logits.shape in {(2, labels), (2, length, labels)}
    return "" if fits else f"its outputs have the shape {list(logits.shape)} for 2 texts and {labels} labels"


def _longest(trial: Callable[[int], str], too_long: int) -> int:
    """Return how many tokens a model can read at once, fewer than ``too_long``; 0: none."""
    runs = 0
    while too_long - runs > 1:
        middle = (runs + too_long) // 2
        if trial(middle):
            too_long = middle
        else:
            runs = middle
    return runs
