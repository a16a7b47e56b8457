"""Which languages are near each other: a tree of average linkage, with the groups beside its leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.report.charts import around
from gradsim_offline.report.drawing import Box, Drawing, Line, Shape, Text, cut
from gradsim_offline.report.heatmap import LABEL_WIDTH
from gradsim_offline.report.numbers import decimal

_ROW, _TREE, _COLUMN, _SQUARE = 24.0, 300.0, 34.0, 13.0  # pixels
_LONGEST_LABEL = 28  # characters before it is cut


def linkage(similarity: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return scipy's linkage of ``top - (S + S') / 2`` by average, ``[N - 1, 4]``; ``None``: there is nothing to link.

    The top is 1, the largest cosine; where a measure exceeds it, the largest similarity of two languages.

    Args:
        similarity: ``[N, N]``; the diagonal does not count.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    if len(similarity) < 2 or not np.isfinite(similarity).all():
        return None
    distance = _top(similarity) - (similarity + similarity.T) / 2
    np.fill_diagonal(distance, 0)
    linked: NDArray[np.float64] = hierarchy.linkage(
        squareform(distance, checks=False), "average", optimal_ordering=True
    )
    return linked


def _top(similarity: NDArray[np.float64]) -> float:
    both = (similarity + similarity.T) / 2
    return max(1.0, float(both[~np.eye(len(both), dtype=bool)].max()))


def leaves(linked: NDArray[np.float64]) -> list[int]:
    """Return the order of the leaves, from above."""
    from scipy.cluster import hierarchy

    return [int(leaf) for leaf in hierarchy.leaves_list(linked)]


def dendrogram(
    similarity: NDArray[np.float64],
    names: Sequence[str],
    groups: Mapping[str, Sequence[tuple[int, bool]]],
    *,
    name: str,
    title: str,
) -> Drawing | None:
    """Draw the tree from its root at the left to the languages, then a column for each group.

    Args:
        similarity: ``[N, N]``.
        names: Of its rows.
        groups: Id to its members: row, and whether the group serves it (a full square) or not (an empty one).
        name: Unique in the page.
        title: What it shows.

    Returns:
        The drawing; ``None``: there are fewer than two languages, or similarities are missing.
    """
    linked = linkage(similarity)
    if linked is None:
        return None
    order = leaves(linked)
    place = {leaf: 34 + _ROW * i for i, leaf in enumerate(order)}  # row to its height on the page
    top, bottom = 34 - _ROW / 2, 34 + _ROW * (len(order) - 0.5)
    most = _top(similarity)
    highest = max(float(linked[:, 2].max()), 1e-6 * most)

    def at(distance: float) -> float:
        return 30 + _TREE * (1 - distance / highest)

    ticks = [most - value for value in around(most - highest, most) if most - value <= highest + 1e-9]  # distances
    shapes: list[Shape] = [Line(((at(tick), top), (at(tick), bottom)), "grid") for tick in ticks]
    shapes += [Text(at(tick), bottom + 16, decimal(most - tick, 2)) for tick in ticks]
    shapes.append(Text(at(highest / 2), bottom + 34, "mean similarity at which branches join"))
    shapes += _branches(linked, place, at)
    right = at(0) + 10
    shapes += [
        Text(right, place[leaf], cut(names[leaf], _LONGEST_LABEL), "value", anchor="start", centred=True)
        for leaf in order
    ]
    right += 12 + LABEL_WIDTH * max(len(cut(each, _LONGEST_LABEL)) for each in names)
    for column, (group, members) in enumerate(groups.items()):
        x = right + _COLUMN * (column + 0.5)
        shapes.append(Text(x, 14, cut(group, 5), "block"))
        shapes.append(Line(((x, top), (x, bottom)), "grid"))
        for row, served in members:
            corner = (x - _SQUARE / 2, place[row] - _SQUARE / 2)
            words = f"{names[row]}: {'served by' if served else 'source-only in'} {group}"
            shapes.append(Box(*corner, _SQUARE, _SQUARE, "full" if served else "hollow", tip=words))
    width = right + _COLUMN * len(groups) + 10
    return Drawing(shapes, width, bottom + 46, name, title, _in_words(linked, names, order, most))


def _branches(linked: NDArray[np.float64], place: Mapping[int, float], at: Callable[[float], float]) -> list[Shape]:
    """Draw, for each join, the line from one branch through the join to the other."""
    heights: dict[int, tuple[float, float]] = {leaf: (0.0, y) for leaf, y in place.items()}  # distance, y
    shapes: list[Shape] = []
    for i, (one, other, distance, _) in enumerate(linked):
        first, second = heights[int(one)], heights[int(other)]
        x = at(float(distance))
        corners = ((at(first[0]), first[1]), (x, first[1]), (x, second[1]), (at(second[0]), second[1]))
        shapes.append(Line(corners, "tree"))
        heights[len(place) + i] = (float(distance), (first[1] + second[1]) / 2)
    x, y = at(heights[2 * len(place) - 2][0]), heights[2 * len(place) - 2][1]
    return [*shapes, Line(((x - 12, y), (x, y)), "tree")]


def _in_words(linked: NDArray[np.float64], names: Sequence[str], order: Sequence[int], most: float) -> str:
    """Say the nearest pair, and the order of the leaves."""
    single = [(float(row[2]), int(row[0]), int(row[1])) for row in linked if max(row[0], row[1]) < len(names)]
    distance, one, other = min(single)
    return (
        f"Nearest to each other are {names[one]} and {names[other]}, with similarity {decimal(most - distance)}. "
        f"From above: {', '.join(names[leaf] for leaf in order)}."
    )
