"""When grouping pays: what the best number of groups gains, against the amount of data and the encoder's strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradsim_shared.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "map"  # of the files
_PENS = [("o", "-"), ("s", "--"), ("^", ":"), ("D", "-."), ("v", "-"), ("P", "--")]  # told apart without colour
_GREYS = ["black", "0.35", "0.2", "0.5", "0.1", "0.4"]

_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}  # behind text that crosses a line
_NOTE = (
    "K and the better end are chosen on dev; gains and means are on test. Only labelled texts are thinned:\n"
    "tokenizer, IDF and masked language modelling read all training texts at every share."
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
        figure = Figure(figsize=(9, 4.1), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _lines(left, found, "share")
        left.set_xscale("log", base=2)
        left.set_xticks(sorted({each.share for each in found}), minor=False)
        left.set_xticklabels([f"{100 * share:g}" for share in sorted({each.share for each in found})])
        left.set_xlabel("share of the labelled training texts, %")
        left.set_ylabel("gain of the best 1 < K < N\nover the better of K = 1 and K = N, points")
        _lines(right, found, "score")
        right.set_xlabel("plain mean of one model for all languages, %")
        right.legend(frameon=False, fontsize=9)
        figure.supxlabel(_NOTE, fontsize=8, color="0.3")
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
