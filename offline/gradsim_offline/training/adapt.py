"""Continued masked-language-model pre-training of an encoder on unlabelled texts, and its perplexity before and after.

Gururangan et al. 2020 ("Don't Stop Pretraining"): on the task's own texts it is called TAPT, on texts of its domain
DAPT; Fan et al. 2021 do it for each sprachbund. The texts are streamed, masks are drawn anew in every epoch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from gradsim_offline.core.arithmetic import mixed_precision, set_precision
from gradsim_offline.core.run_directory import WORK, write_json
from gradsim_offline.core.training_settings import Adapting
from gradsim_offline.models.loading import copy_tokenizer
from gradsim_offline.training.batching import IGNORED, plan, steps_per_epoch, to_device
from gradsim_offline.training.context import PretrainingContext
from gradsim_offline.training.masked_language_modelling import MaskedModel, open_masked, train_masked
from gradsim_offline.training.text_folders import Unlabelled
from gradsim_offline.training.text_stream import Texts

ADAPTED = "adaptation.json"  # written last
_BEFORE = "before.json"
_DRAW = 31  # keeps the random stream that draws an epoch's texts apart from the others
_MASKS = 7919  # keeps the random stream of perplexity's masks apart from that of training
_HIGHEST = 700.0  # exp of more is no number


@dataclass(frozen=True)
class Perplexity:
    """The perplexity before and after, of one language.

    Attributes:
        texts: Held-out texts.
        before: Of the encoder as it came.
        after: Of the adapted one.
    """

    texts: int
    before: float
    after: float


def adapt(
    texts: Unlabelled, encoder: str, directory: Path, *, settings: Adapting, context: PretrainingContext
) -> dict[str, Perplexity]:
    """Train an encoder on in ``directory``, and say how its perplexity changed.

    Args:
        texts: To learn from and to judge on, by language.
        encoder: What to start from: directory or Hub name.
        directory: Gets config.json, model.safetensors, the tokenizer and adaptation.json; checkpoints below ``work/``.
        settings: The schedule.
        context: Its seed decides the order of the texts, the masks, dropout, and a head that has to start anew.

    Returns:
        The perplexity of each language that has held-out texts.

    Raises:
        ModelError: The encoder cannot be loaded, has no masked-language-modelling head or no mask token.
    """
    seed, progress, batch_size = context.seed, context.progress, settings.batch_size
    masked = open_masked(encoder, maximum_length=context.maximum_length, seed=seed)
    set_precision(masked.model, context.precision)
    if masked.new_head:
        progress.note(f"  {encoder} was saved without its masked-language-modelling head: a new one starts at random")

    def judge() -> dict[str, float]:
        return perplexities(masked, texts.held_out, share=settings.masked, batch_size=batch_size, context=context)

    before = _once(directory / WORK / _BEFORE, judge)
    languages = list(texts.train.values())
    per_epoch = sum(min(len(of_language), settings.most_texts or len(of_language)) for of_language in languages)
    end = train_masked(
        masked.model,
        lambda epoch: batches(texts.train, batch_size, most=settings.most_texts, seed=seed, epoch=epoch),
        masked.collate(languages, share=settings.masked, seed=seed),
        epochs=settings.epochs,
        steps=settings.epochs * steps_per_epoch(per_epoch, batch_size),
        learning_rate=settings.learning_rate,
        checkpoints=directory / WORK,
        context=context,
    )
    after = judge()
    masked.model.to("cpu").save_pretrained(directory)
    copy_tokenizer(encoder, directory)
    changes = {code: Perplexity(len(texts.held_out[code]), before[code], after[code]) for code in before}
    if changes:
        progress.note(f"  perplexity on held-out texts: {mean(before):.1f} before, {mean(after):.1f} after")
    content = {
        "new_head": masked.new_head,
        "texts": {code: len(of_language) for code, of_language in texts.train.items()},
        "texts_per_epoch": per_epoch,
        "perplexity": {code: asdict(change) for code, change in changes.items()},
        "mean": {"before": mean(before), "after": mean(after)} if changes else None,
        "settings": settings.model_dump(mode="json", exclude={"mode"}),
        "history": end.history,
    }
    write_json(directory / ADAPTED, content)
    return changes


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
    for code, of_language in texts.items():
        count = len(of_language)
        if most is None or most >= count:
            drawn = np.arange(count)
        else:
            drawn = np.random.default_rng([seed, _DRAW, epoch, *code.encode()]).choice(count, most, replace=False)
        chosen.append(first + drawn)
        first += count
    indices = np.concatenate(chosen)
    sizes = np.concatenate([of_language.sizes for of_language in texts.values()])[indices]
    planned = plan(sizes.tolist(), batch_size, seed=seed, epoch=epoch)
    return [indices[batch].tolist() for batch in planned]


def perplexities(
    masked: MaskedModel, texts: Mapping[str, Texts], *, share: float, batch_size: int, context: PretrainingContext
) -> dict[str, float]:
    """Return e to the mean negative log-likelihood of the hidden pieces, per language that has texts.

    Pieces are hidden as in training (80 % mask, 10 % another piece, 10 % as they are); which ones depends on the texts
    and the seed alone, so that two models of one tokenizer are asked the same. Perplexities of different tokenizers
    cannot be compared.

    Args:
        masked: The model.
        texts: Held-out texts by language.
        share: Share of the pieces that must be predicted.
        batch_size: Texts at a time.
        context: Its seed chooses the pieces.
    """
    masked.model.to(context.device).eval()
    judged = {code: of_language for code, of_language in texts.items() if len(of_language)}
    steps = sum(steps_per_epoch(len(of_language), batch_size) for of_language in judged.values())
    by_language = {}
    with context.progress.bar("perplexity", steps) as advance:
        for code, of_language in judged.items():
            collate = masked.collate([of_language], share=share, seed=context.seed + _MASKS)
            order = np.argsort(of_language.sizes, kind="stable").tolist()  # texts of about the same length together
            summed, asked = 0.0, 0
            for step, start in enumerate(range(0, len(order), batch_size)):
                batch = collate(order[start : start + batch_size], 0, step)
                count = int((batch["labels"] != IGNORED).sum())
                with torch.inference_mode(), mixed_precision(masked.model):
                    summed += count * float(masked.model(**to_device(batch, context.device)).loss)
                asked += count
                advance(code)
            by_language[code] = math.exp(min(summed / asked, _HIGHEST))
    return by_language


def mean(values: Mapping[str, float]) -> float:
    """Return the geometric mean over languages: e to the plain mean of their losses."""
    return math.exp(sum(map(math.log, values.values())) / len(values))


def read_perplexities(directory: Path) -> dict[str, Perplexity]:
    """Return what ``adapt`` returned, from its directory."""
    content = json.loads((directory / ADAPTED).read_text(encoding="utf-8"))
    return {code: Perplexity(**figures) for code, figures in content["perplexity"].items()}


def _once(path: Path, compute: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Compute figures, or read them again after an interruption."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, compute())
    figures: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return figures
