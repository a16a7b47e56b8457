"""Several models of one group that answer as one: their probabilities, or their logits, are averaged.

The folder of an ensemble is that of its first model, which is the single model of the build's seed, bit for bit; the
others lie in folders below it, and ensemble.json names them all. Loading the folder as a single model gives the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from gradsim_offline.core.run_directory import write_json
from gradsim_shared.errors import ModelError

ENSEMBLE_FILE = "ensemble.json"
Average = Literal["probabilities", "logits"]
_SEED_WORDS = 13  # keeps the random stream that seeds come from apart from the others


class Members(BaseModel):
    """What ensemble.json holds.

    Attributes:
        models: Folder of each model, seen from that of the ensemble; the first is ``.``.
        seeds: Of their heads, dropout and order of texts.
        average: What is averaged.
        scores: Mean dev score of each model; none without dev texts.
        score: That of the ensemble.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Annotated[list[str], Field(min_length=1)]
    seeds: list[int]
    average: Average
    scores: list[float] = []
    score: float | None = None

    def save(self, directory: Path) -> None:
        """Write ensemble.json."""
        write_json(directory / ENSEMBLE_FILE, self.model_dump())


def read_members(directory: str | Path) -> Members | None:
    """Read the ensemble.json of a model's folder; ``None``: a single model without that file.

    Raises:
        ModelError: It is not valid.
    """
    path = Path(directory) / ENSEMBLE_FILE
    try:
        return Members.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise ModelError(f"{path} does not describe an ensemble: {error.errors()[0]['msg']}; train it again") from error


def seeds_of(seed: int, count: int) -> list[int]:
    """Return the seeds of an ensemble's models: the first is the build's own, the others are drawn from it."""
    others = np.random.SeedSequence([seed, _SEED_WORDS]).generate_state(count - 1)
    return [seed, *(int(state) % 2**31 for state in others)]


class Ensemble(nn.Module):
    """Models with the same inputs and labels as one model; it is not for training.

    Args:
        members: The models.
        average: ``probabilities``: the logits are the logarithm of the members' mean probability of each label.
            ``logits``: their mean logit, which is the geometric mean of the probabilities, but for a factor.
        several_labels: A text may have several: their probabilities are each label's own.
    """

    def __init__(self, members: Sequence[nn.Module], average: Average, *, several_labels: bool = False) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.average, self.several_labels = average, several_labels

    def forward(self, **batch: Tensor) -> Any:  # noqa: ANN401 - has logits, as every model's output
        """Return an output with ``logits``, ``[batch, labels]`` or ``[batch, tokens, labels]``."""
        logits = [member(**batch).logits for member in self.members]
        return SimpleNamespace(logits=mean_logits(logits, self.average, several_labels=self.several_labels))


def mean_logits(logits: Sequence[Tensor], average: Average, *, several_labels: bool = False) -> Tensor:
    """Average the logits of several models, each ``[..., labels]``.

    Of labels that do not exclude each other: the log-odds of the mean probability of each.
    """
    stacked = torch.stack([each.float() for each in logits])  # [models, ..., labels]
    if average == "logits":
        return stacked.mean(dim=0)
    if several_labels:
        have, have_not = (F.logsigmoid(sign * stacked).logsumexp(dim=0) for sign in (1, -1))
        return have - have_not
    return stacked.log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(logits))
