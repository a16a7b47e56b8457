"""A small encoder made from the build's own training texts: tokenizer, n-gram weights, masked language modelling."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import WORK
from gradsim_offline.core.training_settings import Pretraining
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.models.mini import MiniConfig, MiniForMaskedLM
from gradsim_offline.training.adapt import mean, perplexities
from gradsim_offline.training.batching import Row, pad, plan
from gradsim_offline.training.checkpoint import Position
from gradsim_offline.training.context import PretrainingContext
from gradsim_offline.training.masked_language_modelling import MaskedModel, Masking, train_masked
from gradsim_offline.training.text_stream import Texts
from gradsim_shared.errors import SettingsError
from gradsim_shared.normalisation import normalise

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
START, PAD, END, UNKNOWN, MASK = range(5)
LONGEST_PIECE = 16
_CODES = {"<s>": 2, "</s>": 3, "<unk>": 1, "<mask>": 4}  # code points of the special pieces


def make(
    texts: Mapping[str, Sequence[str]],
    directory: Path,
    *,
    settings: Pretraining,
    context: PretrainingContext,
    held_out: Mapping[str, Texts] | None = None,
) -> None:
    """Make the encoder in ``directory``.

    Args:
        texts: Training texts per language; their labels are not seen.
        directory: Where config.json, model.safetensors and tokenizer.json go.
        settings: Sizes and schedule.
        context: Maximum length, seed, device, progress; ``log`` gets the figures of each epoch.
        held_out: Texts on which perplexity is measured after each epoch: where it stops falling, the training stops.
    """
    from transformers import PreTrainedTokenizerFast

    everything = [normalise(text) for language in sorted(texts) for text in texts[language]]
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(everything, settings.vocabulary, lowercase=settings.lowercase),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=context.maximum_length,
    )
    wrapped.save_pretrained(directory)
    tokenizer, _ = load_tokenizer(directory, maximum_length=context.maximum_length)
    rows = [Row(tuple(encoding.ids)) for encoding in tokenizer.encode_batch(everything)]
    torch.manual_seed(context.seed)
    encoder = _new_model(tokenizer, settings, context.maximum_length)
    encoder.mini.ngrams.weights.weight.data = inverse_document_frequencies(encoder, rows)[:, None]
    if settings.epochs:
        _pretrain(encoder, tokenizer, rows, held_out or {}, directory, settings, context)
    encoder.to("cpu").save_pretrained(directory)


def train_tokenizer(texts: Sequence[str], vocabulary: int, *, lowercase: bool = True) -> Tokenizer:
    """Train a Unigram tokenizer: compatibility forms (and case) folded, links and user names made one piece each."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            *([normalizers.Lowercase()] if lowercase else []),
            normalizers.Replace(Regex(r"https?://\S+"), "⁂"),
            normalizers.Replace(Regex(r"(@user\s*)+"), "@user "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Split(Regex(r"[^\p{L}\p{M}\p{N}▁]"), "isolated"),
        ]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        unk_token="<unk>",
        max_piece_length=LONGEST_PIECE,
        show_progress=False,
    )
    try:
        tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    except Exception as error:  # tokenizers raises no class of its own
        raise SettingsError(
            f"pretraining.vocabulary = {vocabulary} pieces cannot be made of these texts: {error}; set a larger one"
        ) from error
    tokenizer.model = models.Unigram(_settled(tokenizer), UNKNOWN)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", START), ("</s>", END)]
    )
    return tokenizer


def _settled(tokenizer: Tokenizer) -> list[tuple[str, float]]:
    """Return a trained tokenizer's pieces and scores in a reproducible form.

    The trainer visits in random order the characters that only stand inside longer pieces, and scores them 0.0001
    apart from the lowest score upwards; here they all have the lowest one, and equal scores are ordered by spelling.
    """
    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    scored = [(piece, round(score, 6)) for piece, score in vocabulary]  # sums of many threads differ behind that
    special, pieces = scored[: len(SPECIAL)], scored[len(SPECIAL) :]
    lowest = min(score for _, score in pieces)
    rare = lowest + 1e-4 * sum(len(piece) == 1 for piece, _ in pieces)
    settled = [(piece, lowest if len(piece) == 1 and score < rare else score) for piece, score in pieces]
    return special + sorted(settled, key=lambda entry: (-entry[1], entry[0]))


def spelling(tokenizer: Tokenizer) -> torch.Tensor:
    """Return the code points of every piece, ``[vocabulary, LONGEST_PIECE]``; 0 is padding."""
    table = torch.zeros(tokenizer.get_vocab_size(), LONGEST_PIECE, dtype=torch.int64)
    for piece, index in tokenizer.get_vocab().items():
        if piece in SPECIAL:
            table[index, 0] = _CODES.get(piece, 0)
        else:
            codes = [ord(character) for character in piece[:LONGEST_PIECE]]
            table[index, : len(codes)] = torch.tensor(codes)
    return table


def inverse_document_frequencies(encoder: MiniForMaskedLM, rows: Sequence[Row]) -> torch.Tensor:
    """Return the starting weight of every n-gram bucket: its smoothed IDF over the texts, scaled to about 1."""
    ngrams = encoder.mini.ngrams
    count = torch.zeros(ngrams.embeddings.num_embeddings)
    for start in range(0, len(rows), 256):
        ids = pad([row.ids for row in rows[start : start + 256]], PAD)["input_ids"]
        buckets = ngrams.buckets(ids).flatten(1).sort(dim=1).values
        first = torch.ones_like(buckets, dtype=torch.bool)
        first[:, 1:] = buckets[:, 1:] != buckets[:, :-1]  # each bucket once per text
        count += torch.bincount(buckets[first], minlength=len(count))
    frequencies = torch.log((1 + len(rows)) / (1 + count)) + 1
    return frequencies / (1 + torch.log(torch.tensor(1.0 + len(rows))) / 2)


def mini_config(settings: Pretraining, vocabulary: int, maximum_length: int) -> MiniConfig:
    """Return the sizes of a mini whose tokenizer has so many pieces."""
    return MiniConfig(
        vocab_size=vocabulary,
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=max(1, settings.hidden_size // 32),
        intermediate_size=4 * settings.hidden_size,
        max_position_embeddings=maximum_length,
        ngram_buckets=settings.ngram_buckets,
        ngram_size=settings.ngram_size,
        longest_piece=LONGEST_PIECE,
        dropout=settings.dropout,
        ngram_dropout=settings.ngram_dropout,
        view_dropout=settings.view_dropout,
        pad_token_id=PAD,
        bos_token_id=START,
        eos_token_id=END,
    )


def _new_model(tokenizer: Tokenizer, settings: Pretraining, maximum_length: int) -> MiniForMaskedLM:
    model = MiniForMaskedLM(mini_config(settings, tokenizer.get_vocab_size(), maximum_length))
    model.mini.ngrams.spelling.copy_(spelling(tokenizer))
    return model


def _pretrain(
    encoder: MiniForMaskedLM,
    tokenizer: Tokenizer,
    rows: Sequence[Row],
    held_out: Mapping[str, Texts],
    directory: Path,
    settings: Pretraining,
    context: PretrainingContext,
) -> None:
    """Train the transformer to predict hidden pieces, until the tokens are used up or perplexity stops falling."""
    masking, seed = Masking(PAD, MASK, frozenset({START, END, UNKNOWN}), encoder.config.vocab_size), context.seed
    masked = MaskedModel(encoder, tokenizer, masking, new_head=True)
    silent = replace(context, progress=Progress(quiet=True))  # the bar of the training stays

    def collate(indices: Sequence[int], epoch: int, step: int) -> dict[str, torch.Tensor]:
        return masking.batch([rows[i].ids for i in indices], epoch, step, share=settings.masked, seed=seed)

    def evaluate() -> dict[str, float]:
        figures = perplexities(masked, held_out, share=settings.masked, batch_size=settings.batch_size, context=silent)
        return {"score": -mean(figures), "perplexity": mean(figures)}

    lengths = [len(row.ids) for row in rows]
    plans = plans_within(lengths, settings, seed)
    end = train_masked(
        encoder,
        plans.__getitem__,
        collate,
        epochs=len(plans),
        steps=sum(map(len, plans)),
        learning_rate=settings.learning_rate,
        checkpoints=directory / WORK,
        context=context,
        evaluate=evaluate if any(map(len, held_out.values())) else None,
        patience=1,
    )
    read = sum(lengths[i] for plan in plans[: end.epoch] for batch in plan for i in batch)
    context.progress.note(f"  {_said(end, len(plans), read, settings)}")


def plans_within(lengths: Sequence[int], settings: Pretraining, seed: int) -> list[list[list[int]]]:
    """Return the batches of each epoch, until ``pretraining.tokens`` are used up; the last epoch may be a part of one.

    Args:
        lengths: Tokens of each text.
        settings: Epochs and tokens at most, texts per batch.
        seed: The build's seed.
    """
    plans: list[list[list[int]]] = []
    left = settings.tokens
    while len(plans) < settings.epochs and left > 0:
        batches = plan(lengths, settings.batch_size, seed=seed, epoch=len(plans))
        ends = np.cumsum([sum(lengths[i] for i in batch) for batch in batches])
        plans.append(batches[: int(np.searchsorted(ends, left)) + 1])
        left -= int(ends[len(plans[-1]) - 1])
    return plans


def _said(end: Position, planned: int, tokens: int, settings: Pretraining) -> str:
    """Word how long the training was, why it ended, and how well the best epoch predicts."""
    why = ""
    if end.epoch < planned:
        why = ": perplexity stopped falling"
    elif planned < settings.epochs:
        why = f": pretraining.tokens = {settings.tokens:,}".replace(",", " ")
    judged = end.history[end.best_epoch].get("perplexity")
    how = "" if judged is None else f"; perplexity {judged:.1f} on held-out texts, of epoch {end.best_epoch + 1}"
    return f"masked language modelling: {end.epoch} of {settings.epochs} epochs, {tokens / 1e6:.1f} M tokens{why}{how}"
