"""Gradient surgery: where a batch would harm a target language, that part of its gradient is cut (Xu & Murray 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from gradsim_offline.core.section import Positive, Section
from gradsim_offline.training.batching import Row, plan, to_device
from gradsim_offline.training.gradient_lists import ConflictCounts, Gradient, combine, gramian, put, take
from gradsim_offline.training.strategies.mixed import backward
from gradsim_offline.training.strategy import Batch, LayOut, Strategy, StrategyContext, TrainingStrategy
from gradsim_shared.errors import SettingsError
from gradsim_shared.nearest import unknown

_STEP_WORD, _SHOTS_WORD = 13, 17  # keep these random streams apart from the others


class Options(Section):
    """Settings of the strategy."""

    alpha: Annotated[float, Field(ge=0, le=1)] = Field(1.0, description="chance that a step is operated on")
    targets: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="languages not to be harmed; none: every member of the group"
    )
    shots: Positive | None = Field(None, description="oracle examples per target, drawn from train; none: all of them")
    oracle_batch_size: Positive | None = Field(None, description="texts of an oracle batch, at most; none: batch_size")


def check(options: Options, texts: Mapping[str, int]) -> None:
    """Check before any training that the options fit all models: each language is a target in some of them.

    Args:
        options: The strategy's settings.
        texts: How many training texts each language of the data set gives.

    Raises:
        SettingsError: A target is no language of the data set, or has fewer texts than ``shots``.
    """
    _check_targets(options, list(texts))
    for code in options.targets or texts:
        _check_shots(options, code, texts[code])


def _check_targets(options: Options, languages: Sequence[str]) -> None:
    for code in options.targets or []:
        if code not in languages:
            raise SettingsError("strategy surgery: " + unknown("target language", code, languages))


def _check_shots(options: Options, code: str, texts: int) -> None:
    if options.shots is not None and options.shots > texts:
        raise SettingsError(
            f"strategy surgery: shots = {options.shots}, and {code} has {texts} training examples here; "
            "ask for fewer, or leave the language out of the targets"
        )


def make(context: StrategyContext) -> Strategy:
    """Gather the oracle examples of each target (Algorithm 1's oracle data).

    Raises:
        SettingsError: A target is no language of the data set, or has fewer examples than ``shots``.
    """
    options: Options = context.options
    _check_targets(options, context.languages)
    targets = [code for code in context.examples if code in (options.targets or context.languages)]
    oracles = [_oracle(context, code) for code in targets]
    size = options.oracle_batch_size or context.batch_size
    return Surgery(
        [(rows, context.lay_out(rows)) for rows in oracles if rows],
        batch_size=size,
        alpha=options.alpha,
        seed=context.seed,
    )


def _oracle(context: StrategyContext, code: str) -> list[Row]:
    """Return the rows of a target's oracle examples."""
    examples, shots = context.examples[code], context.options.shots
    if shots is None:
        number = list(context.languages).index(code)
        return [row for row in context.rows if row.language == number]
    _check_shots(context.options, code, len(examples))
    random = np.random.default_rng([context.seed, list(context.languages).index(code), _SHOTS_WORD])
    chosen = sorted(random.choice(len(examples), shots, replace=False).tolist())
    return context.encode(code, [examples[i] for i in chosen])


class Surgery:
    """Algorithm 1 of Xu & Murray (Findings of NAACL 2022): stochastic gradient surgery.

    With probability ``alpha`` a step takes one oracle batch of one target language, both at random. With the training
    gradient g and the oracle's o, where ``g · o < 0``: g becomes ``g - (g · o / o · o) o``, which does the oracle
    neither good nor harm. All parameters count, as one vector. The draws depend on seed, epoch and step only, and the
    oracle's dropout has a random stream of its own: without conflicts the training is ``mixed``, bit for bit.

    Args:
        oracles: Of each target, the rows and what lays them out.
        batch_size: Texts of an oracle batch, at most.
        alpha: Chance that a step is operated on.
        seed: Draws steps, targets and batches.
    """

    def __init__(
        self,
        oracles: Sequence[tuple[Sequence[Row], LayOut]],
        *,
        batch_size: int,
        alpha: float,
        seed: int,
    ) -> None:
        self._oracles = oracles
        self._batch_size, self._alpha, self._seed = batch_size, alpha, seed
        self._planned: tuple[int, list[list[list[int]]]] = (-1, [])  # an epoch, and each target's batches
        self._conflicts = ConflictCounts()

    def backward(self, model: nn.Module, batch: Batch, indices: Sequence[int], epoch: int, step: int) -> Tensor:  # noqa: ARG002
        """Leave the gradient of the batch, operated on or not, in ``.grad``; return the loss of the batch."""
        loss = backward(model, batch)
        random = np.random.default_rng([self._seed, epoch, step, _STEP_WORD])
        if not self._oracles or random.random() >= self._alpha:
            return loss
        training = take(model)
        oracle = self._oracle_gradient(model, loss.device, epoch, step, random)
        products = gramian([training, oracle])
        self._conflicts.add(products)
        put(model, projected(training, oracle, products))
        return loss

    def _oracle_gradient(
        self, model: nn.Module, device: torch.device, epoch: int, step: int, random: np.random.Generator
    ) -> Gradient:
        """Return the gradient of a random batch of a random target."""
        plans = self._plans(epoch)
        target = int(random.integers(len(plans)))
        chosen = plans[target][int(random.integers(len(plans[target])))]
        batch = to_device(self._oracles[target][1](chosen, epoch, step), device)
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(int(random.integers(2**31)))
            backward(model, batch)
        return take(model)

    def _plans(self, epoch: int) -> list[list[list[int]]]:
        """Return each target's batches of an epoch, planned as training batches are: texts of like length together."""
        if self._planned[0] != epoch:
            lengths = [[len(row.ids) for row in rows] for rows, _ in self._oracles]
            plans = [plan(mine, self._batch_size, seed=self._seed, epoch=epoch) for mine in lengths]
            self._planned = (epoch, plans)
        return self._planned[1]

    def end_epoch(self) -> dict[str, float]:
        """Return how many gradients were compared with an oracle's, in how many conflicts, and their mean cosine."""
        return self._conflicts.end_epoch()

    def state(self) -> dict[str, Tensor]:
        """Return the counts of the running epoch; all else follows from seed, epoch and step."""
        return self._conflicts.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what a checkpoint kept."""
        self._conflicts.restore(state)


def projected(training: Gradient, oracle: Gradient, products: Tensor) -> Gradient:
    """Project the training gradient onto the normal plane of the oracle's, if they are in conflict.

    Args:
        training: The gradient of the training batch.
        oracle: That of the oracle batch.
        products: Their inner products, ``[2, 2]``.

    Returns:
        The projection; without a conflict the training gradient itself.
    """
    inner, squared = float(products[0, 1]), float(products[1, 1])
    if inner >= 0 or squared == 0:
        return training
    return combine([training, oracle], [1.0, -inner / squared])


PLUGIN = TrainingStrategy(make, check=check, options=Options)
