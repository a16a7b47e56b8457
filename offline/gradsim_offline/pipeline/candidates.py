"""The candidates of a build, judged on dev, and the choice between them: what the bundle hands over.

Candidates are the models of the asked-for kind (one model of all languages, the groups), linear models over n-grams
(one of all languages, one for each language), each of the former with one of the latter beside it, whose logits are
added, and for each language the better of one model of all and its group's. Of those that score within 0.3 points of
the best the smallest is chosen; where milliseconds are limited, of those that answer within the limit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gradsim_offline.bundle.blending import Blend, cross_fitted, fit_blend
from gradsim_offline.core.bootstrap import interval, times_drawn
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.run_directory import StageResult
from gradsim_offline.core.timing import median_milliseconds, middle, one_thread
from gradsim_offline.grouping.choose_k import cross_fitted as cross_fitted_score
from gradsim_offline.training.batching import halves
from gradsim_offline.training.fine_tune import RESULT
from gradsim_offline.training.linear_start import trunk_below
from gradsim_offline.training.task import Task
from gradsim_offline.training.trained import TrainedModel, open_trained
from gradsim_shared.decoding import Logits, Reading, Text
from gradsim_shared.errors import SettingsError
from gradsim_shared.group_model import served_precision
from gradsim_shared.ngrams import TABLE_FILE

SAME = 0.003  # of dev score: a larger candidate must bring more
_DRAWS = 1000
Models = Mapping[str, StageResult]
"""Language -> the model that answers it."""


@dataclass(frozen=True)
class Candidate:
    """A way to answer every language.

    Attributes:
        name: In words.
        kept: Which ``--keep`` it belongs to: ``one``, ``groups``, ``each``, or ``mixed``, which only ``best`` keeps.
        models: The model of each language.
        wide: The linear model over n-grams beside it; empty: none.
        linear: Whether ``models`` are linear over n-grams.
        taken_from: Of ``mixed``: language -> the name of the candidate that its model is from.
    """

    name: str
    kept: str
    models: Models
    wide: Models = field(default_factory=dict)
    linear: bool = False
    taken_from: Mapping[str, str] = field(default_factory=dict)

    @property
    def digests(self) -> list[dict[str, str]]:
        """What its models are."""
        return [{code: model.digest for code, model in each.items()} for each in (self.models, self.wide)]

    @property
    def directories(self) -> set[Path]:
        """Where its models lie."""
        return {result.directory for result in (*self.models.values(), *self.wide.values())}

    @property
    def size(self) -> int:
        """Bytes of its models, as they were trained, and of their tables of n-grams."""
        folders, patterns = {*self.directories, *self.trunks}, ("**/model*.safetensors", f"**/{TABLE_FILE}", "*.onnx")
        return sum(file.stat().st_size for path in folders for pattern in patterns for file in path.glob(pattern))

    @property
    def trunks(self) -> set[Path]:
        """Where the trunks lie that its models stand on."""
        below = (trunk_below(path) for path in self.directories)
        return {trunk.directory for trunk in below if trunk is not None}


@dataclass(frozen=True)
class Judged:
    """A candidate with its dev score.

    Attributes:
        candidate: Itself.
        score: Plain mean over languages of the task's metric on dev, 0 to 1, less what is the luck of chosen epochs;
            blends are cross-fitted.
        draws: The same of every bootstrap draw of the texts, ``[draws]``.
        blend: Fitted to all dev texts; ``None``: there is nothing to blend.
        milliseconds: What an answer costs: one dev text of median length on one thread, the plain mean over languages.
            Models are timed as they were trained, by torch; a trunk as it is served.
    """

    candidate: Candidate
    score: float
    draws: NDArray[np.float64]
    blend: Blend | None
    milliseconds: float

    def gain_over(self, other: Judged) -> tuple[float, float]:
        """Return the 95 % interval of its gain."""
        low, high = interval(self.draws - other.draws)
        return float(low), float(high)


def with_wide(models: Sequence[Candidate], linear: Sequence[Candidate]) -> list[Candidate]:
    """Return each model with each linear one beside it."""
    return [
        Candidate(f"{one.name} with {other.name} beside", one.kept, one.models, other.models)
        for one, other in product(models, linear)
    ]


def mixed(one: Candidate, other: Candidate, taken_from: Mapping[str, str]) -> Candidate:
    """Return the candidate that takes the model of each language from one of two."""
    models = {code: (one if name == one.name else other).models[code] for code, name in taken_from.items()}
    return Candidate(mixed_name(one, other), "mixed", models, linear=one.linear, taken_from=taken_from)


def mixed_name(one: Candidate, other: Candidate) -> str:
    """Return what such a candidate is called."""
    return f"the better for each language of {one.name} and {other.name}"


def mixtures(candidates: Sequence[Candidate]) -> list[tuple[Candidate, Candidate]]:
    """Return the candidates between which each language may choose: one model of all, and others of its kind."""
    alone = [each for each in candidates if not each.wide]
    return [
        (one, other)
        for one, other in product(alone, alone)
        if one.kept == "one" and other.kept != "one" and one.linear == other.linear
    ]


def judge(
    candidates: Sequence[Candidate],
    dataset: Dataset,
    *,
    task: Task,
    maximum_length: int,
    long_texts: str = "cut",
    seed: int,
    device: Any,  # noqa: ANN401 - a torch.device
) -> list[Judged]:
    """Score every candidate on the dev texts.

    Args:
        candidates: At least one.
        dataset: Every language has dev texts.
        task: Its metric counts.
        maximum_length: Tokens that a model reads at once.
        long_texts: How longer texts are read, as in a manifest.
        seed: Of the halves and the draws.
        device: Where to compute.
    """
    answers = _Answers(dataset, task, maximum_length, long_texts, seed, device)
    answers.prepare(candidates)
    judged = [answers.judge(candidate) for candidate in candidates]
    if task.tune is not None:  # thresholds are those of all languages, so that no language chooses alone
        return judged
    of_mixtures = [answers.judge_mixture(one, other) for one, other in mixtures(candidates)]
    return [*judged, *(each for each in of_mixtures if len(set(each.candidate.taken_from.values())) > 1)]


def choose(judged: Sequence[Judged], maximum_milliseconds: float | None = None) -> Judged:
    """Return the smallest of the candidates that score within ``SAME`` of the best, of two as small the quicker one.

    Args:
        judged: At least one.
        maximum_milliseconds: What an answer may cost; of the others none is chosen. ``None``: any.

    Raises:
        SettingsError: None is as quick.
    """
    quick = [each for each in judged if maximum_milliseconds is None or each.milliseconds <= maximum_milliseconds]
    if not quick:
        quickest = min(judged, key=lambda each: each.milliseconds)
        raise SettingsError(
            f"maximum_milliseconds = {maximum_milliseconds:g}: no candidate answers a text as quickly; the quickest, "
            f"{quickest.candidate.name}, takes {quickest.milliseconds:.2f} ms. Allow more (--max-milliseconds)"
        )
    best = max(each.score for each in quick)
    good = [each for each in quick if each.score >= best - SAME]
    return min(good, key=lambda each: (each.candidate.size, each.milliseconds, -each.score))


def milliseconds_per_text(trained: TrainedModel, text: Text) -> float:
    """Return what an answer of a model costs on one thread of the CPU, the trunk below it included.

    Args:
        trained: As torch runs it; it is on the CPU.
        text: To be answered; a trunk below has read it.
    """
    with one_thread():
        own = median_milliseconds(lambda: trained.answers([text]))
    below = trained.outputs
    return own + (served_precision(below.entry).latency_milliseconds if below is not None else 0.0)


def luck(model: StageResult) -> float:
    """Return how much of a model's dev score, 0 to 1, it owes to choosing its epoch by the same texts.

    That is what it loses when one half of them chooses and the other judges. With 20 texts a language it can be 10
    points, and the more the fewer languages a model answers.
    """
    history = json.loads((model.directory / RESULT).read_text(encoding="utf-8"))["history"]
    best = max(history, key=lambda epoch: epoch["score"])
    return max(0.0, (best["half_0"] + best["half_1"]) / 2 - cross_fitted_score(history))


class _Answers:
    """The logits of models on dev texts, each computed once."""

    def __init__(
        self,
        dataset: Dataset,
        task: Task,
        maximum_length: int,
        long_texts: str,
        seed: int,
        device: Any,  # noqa: ANN401
    ) -> None:
        self._dataset, self._task = dataset, task
        self._reads = {"task": task, "maximum_length": maximum_length, "long_texts": long_texts, "device": device}
        self._languages = dataset.languages
        self._gold = {code: [example.gold for example in dataset.split(code, "dev")] for code in self._languages}
        self._inputs = {code: [example.input for example in dataset.split(code, "dev")] for code in self._languages}
        self._sides = {
            code: halves(len(gold), language=number, seed=seed)
            for number, (code, gold) in enumerate(self._gold.items())
        }
        self._times = {
            code: times_drawn(len(gold), _DRAWS, np.random.default_rng([seed, number]))
            for number, (code, gold) in enumerate(self._gold.items())
        }
        self._known: dict[tuple[Path, str], tuple[list[Logits], Reading]] = {}
        self._milliseconds: dict[Path, float] = {}

    def judge(self, candidate: Candidate) -> Judged:
        known = {code: self._run(candidate.models[code], code) for code in self._languages}
        logits, blend = {code: of_texts for code, (of_texts, _) in known.items()}, None
        if candidate.wide:
            logits, blend = self._blended(logits, {code: self._run(candidate.wide[code], code)[0] for code in logits})
        scores, draws, thresholds = [], [], self._thresholds(logits)
        for code, of_texts in logits.items():
            counts = self._statistics(code, of_texts, known[code][1], thresholds)
            scores.append(self._task.metric_from(counts.sum(axis=0), self._dataset.labels))
            draws.append(self._task.metric_from(self._times[code] @ counts, self._dataset.labels))
        share = blend.model / max(blend.model + blend.wide, 1e-9) if blend else 1.0
        less = share * float(np.mean([luck(candidate.models[code]) for code in self._languages]))
        took = fmean(
            sum(self._milliseconds[models[code].directory] for models in (candidate.models, candidate.wide) if models)
            for code in self._languages
        )
        return Judged(candidate, float(np.mean(scores)) - less, np.mean(draws, axis=0) - less, blend, round(took, 3))

    def judge_mixture(self, one: Candidate, other: Candidate) -> Judged:
        """Judge the better of two for each language: either half of its texts chooses for the other half."""
        labels, taken_from = self._dataset.labels, dict[str, str]()
        scores, draws = [], []
        for code in self._languages:
            of_two = np.stack(
                [self._statistics(code, *self._run(each.models[code], code), []) for each in (one, other)]
            )
            taken_from[code] = (one, other)[self._better(of_two)].name
            counts = np.empty_like(of_two[0])
            for side in range(2):
                chooses = np.array(self._sides[code]) == side
                counts[~chooses] = of_two[self._better(of_two[:, chooses])][~chooses]
            scores.append(self._task.metric_from(counts.sum(axis=0), labels))
            draws.append(self._task.metric_from(self._times[code] @ counts, labels))
        candidate = mixed(one, other, taken_from)
        less = fmean(luck(model) for model in candidate.models.values())
        took = fmean(self._milliseconds[model.directory] for model in candidate.models.values())
        return Judged(candidate, float(np.mean(scores)) - less, np.mean(draws, axis=0) - less, None, round(took, 3))

    def _better(self, of_two: NDArray[np.float64]) -> int:
        """Return which of two has the higher score, by ``[2, texts, S]``; the first, if they have the same."""
        first, second = (self._task.metric_from(counts.sum(axis=0), self._dataset.labels) for counts in of_two)
        return int(second > first)

    def _blended(
        self, models: Mapping[str, list[Logits]], wide: Mapping[str, list[Logits]]
    ) -> tuple[dict[str, list[Logits]], Blend]:
        """Return the cross-fitted sums, and the weights of all dev texts; texts of all languages weigh alike."""
        labels, golds = self._dataset.labels, [gold for code in models for gold in self._gold[code]]
        sides = np.concatenate([self._sides[code] for code in models])
        model, linear = (
            self._task.choices(np.concatenate([row for code in each for row in each[code]])).astype(float)
            for each in (models, wide)
        )
        if self._task.several_labels:  # of each label of each text it is chosen whether it has it
            gold, sides = (
                np.array([[label in each for label in labels] for each in golds if isinstance(each, tuple)]),
                sides.repeat(len(labels)),
            )
            gold = gold.ravel().astype(int)
        else:
            gold = np.array([labels.index(str(each)) for each in golds])
        summed = cross_fitted(model, linear, gold, sides)
        rows = iter((summed[:, 1] if self._task.several_labels else summed).reshape(-1, 1, len(labels)))
        return {code: [next(rows) for _ in self._gold[code]] for code in models}, fit_blend(model, linear, gold)

    def _thresholds(self, logits: Mapping[str, list[Logits]]) -> list[float]:
        """Return the thresholds that fit the dev texts of all languages best; none where labels exclude each other."""
        if self._task.tune is None:
            return []
        together = np.concatenate([row for of_texts in logits.values() for row in of_texts])
        golds = [gold for code in logits for gold in self._gold[code]]
        labels = self._dataset.labels
        return self._task.tune(self._task.decoder.probabilities(together, labels), golds, labels)

    def _statistics(
        self, code: str, logits: Sequence[Logits], reading: Reading, thresholds: Sequence[float]
    ) -> NDArray[np.float64]:
        """Return what each dev text adds to the metric, ``[texts, S]``."""
        decoded = self._task.decoder.decode(logits, self._inputs[code], reading, self._dataset.labels, thresholds)
        answers = [each.answer for each in decoded]
        return self._task.statistics(self._gold[code], answers, self._dataset.labels).astype(float)

    def _run(self, model: StageResult, code: str) -> tuple[list[Logits], Reading]:
        """Return the logits of a language's dev texts, and the texts as the model read them."""
        return self._known[model.directory, code]

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Run every model on the dev texts of the languages that it answers, and time it, one after the other."""
        timed = middle([text for texts in self._inputs.values() for text in texts])
        cpu = torch.device("cpu")
        asked: dict[Path, dict[str, None]] = {}
        for candidate in candidates:
            for models in (candidate.models, candidate.wide):
                for code, model in models.items():
                    asked.setdefault(model.directory, {})[code] = None
        for path, languages in asked.items():
            trained = open_trained(path, self._dataset.labels, **self._reads)
            for code in languages:
                reading = trained.read(self._inputs[code])
                self._known[path, code] = trained.logits_of(reading), reading
            if trained.device != cpu:
                trained = open_trained(path, self._dataset.labels, **{**self._reads, "device": cpu})
            self._milliseconds[path] = milliseconds_per_text(trained, timed)
