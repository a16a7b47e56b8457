"""When grouping pays: what the best number of groups gains, against the amount of data and the encoder's strength."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradsim_offline.report.axes import MARKS
from gradsim_offline.report.charts import Point, Series
from gradsim_offline.report.drawing import Caption
from gradsim_offline.report.figures import write_figures
from gradsim_offline.report.lines import Plot, plots
from gradsim_offline.report.numbers import rounded
from gradsim_shared.errors import DataError

_NOTE = (
    "Above 0 grouping pays. K and the better end are chosen on dev; gains and means are on test. Only labelled texts "
    "are thinned: tokenizer, IDF and masked language modelling read all training texts at every share."
)


@dataclass(frozen=True)
class Place:
    """An encoder with some share of the training data, on the map.

    Attributes:
        encoder: Its name.
        share: Of the labelled training texts, 0 to 1.
        score: Of one model for all languages, on test, 0 to 1.
        gain: On test, of the best K between 2 and N - 1 over the better one of K = 1 and K = N; both chosen on dev.
        best: The best K between.
        end: The better end.
    """

    encoder: str
    share: float
    score: float
    gain: float
    best: int
    end: int


def place(point: Mapping[str, Any]) -> Place:
    """Put a point on the map.

    Dev chooses and test reports: the highest of several test scores would be too high by chance alone.

    Args:
        point: ``encoder``, ``share``, ``groups`` and ``dev``: K to score on test and on dev, 0 to 1; the largest K is
            one group per language.

    Raises:
        DataError: K = 1 is missing, there is no K between it and the largest, or dev has other K than test.
    """
    test, dev = ({int(number): float(score) for number, score in point[split].items()} for split in ("groups", "dev"))
    where = f"the sweep of {point['encoder']} with share {point['share']:g}"
    if test.keys() != dev.keys():
        raise DataError(
            f"{where} has the numbers of groups {_listed(test)} on test and {_listed(dev)} on dev; the map needs both "
            "splits: dev chooses the number of groups, test says what it gains"
        )
    between = [number for number in test if 1 < number < max(test)]
    if 1 not in test or not between:
        raise DataError(
            f"{where} has the numbers of groups {_listed(test)}; the map needs 1, the number of languages, and one "
            "between them"
        )
    best, end = (max(some, key=lambda number: (dev[number], -number)) for some in (between, (1, max(test))))
    return Place(str(point["encoder"]), float(point["share"]), test[1], test[best] - test[end], best, end)


def _listed(scores: Mapping[int, float]) -> str:
    return ", ".join(map(str, sorted(scores))) or "none"


def point(sweep: Mapping[str, Any], encoder: str = "", share: float | None = None) -> dict[str, Any]:
    """Return a point from what sweep-groups.json holds: plain means over languages and seeds, on test and on dev.

    Args:
        sweep: Its content.
        encoder: What to call it; empty: the name in its settings.
        share: Of the labelled training texts; ``None``: the one in its settings.
    """
    settings = sweep["provenance"]["settings"]
    names = dict(zip(sweep["sweep"]["values"], [method["name"] for method in sweep["methods"]], strict=True))
    averages: Mapping[str, Any] = sweep["averages"]
    test, dev = (
        {number: averages[split][name]["plain"]["mean"] for number, name in names.items()} if split in averages else {}
        for split in ("test", "dev")
    )
    return {
        "encoder": encoder or settings["model"],
        "share": settings["training"]["fraction"] if share is None else share,
        "groups": test,
        "dev": dev,
    }


def draw_map(sweeps: Sequence[Mapping[str, Any]], directory: Path) -> list[Path]:
    """Draw the gain against share and score, a line for each encoder, as ``map.svg`` and ``map.png``.

    Args:
        sweeps: Points as ``place`` takes them (``point`` makes one of a sweep's JSON).
        directory: Where to write.

    Returns:
        The files.

    Raises:
        DataError: There are none, or one lacks a number of groups.
    """
    if not sweeps:
        raise DataError("there is no sweep to draw a map from")
    places = sorted(map(place, sweeps), key=lambda each: each.share)
    by_encoder = {
        name: [each for each in places if each.encoder == name]
        for name in dict.fromkeys(each.encoder for each in places)
    }
    series = [
        Series(
            encoder,
            [Point(each.gain, words=f"K={each.best}") for each in of_encoder],
            MARKS[i % len(MARKS)],
            filled=i // len(MARKS) % 2 == 0,
        )
        for i, (encoder, of_encoder) in enumerate(by_encoder.items())
    ]
    shares = [[math.log2(each.share) for each in of_encoder] for of_encoder in by_encoder.values()]
    scores = [[each.score for each in of_encoder] for of_encoder in by_encoder.values()]
    drawing = plots(
        [
            Plot(
                series,
                shares,
                "share of the labelled training texts, %",
                {math.log2(each.share): f"{100 * each.share:g}" for each in places},
            ),
            Plot(series, scores, "plain mean of one model for all languages, %"),
        ],
        Caption("map", "Gain of the best 1 < K < N over the better of K = 1 and K = N", _NOTE),
        axis="gain of the best 1 < K < N, points",
        tick=rounded,
        zero=True,
    )
    return write_figures(directory, [drawing])
