"""Score a model on dev texts, per language and on two halves of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gradsim_offline.core.dataset import AnyExample
from gradsim_offline.training.batching import halves
from gradsim_offline.training.task import Task
from gradsim_offline.training.trained import TrainedModel
from gradsim_shared.decoding import Reading

HALVES = ("half_0", "half_1")


@dataclass(frozen=True)
class DevTexts:
    """The texts that judge a model, read once.

    Attributes:
        examples: Of each language that has some.
        number: Index of each language: it seeds which half an example belongs to.
        reader: What reads them; any model with this tokenizer may be judged.
        task: The task's torch half.
        seed: The build's seed.
    """

    examples: Mapping[str, Sequence[AnyExample]]
    number: Mapping[str, int]
    reader: Any
    task: Task
    seed: int

    def scores(self, model: TrainedModel) -> dict[str, dict[str, float]]:
        """Score a model per language, ``{language: {metric: 0 to 1}}``.

        ``half_0`` and ``half_1`` are the task's metric on two halves of the language's texts, for those who choose by
        one and judge by the other; a half without texts has the score of the whole.
        """
        labels = model.labels
        metric = self.task.metric(labels)
        answers = model.answers(self._inputs, self._reading)
        found, start = {}, 0
        for language, mine in self.examples.items():
            gold, answered = [example.gold for example in mine], answers[start : start + len(mine)]
            found[language] = self.task.scores(gold, answered, labels)
            sides = halves(len(mine), language=self.number[language], seed=self.seed)
            for half, name in enumerate(HALVES):
                chosen = [i for i, side in enumerate(sides) if side == half] or range(len(mine))
                scores = self.task.scores([gold[i] for i in chosen], [answered[i] for i in chosen], labels)
                found[language][name] = scores[metric]
            start += len(mine)
        return found

    @cached_property
    def _inputs(self) -> list[str | tuple[str, ...]]:
        return [example.input for mine in self.examples.values() for example in mine]

    @cached_property
    def _reading(self) -> Reading:
        found: Reading = self.reader.read(self._inputs)
        return found
