"""What a build will do: its stages with time and disk, and the memory, from a short probe of this machine and data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradsim_offline.core import machine, plugins
from gradsim_offline.core.dataset import SPLITS, Dataset
from gradsim_offline.core.settings import NGRAMS, Settings
from gradsim_offline.core.training_settings import Schedule
from gradsim_offline.grouping.choose_k import candidates, solver_to_try
from gradsim_offline.identifier import training as identifier
from gradsim_offline.pipeline.probe import Probe
from gradsim_offline.similarity.measure import load_measure
from gradsim_offline.training import probing
from gradsim_offline.training.batching import steps_per_epoch
from gradsim_offline.training.fine_tune import epochs_for

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
        probe: Of both.
    """

    settings: Settings
    dataset: Dataset
    probe: Probe

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
            "device": self.probe.device.type,
            "out": str(out),
            "texts": {split: sum(self.dataset.counts(split).values()) for split in SPLITS},
            "languages": list(self.dataset.languages),
            "stages": [{**vars(step), "seconds": round(step.seconds, 1)} for step in steps],
            "seconds": round(sum(step.seconds for step in steps)),
            "disk": disk,
            "disk_free": free_disk,
            "memory": memory,
            "memory_free": free_memory,
            "download_megabytes": self.probe.download,
            "probe_seconds": round(probed, 1),
            "fits": disk < free_disk and (free_memory is None or memory < free_memory),
        }

    def _steps(self) -> Iterator[Step]:
        settings, total = self.settings, self._count("train")
        size, linear_size = 4 * self.probe.parameters, _NGRAM_BYTES * total
        yield from self._encoder_steps()
        what, seconds = self._measuring()
        yield Step("measure", what, seconds, 0 if settings.linear else size)
        rounds = self._rounds
        yield Step("train", *self._training(), size * (1 + sum(rounds)) if not settings.linear else 3 * linear_size)
        if self._tries_ngrams:
            yield Step("n-grams", "linear models of all, each group, each language", self._ngrams(), 3 * linear_size)
        models, per_model = max(rounds, default=1), _EXPORT_LINEAR if settings.linear else _EXPORT
        reads = 0.0 if settings.linear else self._count("dev") * self.probe.read * (1 + len(rounds))
        yield Step("choose", "candidates on dev texts, timed", reads + 1 + sum(rounds))
        exported = models * (linear_size // 4 if settings.linear else int(1.25 * size))
        yield Step("export", f"{models} models to ONNX, compared with torch", models * per_model, exported)
        passes = max(identifier.EPOCHS * total, identifier.SEEN) * 4
        yield Step(
            "identify", "fastText", _IDENTIFIER + _PASS * passes, int(1e6 * settings.identifying.maximum_megabytes)
        )
        yield Step(
            "evaluate", f"{self._count('test')} test texts, three times", 3 * self._count("test") * self.probe.read
        )
        yield Step("bundle", "models, report", _BUNDLE, exported + (self._trunk_bytes // 4))

    def _encoder_steps(self) -> Iterator[Step]:
        settings, total = self.settings, self._count("train")
        if settings.model == NGRAMS:
            return
        if settings.model == "mini":
            pretraining = settings.pretraining
            most = pretraining.tokens / (self.probe.mean_length * pretraining.batch_size)
            steps = min(pretraining.epochs * steps_per_epoch(total, pretraining.batch_size), most)
            what = f"mini: masked language modelling, {steps:.0f} steps at most"
            yield Step("encoder", what, steps * self.probe.pretraining_step, 4 * self.probe.parameters)
            return
        fetched = f"{self.probe.download} MB to download, " if self.probe.download else ""
        yield Step("encoder", f"{fetched}vocabulary trimmed", _TRIM, 4 * self.probe.parameters)
        if settings.training.trained_blocks != "all":
            texts = total + self._count("dev")
            rate = f"{1 / max(self.probe.read, 1e-9):.0f} texts/s"
            seconds = _TRUNK + texts * self.probe.read
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
            return settings.measure, total * self.probe.read
        if settings.linear:
            return "gradients of linear models of two halves", 2 * self.probe.linear(total // 2)
        share = round(settings.measuring.fraction * total)
        steps = self._number_of_steps(share, settings.measuring)
        return f"joint training, {steps} steps, gradients by language", _OBSERVED * steps * self.probe.step

    def _training(self) -> tuple[str, float]:
        settings, total, rounds = self.settings, self._count("train"), self._rounds
        tried = f"{'at most ' if settings.grouping.groups == 'auto' else ''}{', '.join(map(str, rounds))} groups"
        what = f"one model of all, then {tried}" if rounds else "one model of all"
        numbers = [1, *rounds]
        if settings.linear:
            return what, sum(number * self.probe.linear(total // number) for number in numbers)
        if self._joint_is_model:
            what, numbers = f"the measured model of all{f', then {tried}' if rounds else ''}", rounds
        steps = sum(number * self._number_of_steps(total // number, settings.training) for number in numbers)
        steps *= settings.training.ensemble
        return f"{what}: {steps} steps", steps * self.probe.step

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
        return self.dataset.plain and settings.model != NGRAMS and settings.ngrams.beside

    @property
    def _joint_is_model(self) -> bool:
        training, names = self.settings.training, Schedule.model_fields
        alike = all(getattr(training, name) == getattr(self.settings.measuring, name) for name in names)
        return alike and training.strategy == "mixed" and training.ensemble == 1

    def _each_alone(self) -> float:
        sizes = self.dataset.counts("train").values()
        if self.settings.linear:
            return sum(map(self.probe.linear, sizes))
        return self.probe.step * sum(self._number_of_steps(size, self.settings.training) for size in sizes)

    def _ngrams(self) -> float:
        total = self._count("train")
        rounds = 1 + bool(self._rounds)
        return rounds * self.probe.linear(total) + sum(map(self.probe.linear, self.dataset.counts("train").values()))

    def _number_of_steps(self, texts: int, schedule: Schedule) -> int:
        return epochs_for(texts, schedule) * steps_per_epoch(texts, schedule.batch_size)

    def _count(self, split: Any) -> int:  # noqa: ANN401 - a Split
        return sum(self.dataset.counts(split).values())

    @property
    def _on_trunk(self) -> bool:
        return self.settings.model not in ("mini", NGRAMS) and self.settings.training.trained_blocks != "all"

    @property
    def _trunk_bytes(self) -> int:
        return 4 * self.probe.parameters if self._on_trunk else 0

    def _kept_bytes(self, texts: int) -> int:
        width = int(self.probe.config.hidden_size)
        rows = 2.0 if self.settings.training.trained_blocks == 0 else self.probe.mean_length  # pooled: of two blocks
        return int(_TOP_STATES * width * rows * texts)

    @property
    def _memory(self) -> int:
        linear = _LINEAR_MEMORY * self._count("train") if self.settings.linear or self._tries_ngrams else 0
        return max(self.probe.speed[0].memory if self.probe.speed[0] else 0, probing.peak_memory()) + linear
