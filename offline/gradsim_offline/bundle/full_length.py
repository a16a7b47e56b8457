"""Run an exported model in every shape that the service may give it, before a bundle is written."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, cycle, islice

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.bundle.parity import Choices, compare
from gradsim_offline.models.loading import first_line
from gradsim_offline.training.trained import TrainedModel
from gradsim_shared.decoding import Text
from gradsim_shared.errors import ModelError
from gradsim_shared.group_model import GroupModel
from gradsim_shared.segments import Pair
from gradsim_shared.token_model import CHUNK_TOKENS


def check_shapes(
    served: GroupModel,
    trained: TrainedModel,
    texts: Sequence[Text],
    *,
    name: str,
    maximum_length: int,
    tolerance: float,
    choices: Choices,
) -> None:
    """Compare both models on one token and on as many as they read, alone, mixed and in whole batches.

    Args:
        served: The exported model.
        trained: What it was exported from.
        texts: Their pieces make up the texts of each length.
        name: Of the group, for messages.
        maximum_length: Tokens that are read at once.
        tolerance: Largest allowed difference of a logit.
        choices: What is chosen between.

    Raises:
        ModelError: One of them cannot run, or their outputs differ; the message names group and shape.
    """
    tagged = not isinstance(texts[0], str | Pair)
    strings = chain.from_iterable((text,) if isinstance(text, str) else text for text in texts)
    words = list(strings if tagged else chain.from_iterable(map(str.split, strings))) or ["a"]
    many = list(islice(cycle(words), 2 * maximum_length))
    long = many if tagged else " ".join(many)
    reading = trained.read([long])
    tokens = cycle([token for piece in reading.ids for token in piece])
    rows = max(2, CHUNK_TOKENS // maximum_length)
    full = [list(islice(tokens, maximum_length)) for _ in range(rows)]
    short = [piece[:1] for piece in full]
    for batch in (short[:1], short, full[:1], full, [*short[:1], *full[:1]], reading.ids):
        lengths = sorted({len(piece) for piece in batch})
        shape = f"{len(batch)} x {' or '.join(map(str, lengths))} tokens"
        try:
            expected = [_rows(output) for output in trained.run(batch)]
            found = [_rows(output) for output in served.run_chunk(batch)]
        except Exception as error:  # onnxruntime raises classes of its own, and torch many
            raise ModelError(f"group {name}: the model cannot run {shape}: {first_line(error)}") from error
        try:
            compare(found, expected, name=name, tolerance=tolerance, choices=choices)
        except ModelError as error:
            raise ModelError(f"{error} (seen with {shape})") from error


def _rows(output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a model says of a piece as ``[units, labels]``: ``[labels]`` is that of a whole text."""
    return output if output.ndim == 2 else output[None]
