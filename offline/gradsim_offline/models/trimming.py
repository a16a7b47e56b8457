"""Makes a pre-trained encoder smaller: its vocabulary is cut to the pieces that texts use, its embeddings with it."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer

from gradsim_offline.models.kept_pieces import keep, scripts_of
from gradsim_offline.models.loading import hub_settings, is_there, wrapped_tokenizer
from gradsim_shared.errors import ModelError

Text = str | Sequence[str]
"""A text, or its words."""

_CHUNK = 2048  # texts tokenised at a time
_ENOUGH = 20  # texts in which a script is in use; of fewer than 20 000 texts one in a thousand


@dataclass(frozen=True)
class Judged:
    """How texts are tokenised after trimming.

    Attributes:
        texts: How many there are.
        changed: How many of them are cut into other pieces than before.
        lost: How many hold characters that were known before and are not now.
        lost_scripts: Scripts of the lost texts that the kept texts do not hold.
    """

    texts: int
    changed: int
    lost: int
    lost_scripts: tuple[str, ...] = ()

    @property
    def changed_share(self) -> float:
        """Share of the texts that are cut into other pieces."""
        return self.changed / self.texts if self.texts else 0.0


@dataclass(frozen=True)
class Trimmed:
    """What was kept of a vocabulary.

    Attributes:
        kept: Pieces.
        of: Pieces before.
        judged: What was counted on further texts, by the names that were given.
    """

    kept: int
    of: int
    judged: Mapping[str, Judged] = field(default_factory=dict)


def trim(
    path: str | Path,
    texts: Iterable[Text],
    out: Path,
    *,
    common: int = 0,
    judged: Mapping[str, Sequence[Text]] | None = None,
) -> Trimmed:
    """Write an encoder with a smaller vocabulary to a directory; weights take no more memory than once.

    Texts that use kept pieces only are tokenised as before, and get the same outputs.

    Args:
        path: Directory or Hub name of an encoder with a Unigram, BPE or WordPiece tokenizer.
        texts: Their pieces are kept, and all single characters of their scripts (but those of strays).
        out: Exists; gets config.json, model.safetensors and the tokenizer.
        common: So many pieces from the first, the most frequent, are kept, too, where they are of these scripts.
        judged: Further texts, by any names, to count on.

    Raises:
        ModelError: The encoder cannot be found, or not be trimmed; nothing is written.
    """
    wrapped, config = wrapped_tokenizer(path), is_there(path)
    before: Tokenizer = wrapped.backend_tokenizer  # not copied: a large one takes as much memory as a small model
    before.no_padding()
    before.no_truncation()
    used, scripts = _used(before, texts)
    try:
        after, kept = keep(before, used.union(_named_ids(config).values()), scripts, common)
        weights = _trimmed_weights(path, config, kept)
    except ModelError as error:
        raise ModelError(f"the vocabulary of {path} cannot be trimmed: {error}") from error
    _save_tokenizer(wrapped, after, out)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    config.update({key: kept.index(old) for key, old in _named_ids(config).items()} | {"vocab_size": len(kept)})
    config.save_pretrained(out)
    counted = {name: judge(before, after, of_name, scripts) for name, of_name in (judged or {}).items()}
    return Trimmed(len(kept), before.get_vocab_size(), counted)


def judge(before: Tokenizer, after: Tokenizer, texts: Sequence[Text], scripts: set[str]) -> Judged:
    """Count how texts are tokenised otherwise than before; ``scripts`` are those of the texts that were kept."""
    changed = lost = 0
    lost_scripts: set[str] = set()
    unknown = [_unknown_piece(tokenizer) for tokenizer in (before, after)]
    for chunk in _chunks(texts):
        for text, old, new in zip(chunk, _encode(before, chunk), _encode(after, chunk), strict=True):
            changed += old.tokens != new.tokens
            if _unknown_characters(new, unknown[1]) > _unknown_characters(old, unknown[0]):
                lost += 1
                lost_scripts |= scripts_of(_joined(text)) - scripts
    return Judged(len(texts), changed, lost, tuple(sorted(lost_scripts)))


def _unknown_piece(tokenizer: Tokenizer) -> int | None:
    """Return the number of the piece that stands for what no other piece does."""
    model = json.loads(tokenizer.to_str())["model"]
    number: int | None = model["unk_id"] if "unk_id" in model else tokenizer.token_to_id(model.get("unk_token") or "")
    return number


def _unknown_characters(encoding: Any, unknown: int | None) -> int:  # noqa: ANN401 - a tokenizers.Encoding
    if unknown not in encoding.ids:
        return 0
    return sum(
        end - start for piece, (start, end) in zip(encoding.ids, encoding.offsets, strict=True) if piece == unknown
    )


def _joined(text: Text) -> str:
    return text if isinstance(text, str) else " ".join(text)


def _chunks(texts: Iterable[Text]) -> Iterator[list[Text]]:
    rest = iter(texts)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _encode(tokenizer: Tokenizer, texts: Sequence[Text]) -> list[Any]:
    """Return the encodings of texts, whose order is kept; some may be words."""
    as_they_are = [text if isinstance(text, str) else list(text) for text in texts]
    tagged = [isinstance(text, list) for text in as_they_are]
    if any(tagged) and not all(tagged):
        return [tokenizer.encode(text, is_pretokenized=isinstance(text, list)) for text in as_they_are]
    encodings: list[Any] = tokenizer.encode_batch(as_they_are, is_pretokenized=any(tagged))
    return encodings


def _used(tokenizer: Tokenizer, texts: Iterable[Text]) -> tuple[set[int], set[str]]:
    """Return the pieces that texts use, and the scripts that are in more than a few stray texts."""
    ids: set[int] = set()
    counts: Counter[str] = Counter()
    number = 0
    for chunk in _chunks(texts):
        number += len(chunk)
        for text, encoding in zip(chunk, _encode(tokenizer, chunk), strict=True):
            ids.update(encoding.ids)
            counts.update(scripts_of(set(unicodedata.normalize("NFKC", _joined(text)))))
    enough = min(_ENOUGH, number / 1000)
    return ids, {script for script, count in counts.items() if count >= enough}


def _named_ids(config: Any) -> dict[str, int]:  # noqa: ANN401 - a PretrainedConfig
    """Return the pieces that a configuration names, as ``pad_token_id``."""
    return {key: value for key, value in config.to_dict().items() if key.endswith("_token_id") and type(value) is int}


def _save_tokenizer(wrapped: Any, tokenizer: Tokenizer, out: Path) -> None:  # noqa: ANN401 - a PreTrainedTokenizerFast
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=wrapped.model_max_length, **wrapped.special_tokens_map
    ).save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))  # without what transformers adds


def _trimmed_weights(path: str | Path, config: Any, kept: Sequence[int]) -> dict[str, torch.Tensor]:  # noqa: ANN401
    """Return all weights; of those with a row for each piece only the kept rows.

    Raises:
        ModelError: It cannot be told which weights these are, or they are not there as safetensors.
    """
    sizes = {key: value for key, value in config.to_dict().items() if type(value) is int}
    vocabulary = sizes.pop("vocab_size")
    if alike := [key for key, value in sizes.items() if value == vocabulary]:
        raise ModelError(f"its {alike[0]} is as large as its vocabulary, {vocabulary}")
    rows, weights = torch.tensor(kept), {}
    for file in _weight_files(path):
        with safe_open(file, "pt") as stored:  # mapped to memory, read where it is used
            for name in stored.keys():  # noqa: SIM118 - no mapping
                whole = stored.get_tensor(name)
                weights[name] = whole[rows] if whole.ndim and len(whole) == vocabulary else whole
    return weights


def _weight_files(path: str | Path) -> list[str]:
    """Return the files that hold the weights, in the directory or in the Hub's cache.

    Raises:
        ModelError: There are none as safetensors.
    """
    from transformers.utils import cached_file

    def find(name: str) -> str | None:
        found = cached_file(str(path), name, _raise_exceptions_for_missing_entries=False, **hub_settings(path))
        return None if found is None else str(found)

    if whole := find("model.safetensors"):
        return [whole]
    if index := find("model.safetensors.index.json"):
        names = set(json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].values())
        return [file for name in sorted(names) if (file := find(name))]
    raise ModelError("its weights are not there as safetensors")
