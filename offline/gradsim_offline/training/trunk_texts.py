"""Texts as a trunk reads them: token ids by its tokenizer, and their outputs from where they are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.training.trunk_outputs import TrunkOutputs

_SLICE = 4096  # texts that are tokenised at once


@dataclass(frozen=True)
class TrunkTexts:
    """Reads normalised texts; longer ones are cut.

    Attributes:
        kept: The trunk's outputs.
        tokenizer: The trunk's, set to cut.
    """

    kept: TrunkOutputs
    tokenizer: Tokenizer

    @classmethod
    def open(cls, trunk: Path, outputs: Path, maximum_length: int) -> TrunkTexts:
        """Open a trunk's tokenizer and what is kept of its outputs."""
        return cls(open_outputs(trunk, outputs), load_tokenizer(trunk, maximum_length=maximum_length)[0])

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of texts."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]

    def outputs(self, texts: Sequence[str], advance: Callable[[str], None] = lambda _: None) -> NDArray[np.float32]:
        """Return the pooled outputs of texts, ``[texts, width]``."""
        found = np.zeros((len(texts), self.kept.width), np.float32)
        for start in range(0, len(texts), _SLICE):
            here = slice(start, start + _SLICE)
            found[here] = self.kept.pooled(self.ids(texts[here]), advance)
        return found


def open_outputs(trunk: Path, outputs: Path) -> TrunkOutputs:
    """Open what is kept of a trunk's outputs, anew where its files are not those that this process knows."""
    opened = _opened(trunk, outputs)
    if opened.as_on_disk:
        return opened
    close_outputs()
    return _opened(trunk, outputs)


def close_outputs() -> None:
    """Forget what was opened, the trunks with it."""
    _opened.cache_clear()


@lru_cache(2)
def _opened(trunk: Path, outputs: Path) -> TrunkOutputs:
    return TrunkOutputs(trunk, outputs)  # once: only then what is appended is known to all
