"""An encoder with its masked-language-modelling head and the tokenizer that knows a mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from gradsim_offline.models.hub import hub_settings
from gradsim_offline.models.loading import from_pretrained, is_there, load_tokenizer
from gradsim_offline.training.batching import IGNORED, Row
from gradsim_offline.training.masked_language_modelling import masking_collate
from gradsim_offline.training.text_stream import Texts
from gradsim_shared.errors import ModelError


@dataclass(frozen=True)
class MaskedModel:
    """A model that predicts hidden pieces, and how texts become its batches.

    Attributes:
        model: A ``PreTrainedModel`` with a masked-language-modelling head.
        tokenizer: Cuts at the maximum length.
        pad_id: Id of the padding.
        mask_id: Id of the mask.
        special_ids: Ids that are never hidden.
        vocabulary: Pieces that a hidden one may be replaced by.
        new_head: The head was not saved with the encoder, and starts at random.
    """

    model: Any
    tokenizer: Tokenizer
    pad_id: int
    mask_id: int
    special_ids: frozenset[int]
    vocabulary: int
    new_head: bool

    def collate(
        self, texts: Sequence[Texts], *, share: float, seed: int
    ) -> Callable[[Sequence[int], int, int], dict[str, Tensor]]:
        """Return a collate function over the texts of some languages, counted one language after the other.

        They are read and cut into pieces when their batch is made; ``masking_collate`` says which are hidden.

        Args:
            texts: Of each language.
            share: Share of the pieces that must be predicted.
            seed: With epoch and step it decides which.
        """
        ends = torch.tensor([len(own) for own in texts]).cumsum(0)

        def text(index: int) -> str:
            language = int(torch.searchsorted(ends, index, right=True))
            return texts[language][index - (int(ends[language - 1]) if language else 0)]

        def collate(indices: Sequence[int], epoch: int, step: int) -> dict[str, Tensor]:
            encodings = self.tokenizer.encode_batch([text(index) for index in indices])
            masked = masking_collate(
                [Row(tuple(encoding.ids)) for encoding in encodings],
                pad_id=self.pad_id,
                mask_id=self.mask_id,
                special_ids=self.special_ids,
                vocabulary=self.vocabulary,
                share=share,
                seed=seed,
            )
            batch = masked(range(len(encodings)), epoch, step)
            if (batch["labels"] == IGNORED).all():  # unknown pieces only: a mean over nothing would be no number
                batch["labels"][:, 0] = batch["input_ids"][:, 0]  # the start of each text, which stands there
            return batch

        return collate


def open_masked(encoder: str | Path, *, maximum_length: int, seed: int) -> MaskedModel:
    """Load an encoder for masked language modelling.

    Args:
        encoder: Directory or Hub name.
        maximum_length: Tokens; longer texts are cut.
        seed: Of a head that has to start anew.

    Raises:
        ModelError: It cannot be found or loaded, its architecture has no such head, or its tokenizer no mask.
    """
    from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

    check_there(encoder)
    config = AutoConfig.from_pretrained(str(encoder), **hub_settings(encoder))
    if type(config) not in AutoModelForMaskedLM._model_mapping:
        raise ModelError(
            f"{encoder} (model_type {config.model_type}) has no masked-language-modelling head; take an encoder of "
            "the BERT, RoBERTa or XLM-R kind, or the directory of a mini"
        )
    tokenizer, pad_id = load_tokenizer(encoder, maximum_length=maximum_length)
    wrapped = AutoTokenizer.from_pretrained(str(encoder), **hub_settings(encoder))
    if wrapped.mask_token_id is None:
        raise ModelError(f"the tokenizer of {encoder} has no mask token; set one in its tokenizer_config.json")
    torch.manual_seed(seed)
    loading = _Loading()
    model = from_pretrained(loading, encoder)
    return MaskedModel(
        model,
        tokenizer,
        pad_id,
        int(wrapped.mask_token_id),
        frozenset(map(int, wrapped.all_special_ids)),
        min(int(config.vocab_size), tokenizer.get_vocab_size()),
        any(not name.startswith(f"{model.base_model_prefix}.") for name in loading.missing),
    )


def check_there(encoder: str | Path) -> None:
    """Look that an encoder can be found; the name ``mini`` alone is none yet.

    Raises:
        ModelError: It cannot.
    """
    if str(encoder) == "mini" and not Path("mini").is_dir():
        raise ModelError(
            "mini is made by a build: run `gradsim-offline encoder --data NAME`, then take its directory, "
            "--model runs/NAME/encoder"
        )
    is_there(encoder)


class _Loading:
    """``AutoModelForMaskedLM.from_pretrained`` that notes which weights were not in the file."""

    missing: frozenset[str] = frozenset()

    def from_pretrained(self, *arguments: Any, **settings: Any) -> tuple[Any, Any]:  # noqa: ANN401 - HF's own
        from transformers import AutoModelForMaskedLM

        model, found = AutoModelForMaskedLM.from_pretrained(*arguments, **settings)
        self.missing = frozenset(found["missing_keys"])
        return model, found
