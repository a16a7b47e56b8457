"""The training loop: one flat function, for sentences and for masked language modelling, measured or not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from gradsim_offline.core.devices import keep_memory
from gradsim_offline.core.progress import Advance
from gradsim_offline.training.batching import to_device
from gradsim_offline.training.checkpoint import Checkpoint, Position, States, seed_everything
from gradsim_offline.training.micro_batches import backward_in_parts, is_out_of_memory, more_parts
from gradsim_offline.training.optimizer import Optimizer
from gradsim_offline.training.strategies.mixed import Mixed
from gradsim_offline.training.strategy import Batch, Strategy
from gradsim_shared.errors import ModelError

_SAVING_SHARE = 20.0  # a checkpoint that takes a second is saved every 20 seconds at most
_CHEAP_SECONDS = 0.2  # one that takes less is saved after every epoch


class Observer(Protocol):
    """Watches the backward passes, as the gradient observer does.

    Attributes:
        takes_parts: Whether a batch may go through the model in parts, each watched as a batch.
    """

    takes_parts: bool

    def watch(self, indices: Sequence[int]) -> AbstractContextManager[None]:
        """Return the context in which the forward and backward pass of a batch run."""

    def end_epoch(self) -> None:
        """Finish an epoch."""

    def state(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore the state of a checkpoint."""


def train(
    model: nn.Module,
    plan: Callable[[int], list[list[int]]],
    collate: Callable[[Sequence[int], int, int], Batch],
    *,
    epochs: int,
    learning_rate: float,
    warmup: float,
    weight_decay: float,
    clip: float,
    seed: int,
    device: torch.device,
    evaluate: Callable[[], dict[str, float]] | None,
    checkpoints: Path,
    advance: Advance,
    log: Callable[..., None],
    observer: Observer | None = None,
    strategy: Strategy | None = None,
    sparse_rate: float = 1.0,
    patience: int | None = None,
    save_every_seconds: float = 60.0,
) -> Position:
    """Train a model and leave the weights of its best epoch in it.

    Args:
        model: A Hugging Face model: called with a batch, it returns an output with ``loss``.
        plan: From the epoch to its batches, as lists of example indices.
        collate: From example indices, epoch and step to the model's arguments.
        epochs: Passes over the data.
        learning_rate: Peak of the schedule: linear rise, then linear fall to zero.
        warmup: Share of the steps in which the rate rises.
        weight_decay: AdamW's, on the weights of linear layers only.
        clip: Largest norm of the gradient, sparse embeddings not counted.
        seed: Seeds dropout; the order of the data is the plan's.
        device: Where the model runs.
        evaluate: Returns the figures of an epoch; ``score`` decides, higher is better. ``None`` keeps the last epoch.
        checkpoints: Where to save, and to go on from if something is there.
        advance: Called once per step.
        log: Called with the figures of each epoch.
        observer: Watches the backward passes; called before clipping and before the optimizer.
        strategy: Makes the gradient of each step; ``None``: the batch's own. What is watched must be the batch's own.
        sparse_rate: Rate of sparse embeddings, as a multiple of the others'.
        patience: Epochs without a better score after which the training stops; ``None``: never.
        save_every_seconds: Time between checkpoints inside an epoch.

    Returns:
        Where the training ended: best epoch, its score, and one entry of history per epoch.

    Raises:
        ModelError: The loss is no longer a number, or memory has no room even for the smallest part of a batch.
    """
    keep_memory()
    seed_everything(seed)
    model.to(device)
    optimizer = Optimizer(model, weight_decay=weight_decay, device=device, sparse_rate=sparse_rate)
    checkpoint = Checkpoint(checkpoints)
    strategy = strategy or Mixed()
    position, states = checkpoint.load(model, optimizer)
    _restore(states, observer, strategy)
    if not states and observer is not None:
        checkpoint.save(position, model, optimizer, _states(observer, strategy))  # to go back to
    watch = observer.watch if observer is not None else lambda _: nullcontext()
    plans = [plan(epoch) for epoch in range(epochs)]
    total = sum(map(len, plans))
    for _ in range(sum(map(len, plans[: position.epoch])) + position.step):
        advance("")
    saved, saving = time.monotonic(), 0.0

    while position.epoch < epochs and not _stalls(position, patience):
        batches = plans[position.epoch]
        model.train()
        while position.step < len(batches):
            done = sum(map(len, plans[: position.epoch])) + position.step
            indices = batches[position.step]
            # 1. the rate of this step
            rate = learning_rate * _schedule(done, total, warmup)
            # 2. forward and backward, watched
            short = False
            try:
                batch = to_device(collate(indices, position.epoch, position.step), device)
                if position.parts > 1:
                    loss = backward_in_parts(model, batch, indices, position.parts, watch)
                else:
                    with watch(indices):
                        loss = strategy.backward(model, batch, indices, position.epoch, position.step)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                possible = isinstance(strategy, Mixed) and (observer is None or observer.takes_parts)
                parts, short = more_parts(position.parts, len(indices), error, possible=possible), True
            if short:  # outside the handler, whose traceback holds what is in memory
                optimizer.forget()
                if observer is not None:  # it has seen a part of the batch
                    position, states = checkpoint.load(model, optimizer)
                    _restore(states, observer, strategy)
                position.parts = parts
                continue
            # 3. clip and step
            optimizer.step(rate, clip)
            # 4. keep count
            value = loss.item()
            if not math.isfinite(value):
                raise ModelError(_diverged(value, position, learning_rate))
            position.loss += value
            position.step += 1
            advance(f"loss {position.loss / position.step:.3f}")
            if time.monotonic() - saved > max(save_every_seconds, _SAVING_SHARE * saving):
                started = time.monotonic()
                checkpoint.save(position, model, optimizer, _states(observer, strategy))
                saved = time.monotonic()
                saving = saved - started

        # 5. judge the epoch
        if observer is not None:
            observer.end_epoch()
        figures = {"epoch": position.epoch + 1.0, "loss": position.loss / max(1, len(batches)), **strategy.end_epoch()}
        if evaluate is not None:
            figures |= evaluate()
        score = figures.get("score", float(position.epoch))
        if score > position.best_score:
            position.best_epoch, position.best_score = position.epoch, score
            if evaluate is not None:
                checkpoint.save_best(model)
        position.history.append(figures)
        log(**figures)
        position.epoch, position.step, position.loss = position.epoch + 1, 0, 0.0
        now = time.monotonic()
        if position.epoch == epochs or saving < _CHEAP_SECONDS or now - saved > _SAVING_SHARE * saving:
            checkpoint.save(position, model, optimizer, _states(observer, strategy))
            saved = time.monotonic()
            saving = saved - now

    if evaluate is not None:
        checkpoint.load_best(model)
    model.eval()
    return position


def _stalls(position: Position, patience: int | None) -> bool:
    """Return whether the last epochs, as many as ``patience``, were not better than the best before them."""
    return patience is not None and position.epoch - 1 - position.best_epoch >= patience and position.epoch > 0


def _diverged(loss: float, position: Position, learning_rate: float) -> str:
    return (
        f"the training diverged: the loss is {loss} in epoch {position.epoch + 1}, step {position.step + 1}, with the "
        f"learning rate {learning_rate:g}; set a lower one (--set training.learning_rate=..., "
        "measuring.learning_rate=..., pretraining.learning_rate=..., adapting.learning_rate=...)"
    )


def _schedule(step: int, total: int, warmup: float) -> float:
    """Return the share of the peak rate at a step: up over the warm-up, then down to zero at the end."""
    rising = warmup * total
    if step < rising:
        return (step + 1) / (rising + 1)
    return max(0.0, (total - step) / max(1.0, total - rising))


def _states(observer: Observer | None, strategy: Strategy) -> States:
    """Return the states that a checkpoint holds beside model and optimizer."""
    return {"strategy": strategy.state(), "observer": observer.state() if observer is not None else {}}


def _restore(states: States, observer: Observer | None, strategy: Strategy) -> None:
    """Restore what ``_states`` returned; a new training has no states."""
    if states:
        strategy.restore(states["strategy"])
    if states and observer is not None:
        observer.restore(states["observer"])
