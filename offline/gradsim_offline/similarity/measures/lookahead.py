"""What a step on one language does to another's loss in one joint training run (TAG, Fifty et al. 2021)."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.section import Positive, Section, Share
from gradsim_offline.core.training_settings import Measuring
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity.lookahead_steps import Judge, Lay, affinities, undisturbed
from gradsim_offline.similarity.measure import MeasureContext, SimilarityMeasure
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.training.batching import Row, to_device
from gradsim_shared.errors import SettingsError

_SAMPLE_WORD = 11  # keeps the random stream that draws texts apart from the others


class Options(Section):
    """How often and on what the lookahead steps are taken."""

    every: Positive = Field(40, description="training steps from one recorded step to the next")
    texts: Annotated[int, Field(ge=0)] = Field(
        32, description="training texts per language to step on, and as many to judge on; 0: the training batch, as TAG"
    )
    gain: Share = Field(0.01, description="share of its own loss that a language's step is to take away, on average")


def joint_run(measuring: Measuring) -> dict[str, Any]:
    """Return what of the section ``measuring`` this measure depends on: the schedule of the joint run."""
    return measuring.model_dump(exclude={"layers", "projection", "skipped_epochs", "averaged_epochs", "balanced"})


def measure(context: MeasureContext) -> Measured:
    """Train one joint model and look ahead on the way (Fifty et al. 2021, Efficiently Identifying Task Groupings).

    At every n-th step: for each language j, step along the gradient of j's loss alone, see the loss of every language
    i, step back. ``S[i, j]`` is the mean over recorded steps of ``(1 - L_i(after the step on j) / L_i) / gain``
    (their equation 1, ``Z[j -> i]``): 1 means that a step on j does for i what a step is to do for its own language,
    below 0 that it harms. The training itself is undisturbed, bit for bit; the joint model (its best dev epoch) is
    left in the context's directory.

    Where we differ from the paper, and why:

    - Its tasks have heads of their own and share the encoder; our languages share everything, so the step moves all
      parameters, the head too.
    - It steps with the training's rate, and its published code (SGD, momentum in the step) divides by that rate. Our
      rate is AdamW's, too small for a plain gradient step (2e-5 would be lost in rounding): the step is as long as
      takes ``gain`` off a language's own loss, the same rate for all languages, and S is divided by ``gain``.
    - Its batches hold every task for every example. Ours hold few texts of small languages, at times none, and one easy
      text with a loss near 0 would make the ratio explode. So ``texts`` training texts of each language are drawn anew
      at each recorded step, and other ``texts`` to judge on: the diagonal, too, then says what is learnt for texts not
      seen in the step. Many texts at few steps tell more than few at many, for the same cost: the noise of an affinity
      falls with the number of texts, but only with the root of the number of steps. ``texts = 0`` takes the training
      batch for both, as the paper does.
    - Losses are taken without dropout and in float32: the differences are small.
    """
    started = time.monotonic()
    languages, options = context.dataset.languages, context.options
    pad_id = load_tokenizer(context.training.encoder, maximum_length=context.training.maximum_length)[1]

    def observe(model: nn.Module, rows: Sequence[Row]) -> LookaheadObserver:
        collate = context.training.task.collate(rows, pad_id)
        return LookaheadObserver(
            model,
            rows,
            lambda indices: collate(indices, 0, 0),
            len(languages),
            seed=context.training.seed,
            options=options,
        )

    observer = context.train_jointly(observe)
    settings = {**joint_run(context.measuring), **options.model_dump()}
    return summarise(*observer.epochs, languages, settings, time.monotonic() - started)


def summarise(
    sums: Tensor, counts: Tensor, languages: Sequence[str], settings: dict[str, Any], seconds: float
) -> Measured:
    """Turn recorded affinities into similarities.

    Args:
        sums: Of the affinities recorded in each epoch, ``[epochs, N, N]``.
        counts: How many there are in each sum, ``[epochs, N, N]``.
        languages: Their codes.
        settings: How it was measured.
        seconds: Wall time of the measurement.
    """
    matrix = mean(sums.sum(0), counts.sum(0))
    unseen = [f"{languages[j]} on {languages[i]}" for i, j in np.argwhere(counts.sum(0).numpy() == 0)]
    if unseen:
        more = f" and {len(unseen) - 6} more" if len(unseen) > 6 else ""
        warnings.warn(
            f"no lookahead step shows the effect of {', '.join(unseen[:6])}{more}: similarity 0; "
            "set a smaller similarity.every, or similarity.texts above 0",
            stacklevel=3,
        )
    return Measured(
        "lookahead",
        tuple(languages),
        matrix,
        split_half=matrix.diagonal().copy() if settings["texts"] else None,  # judged on texts not stepped on
        epochs=tuple(mean(total, count) for total, count in zip(sums, counts, strict=True)),
        settings={**settings, "recorded": int(counts.sum(0).max())},
        seconds=seconds,
    )


def mean(total: Tensor, count: Tensor) -> NDArray[np.float64]:
    """Divide sums by counts; 0 where nothing was counted."""
    means: NDArray[np.float64] = (total / count.clamp(min=1)).numpy()
    return means


class LookaheadObserver:
    """Looks ahead at every n-th step of the training loop, before the step itself.

    Args:
        model: The model in training.
        rows: The training rows, as the batches' indices mean them.
        lay: Lays rows out as a batch.
        languages: How many languages there are.
        seed: Draws the texts.
        options: How often and on what.
    """

    takes_parts = False  # it counts steps

    def __init__(
        self, model: nn.Module, rows: Sequence[Row], lay: Lay, languages: int, *, seed: int, options: Options
    ) -> None:
        self._model = model
        self._lay = lay
        self._seed = seed
        self._options = options
        self._languages = languages
        self._spoken = [row.language for row in rows]
        self._lengths = [len(row.ids) for row in rows]
        self._all = _by_language(range(len(rows)), self._spoken)
        self._step = 0
        self._sums, self._counts = self._empty(), self._empty()  # [epochs so far, N, N], the last one running

    @contextmanager
    def watch(self, indices: Sequence[int]) -> Iterator[None]:
        """Look ahead, if it is time to, and let the step go on."""
        if self._step % self._options.every == 0:
            self._record(indices)
        self._step += 1
        yield

    def end_epoch(self) -> None:
        """Start the next epoch's sums."""
        self._sums = torch.cat([self._sums, self._empty()])
        self._counts = torch.cat([self._counts, self._empty()])

    @property
    def epochs(self) -> tuple[Tensor, Tensor]:
        """The finished epochs' sums and counts, ``[epochs, N, N]``."""
        return self._sums[:-1], self._counts[:-1]

    def state(self) -> dict[str, Tensor]:
        """Return how far it is and what was recorded."""
        return {"step": torch.tensor(self._step), "sums": self._sums, "counts": self._counts}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self._step, self._sums, self._counts = int(state["step"]), state["sums"], state["counts"]

    def draw(self, indices: Sequence[int]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """Return the rows of each language to step on, and to judge on.

        A language of fewer texts than twice ``texts`` uses half of them for each; of a single text, it for both.

        Args:
            indices: The training batch; used where ``texts`` is 0.
        """
        if not self._options.texts:
            batch = _by_language(indices, self._spoken)
            return batch, batch
        random = np.random.default_rng([self._seed, self._step, _SAMPLE_WORD])
        steps, judged = {}, {}
        for language, rows in self._all.items():
            count = max(1, min(self._options.texts, len(rows) // 2))
            drawn = [rows[i] for i in random.permutation(len(rows))[: 2 * count]]
            steps[language], judged[language] = drawn[:count], drawn[-count:]
        return steps, judged

    def _record(self, indices: Sequence[int]) -> None:
        steps, judged = self.draw(indices)
        device = next(self._model.parameters()).device
        with undisturbed(self._model):
            judge = Judge(judged, self._lengths, self._lay, languages=self._languages, device=device)
            batches = {language: to_device(self._lay(rows), device) for language, rows in steps.items()}
            recorded = affinities(self._model, batches, judge, self._options.gain)
        seen = recorded.isfinite()
        self._sums[-1] += torch.where(seen, recorded, 0.0)
        self._counts[-1] += seen

    def _empty(self) -> Tensor:
        return torch.zeros(1, self._languages, self._languages, dtype=torch.float64)


def _by_language(indices: Sequence[int], spoken: Sequence[int]) -> dict[int, list[int]]:
    """Sort rows by their language, in the order of the languages."""
    rows: dict[int, list[int]] = {}
    for index in indices:
        rows.setdefault(spoken[index], []).append(index)
    return dict(sorted(rows.items()))


def check(dataset: Dataset, _options: Any) -> None:  # noqa: ANN401 - the settings
    """Refuse questions.

    Raises:
        SettingsError: A loss of their own for each question cannot be told from the logits.
    """
    if dataset.asks:
        raise SettingsError("measure lookahead knows the loss of labels, not that of spans; take gradient or transfer")


PLUGIN = SimilarityMeasure(measure, check, joint_run=joint_run, reads_encoder=True, options=Options)
