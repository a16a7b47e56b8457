"""How a new language is served best: by a group's model, with the language's own n-grams beside it, or by these alone.

Judged by stratified cross-validation over the examples: no text is answered by n-grams that were trained on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.bundle.blending import Blend, cross_fitted, fit_blend
from gradsim_offline.core.bootstrap import interval, times_drawn
from gradsim_offline.core.dataset import Dataset, Example, MultiLabelExample
from gradsim_offline.core.training_settings import NGrams
from gradsim_offline.experiments.assign.translations import Originals, temperature
from gradsim_offline.training.linear import Linear, fit
from gradsim_offline.training.task import Task
from gradsim_offline.training.tfidf import TfIdf
from gradsim_runtime.loading import load_group_model
from gradsim_shared.bundle import VerifiedBundle
from gradsim_shared.decoding import Text
from gradsim_shared.group_model import GroupModel
from gradsim_shared.manifest import Group, Manifest
from gradsim_shared.normalisation import normalise
from gradsim_shared.segments import segments

FEWEST = 20  # examples that n-grams are trained on
_FEWEST_OF_A_LABEL = 2  # one to learn from while the other judges
_FOLDS = 5
_WORTH = 0.005  # of the score: so much a way with more to it must bring
_DRAWS = 1000
_DEV_TEXTS = 200  # of a language
_MOST_DOUBLINGS = 4  # of the examples; beyond them nothing is foretold

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Way = Literal["group", "beside", "alone"]


@dataclass(frozen=True)
class JudgedWay:
    """A way to serve the language, with its cross-validated score by the task's metric, 0 to 1, and 95 % interval."""

    way: Way
    score: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Ways:
    """The ways, and the best.

    Attributes:
        group: The group whose model is one of them.
        judged: ``group`` as it is, ``alone`` (the language's n-grams), ``beside`` (both, their logits weighed).
        half: Score of the n-grams trained on half of the examples.
        examples: How many there are.
        stand_out: Share of the examples that one text of the group is far more like than any other.
        parallel: It is so large that they are translations, and a stand-in was judged for the group's model.
        blend: The weights of ``beside``.
        features: The language's n-grams.
        linear: The classifier over them, trained on all examples.
    """

    group: str
    judged: tuple[JudgedWay, ...]
    half: float
    examples: int
    stand_out: float
    parallel: bool
    blend: Blend
    features: TfIdf
    linear: Linear

    @property
    def chosen(self) -> JudgedWay:
        """The one with least to it that scores within half a point of the best."""
        best = max(each.score for each in self.judged)
        return next(each for each in self.judged if each.score >= best - _WORTH)

    def content(self) -> dict[str, Any]:
        """Return what was found as JSON can hold it."""
        return {
            "group": self.group,
            "chosen": self.chosen.way,
            "judged": [asdict(each) for each in self.judged],
            "parallel": self.parallel,
            "stand_out": self.stand_out,
            "rebuild_from": self.rebuild_from(),
        }

    def rebuild_from(self) -> int | None:
        """Return from how many examples the language's own n-grams beat the group; ``None``: no end is in sight.

        Their score is taken to grow with the logarithm of the number, as between half and four fifths of the examples.
        """
        plain, alone = (next(each.score for each in self.judged if each.way == way) for way in ("group", "alone"))
        trained_on = self.examples * (1 - 1 / _FOLDS)
        if alone > plain + _WORTH:
            return 0
        slope = (alone - self.half) / np.log(trained_on / (self.examples / 2))
        doublings = (plain - alone) / slope / np.log(2) if slope > 0 else np.inf
        return int(trained_on * 2**doublings) if doublings < _MOST_DOUBLINGS else None


def nothing_learnt(new: Dataset, code: str) -> str | None:
    """Return why the examples teach no n-grams; ``None``: they do."""
    golds = [example.gold for example in new.split(code, "train")]
    if not new.plain:
        what = "tagged words" if new.tagged else "questions" if new.asks else "pairs of texts"
        return f"n-grams are not learnt of {what}"
    if any(isinstance(example, MultiLabelExample) for example in new.split(code, "train")):
        return "n-grams are not learnt of texts with several labels"
    if len(golds) < FEWEST:
        return f"n-grams are not learnt of fewer than {FEWEST} texts"
    rare = [label for label in new.labels if golds.count(label) < _FEWEST_OF_A_LABEL]
    if rare:
        return f"n-grams are not learnt of texts of which fewer than {_FEWEST_OF_A_LABEL} are {' or '.join(rare)}"
    return None


def judge_ways(
    bundle: VerifiedBundle, group_id: str, new: Dataset, code: str, known: Dataset, *, task: Task, seed: int
) -> Ways:
    """Judge the ways on the examples, and train what they need.

    Where the examples are translations of the group's training texts, an n-gram model of its languages that has not
    seen the originals stands for its model; what that scores below it on dev is taken off.

    Args:
        bundle: The old one.
        group_id: The group that would serve the language.
        new: The examples, labelled texts.
        code: The new language.
        known: Texts of the known languages.
        task: Its metric judges.
        seed: Of the folds and draws.
    """
    manifest, settings = bundle.manifest, _settings(bundle.manifest)
    examples = [example for example in new.split(code, "train") if isinstance(example, Example)]
    label = {name: i for i, name in enumerate(manifest.labels)}
    gold = np.array([label[example.label] for example in examples])
    texts = [normalise(text, manifest.normalisation) for text in new.texts(code, "train")]
    group = next(each for each in manifest.groups if each.id == group_id)
    folds = stratified(gold, _FOLDS, seed)
    own = _held_out(texts, gold, folds, len(label), settings, seed)
    originals = Originals.of(known, group.members, texts, settings, seed)
    model, main_model = _models(bundle, group)
    scale, lower = 1.0, dict[Way, float]()
    if originals.parallel:
        whole, stand_in = originals.without(folds, len(label), settings, seed)
        main, on_dev = whole, _on_dev((model, main_model), originals, stand_in, known, group)
        if on_dev is not None:
            logits, gold_on_dev = on_dev
            scores = [_score(task, gold_on_dev, each, manifest.labels) for each in logits]
            lower = {"group": max(0.0, scores[2] - scores[0]), "beside": max(0.0, scores[2] - scores[1])}
            scale = temperature(logits[1], gold_on_dev) / max(temperature(logits[2], gold_on_dev), 1e-3)
    else:
        whole, main = (_logits(each, new.texts(code, "train")) for each in (model, main_model))
    halves = stratified(gold, 2, seed + 1)
    half = _held_out(texts, gold, halves, len(label), settings, seed)
    times = times_drawn(len(gold), _DRAWS, np.random.default_rng(seed))

    def judge(way: Way, logits: Array) -> JudgedWay:
        names = [manifest.labels[i] for i in logits.argmax(axis=1)]
        counts = task.statistics([example.label for example in examples], names, manifest.labels)
        found = task.metric_from(np.concatenate([counts.sum(axis=0)[None], times @ counts]), manifest.labels)
        found = (found - lower.get(way, 0.0)).clip(0)
        low, high = interval(found[1:])
        return JudgedWay(way, float(found[0]), (float(low), float(high)))

    features, blend = TfIdf.of(texts, settings), fit_blend(main, own, gold)
    return Ways(
        group.id,
        (judge("group", whole), judge("alone", own), judge("beside", cross_fitted(main, own, gold, folds % 2))),
        judge("alone", half).score,
        len(texts),
        originals.share,
        originals.parallel,
        Blend(scale * blend.model, blend.wide),
        features,
        fit(features.vectors(texts), gold, len(label), settings.strengths, seed),
    )


def stratified(gold: Indices, folds: int, seed: int) -> Indices:
    """Return the fold of each text; every label is spread over the folds as evenly as can be.

    Args:
        gold: Index of each text's label, ``[texts]``.
        folds: How many.
        seed: Of the order within a label.
    """
    order = np.lexsort((np.random.default_rng(seed).random(len(gold)), gold))
    found = np.empty(len(gold), np.int64)
    found[order] = np.arange(len(gold)) % folds
    return found


def _held_out(texts: Sequence[str], gold: Indices, folds: Indices, labels: int, settings: NGrams, seed: int) -> Array:
    """Return the logits of each fold by n-grams of the others, ``[texts, labels]``."""
    logits = np.zeros((len(texts), labels))
    for fold in np.unique(folds):
        here = [text for text, of in zip(texts, folds, strict=True) if of == fold]
        others = [text for text, of in zip(texts, folds, strict=True) if of != fold]
        features = TfIdf.of(others, settings)
        linear = fit(features.vectors(others), gold[folds != fold], labels, settings.strengths, seed)
        logits[folds == fold] = linear.logits(features.vectors(here))
    return logits


def _on_dev(
    models: Sequence[GroupModel], originals: Originals, stand_in: Linear, known: Dataset, group: Group
) -> tuple[list[Array], Indices] | None:
    """Return the logits of models, and of their stand-in as the last, on dev texts of the group, and the gold.

    They say how much larger the logits of one are, and how much lower it scores. ``None``: there are no dev texts.
    """
    label = {name: i for i, name in enumerate(known.labels)}
    examples = [
        example
        for code in group.members
        if code in known.examples
        for example in known.split(code, "dev")[:_DEV_TEXTS]
        if isinstance(example, Example)
    ]
    if not examples:
        return None
    texts = [segment for example in examples for segment in segments(example.text)]
    others = stand_in.logits(originals.features.vectors([normalise(text) for text in texts]))
    return [*(_logits(model, texts) for model in models), others], np.array([label[each.label] for each in examples])


def _score(task: Task, gold: Indices, logits: Array, labels: Sequence[str]) -> float:
    """Return the task's metric of texts by the index of their labels and their logits."""
    true, answers = ([labels[i] for i in chosen] for chosen in (gold, logits.argmax(axis=1)))
    return float(task.metric_from(task.statistics(true, answers, labels).sum(axis=0), labels))


def _models(bundle: VerifiedBundle, group: Group) -> tuple[GroupModel, GroupModel]:
    """Open a group's model, as it answers and without the n-grams beside it."""
    manifest, opened = bundle.manifest, dict[str, Any]()
    alone = group.model_copy(update={"wide": None})
    whole, main = (load_group_model(bundle.path, each, manifest, opened=opened) for each in (group, alone))
    return whole, main


def _logits(model: GroupModel, texts: Sequence[Text]) -> Array:
    return np.concatenate(model.logits(texts)).astype(float)


def _settings(manifest: Manifest) -> NGrams:
    """Return the settings of n-grams that the build had."""
    section = manifest.provenance.settings.get("ngrams")
    return NGrams.model_validate(section if isinstance(section, dict) else {})
