"""Language families (Glottolog): 1 inside a family, 0 between families; or graded by the shared lineage."""

from __future__ import annotations

import time
from itertools import takewhile

import numpy as np
from pydantic import Field

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.families import lineage, uriel_version
from gradsim_offline.core.section import Section
from gradsim_offline.similarity.measure import MeasureContext, SimilarityMeasure
from gradsim_offline.similarity.measured import Measured


class Options(Section):
    """Settings of the measure ``family``."""

    graded: bool = Field(False, description="share of the lineage that two languages have in common, not just 0 or 1")


def fingerprint(_: Options) -> str:
    """Return which tables of families are installed."""
    return uriel_version()


def check(dataset: Dataset, _: Section) -> None:
    """Check before any training that the measure is possible.

    Raises:
        DataError: The family of a language is not known.
    """
    for code in dataset.languages:
        lineage(code)


def measure(context: MeasureContext) -> Measured:
    """Compare the languages' families; nothing is trained, and the texts are not looked at.

    ``S[i, j]`` is 1 if the widest family of both is the same, else 0; graded, it is what ``shared_lineage`` returns.

    Raises:
        DataError: The family of a language is not known.
    """
    started = time.monotonic()
    languages = context.dataset.languages
    lines = [lineage(code) for code in languages]
    compare = shared_lineage if context.options.graded else same_family
    return Measured(
        "family",
        languages,
        np.array([[compare(first, second) for second in lines] for first in lines]),
        settings={
            **context.options.model_dump(mode="json"),
            "families": {code: line[0] for code, line in zip(languages, lines, strict=True)},
        },
        seconds=time.monotonic() - started,
    )


def same_family(first: tuple[str, ...], second: tuple[str, ...]) -> float:
    """Return 1 if two lineages begin with the same family, else 0."""
    return float(first[0] == second[0])


def shared_lineage(first: tuple[str, ...], second: tuple[str, ...]) -> float:
    """Return the share of two lineages that they have in common from the top: twice the shared names over all names."""
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
    return 2 * common / (len(first) + len(second))


PLUGIN = SimilarityMeasure(measure, check=check, fingerprint=fingerprint, options=Options)
