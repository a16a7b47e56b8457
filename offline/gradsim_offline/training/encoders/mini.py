"""A small encoder made from the build's own training texts: tokenizer, n-gram weights, masked language modelling."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from gradsim_offline.core.run_directory import WORK
from gradsim_offline.core.settings import Pretraining
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.models.mini import MiniConfig, MiniForMaskedLM
from gradsim_offline.training.batching import Row, pad, plan, steps_per_epoch
from gradsim_offline.training.context import PretrainingContext
from gradsim_offline.training.masked_language_modelling import Masking, train_masked
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
) -> None:
    """Make the encoder in ``directory``.

    Args:
        texts: Training texts per language; their labels are not seen.
        directory: Where config.json, model.safetensors and tokenizer.json go.
        settings: Sizes and schedule.
        context: Maximum length, seed, device, progress; ``log`` gets the figures of each epoch.
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
        _pretrain(encoder, rows, directory, settings, context)
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
        single="<s> $A </s>", special_tokens=[("<s>", START), ("</s>", END)]
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


def _new_model(tokenizer: Tokenizer, settings: Pretraining, maximum_length: int) -> MiniForMaskedLM:
    model = MiniForMaskedLM(
        MiniConfig(
            vocab_size=tokenizer.get_vocab_size(),
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
    )
    model.mini.ngrams.spelling.copy_(spelling(tokenizer))
    return model


def _pretrain(
    encoder: MiniForMaskedLM,
    rows: Sequence[Row],
    directory: Path,
    settings: Pretraining,
    context: PretrainingContext,
) -> None:
    """Train the transformer to predict hidden pieces."""
    masking, seed = Masking(PAD, MASK, frozenset({START, END, UNKNOWN}), encoder.config.vocab_size), context.seed

    def collate(indices: Sequence[int], epoch: int, step: int) -> dict[str, torch.Tensor]:
        return masking.batch([rows[i].ids for i in indices], epoch, step, share=settings.masked, seed=seed)

    lengths = [len(row.ids) for row in rows]
    train_masked(
        encoder,
        lambda epoch: plan(lengths, settings.batch_size, seed=seed, epoch=epoch),
        collate,
        epochs=settings.epochs,
        steps=settings.epochs * steps_per_epoch(len(rows), settings.batch_size),
        learning_rate=settings.learning_rate,
        checkpoints=directory / WORK,
        context=context,
    )
