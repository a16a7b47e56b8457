"""When grouping pays: what the best number of groups gains, against the amount of data and the encoder's strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradsim_offline.evaluation.tables import splits
from gradsim_shared.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "map"  # of the files
_PENS = [("o", "-"), ("s", "--"), ("^", ":"), ("D", "-."), ("v", "-"), ("P", "--")]  # told apart without colour
_GREYS = ["black", "0.35", "0.2", "0.5", "0.1", "0.4"]

_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}  # behind text that crosses a line


@dataclass(frozen=True)
class Place:
    """An encoder with some share of the training data, on the map.

    Attributes:
        encoder: Its name.
        share: Of the training data, 0 to 1.
        score: Of one model for all languages, 0 to 1.
        gain: Of the best K between 2 and N - 1 over the better one of K = 1 and K = N.
        best: That K.
    """

    encoder: str
    share: float
    score: float
    gain: float
    best: int


def place(point: Mapping[str, Any]) -> Place:
    """Put a point on the map.

    Args:
        point: ``encoder``, ``share``, and ``groups``: K to score, 0 to 1; the largest K is one group per language.

    Raises:
        DataError: K = 1 is missing, or there is no K between it and the largest.
    """
    scores = {int(number): float(score) for number, score in point["groups"].items()}
    between = [number for number in scores if 1 < number < max(scores)]
    if 1 not in scores or not between:
        raise DataError(
            f"the sweep of {point['encoder']} with share {point['share']:g} has the numbers of groups "
            f"{', '.join(map(str, sorted(scores)))}; the map needs 1, the number of languages, and one between them"
        )
    best = max(between, key=lambda number: (scores[number], -number))
    gain = scores[best] - max(scores[1], scores[max(scores)])
    return Place(str(point["encoder"]), float(point["share"]), scores[1], gain, best)


def point(sweep: Mapping[str, Any], encoder: str = "", share: float | None = None) -> dict[str, Any]:
    """Return a point from what sweep-groups.json holds: plain means over languages and seeds, on test if there is one.

    Args:
        sweep: Its content.
        encoder: What to call it; empty: the name in its settings.
        share: Of the training data; ``None``: the one in its settings.
    """
    settings = sweep["provenance"]["settings"]
    averages = sweep["averages"][splits(sweep)[0]]
    values = zip(sweep["sweep"]["values"], sweep["methods"], strict=True)
    return {
        "encoder": encoder or settings["model"],
        "share": settings["training"]["fraction"] if share is None else share,
        "groups": {number: averages[method["name"]]["plain"]["mean"] for number, method in values},
    }


def draw_map(sweeps: Sequence[Mapping[str, Any]], directory: Path) -> list[Path]:
    """Draw the map, a line for each encoder, as ``map.svg`` and ``map.png``; above 0 grouping pays.

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
    import matplotlib as mpl
    from matplotlib.figure import Figure

    found = [place(each) for each in sweeps]
    directory.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "gradsim", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _lines(left, found, "share")
        left.set_xscale("log", base=2)
        left.set_xticks(sorted({each.share for each in found}), minor=False)
        left.set_xticklabels([f"{100 * share:g}" for share in sorted({each.share for each in found})])
        left.set_xlabel("share of the training data, %")
        left.set_ylabel("gain of the best 1 < K < N\nover the better of K = 1 and K = N, points")
        _lines(right, found, "score")
        right.set_xlabel("plain mean of one model for all languages, %")
        right.legend(frameon=False, fontsize=9)
        written = []
        for ending in ("svg", "png"):
            path = directory / f"{NAME}.{ending}"
            figure.savefig(path, dpi=200, metadata={"Date": None} if ending == "svg" else None)
            written.append(path)
    return written


def _lines(axes: Axes, found: Sequence[Place], across: str) -> None:
    """Draw each encoder's line from the least to the most data, the best K written at its marks."""
    for position, encoder in enumerate(dict.fromkeys(each.encoder for each in found)):
        mine = sorted((each for each in found if each.encoder == encoder), key=lambda each: each.share)
        xs = [each.share if across == "share" else 100 * each.score for each in mine]
        ys = [100 * each.gain for each in mine]
        marker, line = _PENS[position % len(_PENS)]
        grey = _GREYS[position % len(_GREYS)]
        axes.plot(xs, ys, marker=marker, linestyle=line, color=grey, label=encoder, markersize=6)
        for x, y, each in zip(xs, ys, mine, strict=True):
            axes.annotate(
                f"K={each.best}",
                (x, y),
                (0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=grey,
                bbox=_WHITE,
            )
    axes.axhline(0, color="0.3", linewidth=1, linestyle=(0, (4, 3)))
    axes.grid(color="0.92")
    axes.margins(0.1, 0.18)
    axes.spines[["top", "right"]].set_visible(False)
