"""What a plan has to know of this machine, the encoder and the texts: sizes, lengths, and times of a few batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.settings import E5_SMALL, NGRAMS, Settings
from gradsim_offline.models.loading import is_there, load_tokenizer
from gradsim_offline.models.named_encoders import NAMED, whereabouts
from gradsim_offline.training import probing
from gradsim_shared.errors import GradsimError
from gradsim_shared.normalisation import normalise

_SAMPLE = 300  # texts whose length is taken
_CHARACTERS = 3.5  # of a piece, about, where there is no tokenizer yet
_E5_SMALL = {
    "num_hidden_layers": 12,
    "hidden_size": 384,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 250_037,
    "max_position_embeddings": 512,
}


@dataclass(frozen=True)
class Probe:
    """The machine and the data, asked only for what is read of it.

    Attributes:
        settings: Of the build.
        dataset: As ``load_data`` read it.
    """

    settings: Settings
    dataset: Dataset

    @cached_property
    def device(self) -> Any:  # noqa: ANN401 - a torch.device
        """Where the build trains."""
        from gradsim_offline.core.devices import resolve_device

        return resolve_device(self.settings.device)

    @cached_property
    def path(self) -> str | None:
        """Where the encoder lies; ``None``: it is made, or fetched."""
        model = self.settings.model
        if model in ("mini", NGRAMS):
            return None
        if model in NAMED and not Path(model).is_dir():
            place = whereabouts(model)
            return None if place is None else str(place)
        return model

    @property
    def download(self) -> int:
        """Megabytes that have to be downloaded."""
        absent = self.settings.model in NAMED and self.path is None
        return NAMED[self.settings.model].megabytes if absent else 0

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of some training texts."""
        share = max(1, _SAMPLE // len(self.dataset.languages))
        languages = self.dataset.languages
        some = [e.text for code in languages for e in self.dataset.split(code, "train")[:share]]
        texts = [normalise(text if isinstance(text, str) else " ".join(text)) for text in some]
        most = self.settings.maximum_length
        if self.path is None:
            return [min(most, 2 + round(len(text) / _CHARACTERS)) for text in texts]
        tokenizer, _ = load_tokenizer(self.path, maximum_length=most)
        return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]

    @property
    def mean_length(self) -> float:
        """Tokens of a text, on average."""
        return sum(self.lengths) / len(self.lengths)

    @cached_property
    def linear(self) -> Callable[[int], float]:
        """Seconds of a linear model, from its number of training texts."""
        settings = self.settings
        return probing.time_linear(self.dataset, settings.ngrams, settings.maximum_length, settings.seed)

    @cached_property
    def config(self) -> Any:  # noqa: ANN401 - a PretrainedConfig
        """The encoder's sizes."""
        if self.path is None and self.settings.model == E5_SMALL:
            from transformers import BertConfig

            return BertConfig(**_E5_SMALL)
        return is_there(self.path or self.settings.model)

    @cached_property
    def speed(self) -> tuple[probing.Speed | None, float]:
        """What the encoder takes, and a step of the masked language modelling of ``mini``."""
        settings, tagged = self.settings, self.dataset.read_whole
        batch_size, blocks = settings.training.batch_size, settings.training.trained_blocks
        if settings.model == NGRAMS:
            return None, 0.0
        if settings.model == "mini":
            return probing.time_mini(settings.pretraining, self.lengths, batch_size, tagged=tagged)
        from gradsim_offline.core.arithmetic import choose_arithmetic

        pieces = int(self.config.vocab_size)
        arithmetic = choose_arithmetic(settings.training.precision, self.device)
        speed = probing.time_encoder(
            self.config,
            self.lengths,
            batch_size,
            tagged=tagged,
            trained_blocks=None if blocks == "all" else blocks,
            vocabulary=min(pieces, settings.common_pieces) if settings.trim_vocabulary else pieces,
            device=self.device,
            precision=arithmetic.precision,
        )
        return speed, 0.0

    @property
    def pretraining_step(self) -> float:
        """Seconds of a step of masked language modelling."""
        return self.speed[1]

    @property
    def step(self) -> float:
        """Seconds of a training step; 0: nothing is trained in steps."""
        return self.speed[0].step if self.speed[0] else 0.0

    @property
    def read(self) -> float:
        """Seconds in which a text is read once."""
        return self.speed[0].read if self.speed[0] else 2e-4

    @property
    def parameters(self) -> int:
        """Of a trained model."""
        return self.speed[0].parameters if self.speed[0] else 0


def not_here(settings: Settings) -> str | None:
    """Return a sentence where a named encoder has to be fetched first; ``None``: it is here, or made."""
    named = NAMED.get(settings.model)
    if named is None or Path(settings.model).is_dir() or whereabouts(settings.model):
        return None
    price = f", else {named.price}" if named.price else ""
    return f"{settings.model} is not on this machine: {named.megabytes} MB from the Hugging Face Hub{price}"


def check_plannable(settings: Settings) -> None:
    """Raise ``GradsimError`` where an encoder of no name of ours is not on this machine: a plan downloads nothing."""
    if settings.model in ("mini", NGRAMS) or settings.model in NAMED:
        return
    try:
        is_there(settings.model)
    except GradsimError as error:
        raise type(error)(f"{error} (a plan downloads nothing: fetch it first, or name a directory)") from error
