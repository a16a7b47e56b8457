"""What a build will do: its stages with time and disk, and the memory, from a short probe of this machine and data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gradsim_offline.core import machine, plugins
from gradsim_offline.core.dataset import SPLITS, Dataset
from gradsim_offline.core.settings import E5_SMALL, NGRAMS, Settings
from gradsim_offline.core.training_settings import Schedule
from gradsim_offline.grouping.choose_k import candidates, solver_to_try
from gradsim_offline.identifier import training as identifier
from gradsim_offline.models.loading import is_there, load_tokenizer
from gradsim_offline.models.named_encoders import NAMED, whereabouts
from gradsim_offline.similarity.measure import load_measure
from gradsim_offline.training import probing
from gradsim_offline.training.batching import steps_per_epoch
from gradsim_offline.training.fine_tune import epochs_for
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
_TRIM, _TRUNK, _EXPORT, _EXPORT_LINEAR, _BUNDLE = 20.0, 25.0, 3.0, 0.3, 5.0  # seconds that hardly depend on the data
_IDENTIFIER, _PASS = 5.0, 5e-5  # of fastText: the least, and a text once
_NGRAM_BYTES, _LINEAR_MEMORY = 400, 20_000  # of a training text: in a model over n-grams, and while it is fitted
_TOP_STATES = 2  # bytes of a number that a trunk says
_OBSERVED = 1.15  # of a step whose gradients are measured


@dataclass(frozen=True)
class Step:
    """A stage of the build: about how long it takes, and what it leaves on the disk."""

    name: str
    what: str
    seconds: float
    bytes: int = 0


@dataclass(frozen=True)
class Planning:
    """What is planned.

    Attributes:
        settings: Of the build.
        dataset: As ``load_data`` read it.
    """

    settings: Settings
    dataset: Dataset

    def plan(self, out: Path) -> dict[str, Any]:
        """Probe, and return the plan as JSON; nothing is written, and nothing downloaded.

        Raises:
            GradsimError: The encoder is neither here nor known.
        """
        started = time.monotonic()
        steps = list(self._steps())
        probed = time.monotonic() - started
        disk, memory = sum(step.bytes for step in steps), self._memory
        free_disk, free_memory = machine.free_disk(out), machine.free_memory()
        return {
            "model": self.settings.model,
            "device": self._device.type,
            "out": str(out),
            "texts": {split: sum(self.dataset.counts(split).values()) for split in SPLITS},
            "languages": list(self.dataset.languages),
            "stages": [{**vars(step), "seconds": round(step.seconds, 1)} for step in steps],
            "seconds": round(sum(step.seconds for step in steps)),
            "disk": disk,
            "disk_free": free_disk,
            "memory": memory,
            "memory_free": free_memory,
            "download_megabytes": self._download,
            "probe_seconds": round(probed, 1),
            "fits": disk < free_disk and (free_memory is None or memory < free_memory),
        }

    def _steps(self) -> Iterator[Step]:
        settings, total = self.settings, self._count("train")
        size, linear_size = 4 * self._parameters, _NGRAM_BYTES * total
        yield from self._encoder_steps()
        what, seconds = self._measuring()
        yield Step("measure", what, seconds, 0 if settings.linear else size)
        rounds = self._rounds
        yield Step("train", *self._training(), size * (1 + sum(rounds)) if not settings.linear else 3 * linear_size)
        if self._tries_ngrams:
            yield Step("n-grams", "linear models of all, each group, each language", self._ngrams(), 3 * linear_size)
        models, per_model = max(rounds, default=1), _EXPORT_LINEAR if settings.linear else _EXPORT
        reads = 0.0 if settings.linear else self._count("dev") * self._read * (1 + len(rounds))
        yield Step("choose", "candidates on dev texts, timed", reads + 1 + sum(rounds))
        exported = models * (linear_size // 4 if settings.linear else int(1.25 * size))
        yield Step("export", f"{models} models to ONNX, compared with torch", models * per_model, exported)
        passes = max(identifier.EPOCHS * total, identifier.SEEN) * 4
        yield Step(
            "identify", "fastText", _IDENTIFIER + _PASS * passes, int(1e6 * settings.identifying.maximum_megabytes)
        )
        yield Step("evaluate", f"{self._count('test')} test texts, three times", 3 * self._count("test") * self._read)
        yield Step("bundle", "models, report", _BUNDLE, exported + (self._trunk_bytes // 4))

    def _encoder_steps(self) -> Iterator[Step]:
        settings, total = self.settings, self._count("train")
        if settings.model == NGRAMS:
            return
        if settings.model == "mini":
            pretraining = settings.pretraining
            most = pretraining.tokens / (self._mean_length * pretraining.batch_size)
            steps = min(pretraining.epochs * steps_per_epoch(total, pretraining.batch_size), most)
            what = f"mini: masked language modelling, {steps:.0f} steps at most"
            yield Step("encoder", what, steps * self._pretraining_step, 4 * self._parameters)
            return
        fetched = f"{self._download} MB to download, " if self._download else ""
        yield Step("encoder", f"{fetched}vocabulary trimmed", _TRIM, 4 * self._parameters)
        if settings.training.trained_blocks != "all":
            texts = total + self._count("dev")
            rate = f"{1 / max(self._read, 1e-9):.0f} texts/s"
            seconds = _TRUNK + texts * self._read
            yield Step(
                "trunk", f"reads {texts} texts once, {rate}", seconds, self._trunk_bytes + self._kept_bytes(texts)
            )

    def _measuring(self) -> tuple[str, float]:
        settings, total = self.settings, self._count("train")
        measure = load_measure(settings.measure)
        if not measure.joint_run:
            options = plugins.options("similarity", settings.measure, settings.similarity)
            if measure.trains(options):
                return f"{settings.measure}: one training for each language", self._each_alone()
            return settings.measure, total * self._read
        if settings.linear:
            return "gradients of linear models of two halves", 2 * self._linear(total // 2)
        share = round(settings.measuring.fraction * total)
        steps = self._number_of_steps(share, settings.measuring)
        return f"joint training, {steps} steps, gradients by language", _OBSERVED * steps * self._step

    def _training(self) -> tuple[str, float]:
        settings, total, rounds = self.settings, self._count("train"), self._rounds
        tried = f"{'at most ' if settings.grouping.groups == 'auto' else ''}{', '.join(map(str, rounds))} groups"
        what = f"one model of all, then {tried}" if rounds else "one model of all"
        numbers = [1, *rounds]
        if settings.linear:
            return what, sum(number * self._linear(total // number) for number in numbers)
        if self._joint_is_model:
            what, numbers = f"the measured model of all{f', then {tried}' if rounds else ''}", rounds
        steps = sum(number * self._number_of_steps(total // number, settings.training) for number in numbers)
        steps *= settings.training.ensemble
        return f"{what}: {steps} steps", steps * self._step

    @property
    def _rounds(self) -> list[int]:
        """Numbers of groups that are trained, beside one model of all; auto K may end before the last."""
        chosen, languages = self.settings.grouping, len(self.dataset.languages)
        if chosen.groups != "auto":
            return [min(chosen.groups, languages)] if chosen.groups > 1 else []
        tried = candidates(languages, chosen.candidates, alone=not self._tries_ngrams) if solver_to_try(chosen) else []
        return [number for number in tried if number > 1]

    @property
    def _tries_ngrams(self) -> bool:
        settings = self.settings
        return not self.dataset.tagged and settings.model != NGRAMS and settings.ngrams.beside

    @property
    def _joint_is_model(self) -> bool:
        training, names = self.settings.training, Schedule.model_fields
        alike = all(getattr(training, name) == getattr(self.settings.measuring, name) for name in names)
        return alike and training.strategy == "mixed" and training.ensemble == 1

    def _each_alone(self) -> float:
        sizes = self.dataset.counts("train").values()
        if self.settings.linear:
            return sum(map(self._linear, sizes))
        return self._step * sum(self._number_of_steps(size, self.settings.training) for size in sizes)

    def _ngrams(self) -> float:
        total = self._count("train")
        rounds = 1 + bool(self._rounds)
        return rounds * self._linear(total) + sum(map(self._linear, self.dataset.counts("train").values()))

    def _number_of_steps(self, texts: int, schedule: Schedule) -> int:
        return epochs_for(texts, schedule) * steps_per_epoch(texts, schedule.batch_size)

    def _count(self, split: Any) -> int:  # noqa: ANN401 - a Split
        return sum(self.dataset.counts(split).values())

    @cached_property
    def _device(self) -> Any:  # noqa: ANN401 - a torch.device
        from gradsim_offline.core.devices import resolve_device

        return resolve_device(self.settings.device)

    @cached_property
    def _path(self) -> str | None:
        """Where the encoder lies; ``None``: it is made, or fetched."""
        model = self.settings.model
        if model in ("mini", NGRAMS):
            return None
        if model in NAMED and not Path(model).is_dir():
            place = whereabouts(model)
            return None if place is None else str(place)
        return model

    @property
    def _download(self) -> int:
        absent = self.settings.model in NAMED and self._path is None
        return NAMED[self.settings.model].megabytes if absent else 0

    @cached_property
    def _lengths(self) -> list[int]:
        """Tokens of some training texts."""
        share = max(1, _SAMPLE // len(self.dataset.languages))
        languages = self.dataset.languages
        texts = [normalise(e.text) for code in languages for e in self.dataset.split(code, "train")[:share]]
        most = self.settings.maximum_length
        if self._path is None:
            return [min(most, 2 + round(len(text) / _CHARACTERS)) for text in texts]
        tokenizer, _ = load_tokenizer(self._path, maximum_length=most)
        return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]

    @property
    def _mean_length(self) -> float:
        return sum(self._lengths) / len(self._lengths)

    @cached_property
    def _linear(self) -> Callable[[int], float]:
        """Seconds of a linear model, from its number of training texts."""
        settings = self.settings
        return probing.time_linear(self.dataset, settings.ngrams, settings.maximum_length, settings.seed)

    @cached_property
    def _config(self) -> Any:  # noqa: ANN401 - a PretrainedConfig
        if self._path is None and self.settings.model == E5_SMALL:
            from transformers import BertConfig

            return BertConfig(**_E5_SMALL)
        return is_there(self._path or self.settings.model)

    @cached_property
    def _speed(self) -> tuple[probing.Speed | None, float]:
        """What the encoder takes, and a step of the masked language modelling of ``mini``."""
        settings, tagged = self.settings, self.dataset.tagged
        batch_size, blocks = settings.training.batch_size, settings.training.trained_blocks
        if settings.model == NGRAMS:
            return None, 0.0
        if settings.model == "mini":
            return probing.time_mini(settings.pretraining, self._lengths, batch_size, tagged=tagged)
        from gradsim_offline.core.arithmetic import choose_arithmetic

        pieces = int(self._config.vocab_size)
        arithmetic = choose_arithmetic(settings.training.precision, self._device)
        speed = probing.time_encoder(
            self._config,
            self._lengths,
            batch_size,
            tagged=tagged,
            trained_blocks=None if blocks == "all" else blocks,
            vocabulary=min(pieces, settings.common_pieces) if settings.trim_vocabulary else pieces,
            device=self._device,
            precision=arithmetic.precision,
        )
        return speed, 0.0

    @property
    def _pretraining_step(self) -> float:
        return self._speed[1]

    @property
    def _step(self) -> float:
        return self._speed[0].step if self._speed[0] else 0.0

    @property
    def _read(self) -> float:
        """Seconds in which a text is read once."""
        return self._speed[0].read if self._speed[0] else 2e-4

    @property
    def _parameters(self) -> int:
        return self._speed[0].parameters if self._speed[0] else 0

    @property
    def _on_trunk(self) -> bool:
        return self.settings.model not in ("mini", NGRAMS) and self.settings.training.trained_blocks != "all"

    @property
    def _trunk_bytes(self) -> int:
        return 4 * self._parameters if self._on_trunk else 0

    def _kept_bytes(self, texts: int) -> int:
        width = int(self._config.hidden_size)
        rows = 2.0 if self.settings.training.trained_blocks == 0 else self._mean_length  # pooled: of two blocks
        return int(_TOP_STATES * width * rows * texts)

    @property
    def _memory(self) -> int:
        linear = _LINEAR_MEMORY * self._count("train") if self.settings.linear or self._tries_ngrams else 0
        return max(self._speed[0].memory if self._speed[0] else 0, probing.peak_memory()) + linear


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
