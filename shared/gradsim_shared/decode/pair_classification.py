"""One label per pair of texts, such as whether one follows from the other; read and decoded as a text with a label."""

from __future__ import annotations

from collections.abc import Sequence

from gradsim_shared.decode.text_classification import Prediction as Prediction  # noqa: PLC0414 - as every decoder has
from gradsim_shared.decode.text_classification import Reader as Reader  # noqa: PLC0414
from gradsim_shared.decode.text_classification import apart as apart  # noqa: PLC0414
from gradsim_shared.decode.text_classification import decode as decode  # noqa: PLC0414
from gradsim_shared.decode.text_classification import gather as gather  # noqa: PLC0414
from gradsim_shared.decode.text_classification import mixed_logits as mixed_logits  # noqa: PLC0414
from gradsim_shared.decode.text_classification import prediction_type as prediction_type  # noqa: PLC0414
from gradsim_shared.decode.text_classification import probabilities as probabilities  # noqa: PLC0414
from gradsim_shared.endpoints import PAIRS

READS = "pair"
_INFERENCE = {"entailment", "neutral", "contradiction", "not_entailment"}
_PARAPHRASE = {"different", "paraphrase"}


def route_name(labels: Sequence[str]) -> str:
    """Return the name of the endpoint: ``nli`` or ``paraphrase`` by the labels, else ``pairs``."""
    names = {label.lower() for label in labels}
    return "nli" if names <= _INFERENCE else "paraphrase" if names <= _PARAPHRASE else PAIRS
