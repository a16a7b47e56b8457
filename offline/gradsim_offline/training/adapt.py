"""Continued masked-language-model pre-training: an encoder reads on, in texts that nobody labelled.

Gururangan et al. 2020 ("Don't Stop Pretraining"): on the task's own texts it is called TAPT, on texts of its domain
DAPT; Fan et al. 2021 do it for each sprachbund. The texts are streamed, masks are drawn anew in every epoch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import WORK, write_json
from gradsim_offline.core.settings import Adapting
from gradsim_offline.models.loading import copy_tokenizer
from gradsim_offline.training.batching import plan, steps_per_epoch
from gradsim_offline.training.masked_language_modelling import train_masked
from gradsim_offline.training.masked_model import open_masked
from gradsim_offline.training.perplexity import Perplexity, mean, perplexities
from gradsim_offline.training.text_folders import Unlabelled
from gradsim_offline.training.text_stream import Texts

ADAPTED = "adaptation.json"  # written last
_BEFORE = "before.json"
_DRAW = 31  # keeps the random stream that draws an epoch's texts apart from the others


def adapt(
    texts: Unlabelled,
    encoder: str,
    directory: Path,
    *,
    settings: Adapting,
    maximum_length: int,
    seed: int,
    device: torch.device,
    progress: Progress,
    log: Callable[..., None],
) -> dict[str, Perplexity]:
    """Train an encoder on in ``directory``, and say how its perplexity changed.

    Args:
        texts: To learn from and to judge on, by language.
        encoder: What to start from: directory or Hub name.
        directory: Gets config.json, model.safetensors, the tokenizer and adaptation.json; checkpoints below ``work/``.
        settings: The schedule.
        maximum_length: Tokens; longer texts are cut.
        seed: Decides the order of the texts, the masks, dropout, and a head that has to start anew.
        device: Where to train.
        progress: Shows how far it is.
        log: Called with the figures of each epoch.

    Returns:
        The perplexity of each language that has held-out texts.

    Raises:
        ModelError: The encoder cannot be loaded, has no masked-language-modelling head or no mask token.
    """
    masked = open_masked(encoder, maximum_length=maximum_length, seed=seed)
    if masked.new_head:
        progress.note(f"  {encoder} was saved without its masked-language-modelling head: a new one starts at random")

    def judge() -> dict[str, float]:
        return perplexities(
            masked,
            texts.held_out,
            share=settings.masked,
            batch_size=settings.batch_size,
            seed=seed,
            device=device,
            progress=progress,
        )

    before = _once(directory / WORK / _BEFORE, judge)
    languages = list(texts.train.values())
    per_epoch = sum(min(len(own), settings.most_texts or len(own)) for own in languages)
    end = train_masked(
        masked.model,
        lambda epoch: batches(texts.train, settings.batch_size, most=settings.most_texts, seed=seed, epoch=epoch),
        masked.collate(languages, share=settings.masked, seed=seed),
        epochs=settings.epochs,
        steps=settings.epochs * steps_per_epoch(per_epoch, settings.batch_size),
        learning_rate=settings.learning_rate,
        seed=seed,
        device=device,
        checkpoints=directory / WORK,
        progress=progress,
        log=log,
    )
    after = judge()
    masked.model.to("cpu").save_pretrained(directory)
    copy_tokenizer(encoder, directory)
    found = {code: Perplexity(len(texts.held_out[code]), before[code], after[code]) for code in before}
    if found:
        progress.note(f"  perplexity on held-out texts: {mean(before):.1f} before, {mean(after):.1f} after")
    content = {
        "new_head": masked.new_head,
        "texts": {code: len(own) for code, own in texts.train.items()},
        "texts_per_epoch": per_epoch,
        "perplexity": {code: asdict(one) for code, one in found.items()},
        "mean": {"before": mean(before), "after": mean(after)} if found else None,
        "settings": settings.model_dump(mode="json", exclude={"mode"}),
        "history": end.history,
    }
    write_json(directory / ADAPTED, content)
    return found


def batches(texts: Mapping[str, Texts], batch_size: int, *, most: int | None, seed: int, epoch: int) -> list[list[int]]:
    """Return an epoch's batches; texts are counted one language after the other.

    Args:
        texts: By language.
        batch_size: Texts per batch.
        most: Texts of a language, at most; they are drawn anew for every epoch. ``None``: all.
        seed: The same seed and epoch give the same batches.
        epoch: Counted from 0.
    """
    chosen, first = [], 0
    for code, own in texts.items():
        if most is None or most >= len(own):
            drawn = np.arange(len(own))
        else:
            random = np.random.default_rng([seed, _DRAW, epoch, *code.encode()])
            drawn = random.choice(len(own), most, replace=False)
        chosen.append(first + drawn)
        first += len(own)
    indices = np.concatenate(chosen)
    sizes = np.concatenate([own.sizes for own in texts.values()])[indices]
    planned = plan(sizes.tolist(), batch_size, seed=seed, epoch=epoch)
    return [indices[batch].tolist() for batch in planned]


def read_perplexities(directory: Path) -> dict[str, Perplexity]:
    """Return what ``adapt`` found, from its directory."""
    content = json.loads((directory / ADAPTED).read_text(encoding="utf-8"))
    return {code: Perplexity(**one) for code, one in content["perplexity"].items()}


def _once(path: Path, compute: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Compute figures, or read them again after an interruption."""
    if path.is_file():
        kept: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = compute()
    write_json(path, figures)
    return figures
