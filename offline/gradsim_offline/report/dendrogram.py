"""Which languages are near each other: a tree of average linkage, with the groups beside its leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.report.axes import Scale, around, frame
from gradsim_offline.report.drawing import Box, Caption, Drawing, Line, Shape, Text, cut, width_of
from gradsim_offline.report.numbers import decimal

_ROW, _TREE, _COLUMN, _SQUARE = 24.0, 300.0, 34.0, 13.0  # pixels


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
    order, labels = leaves(linked), [cut(each) for each in names]
    heights = {leaf: 34 + _ROW * i for i, leaf in enumerate(order)}  # row to its y
    top, bottom = 34 - _ROW / 2, 34 + _ROW * (len(order) - 0.5)
    most = _top(similarity)
    furthest = max(float(linked[:, 2].max()), 1e-6 * most)
    x = Scale(most - furthest, most, 30, 30 + _TREE)  # similarity to its x
    ticks = {tick: decimal(tick, 2) for tick in around(x.low, most) if x.low - 1e-9 <= tick <= most + 1e-9}
    shapes = frame(x, Scale(0, 1, bottom, top), ticks, {}, "mean similarity at which branches join")
    shapes += _branches(linked, heights, x, most)
    left = x.end + 10
    shapes += [Text(left, y, labels[leaf], "value", anchor="start", centred=True) for leaf, y in heights.items()]
    left += 12 + width_of(labels) + _COLUMN / 2
    for group, members in groups.items():
        shapes.append(Text(left, 14, cut(group, 5), "block"))
        shapes.append(Line(((left, top), (left, bottom)), "grid"))
        for row, served in members:
            corner = (left - _SQUARE / 2, heights[row] - _SQUARE / 2)
            words = f"{names[row]}: {'served by' if served else 'source-only in'} {group}"
            shapes.append(Box(*corner, _SQUARE, _SQUARE, "full" if served else "hollow", tip=words))
        left += _COLUMN
    width = left - _COLUMN / 2 + 10
    return Drawing(shapes, width, bottom + 46, *Caption(name, title, _in_words(linked, names, order, most)))


def _branches(linked: NDArray[np.float64], heights: Mapping[int, float], x: Scale, most: float) -> list[Shape]:
    """Draw, for each join, the line from one branch through the join to the other."""
    places = {leaf: (x(most), y) for leaf, y in heights.items()}  # node to the end of its branch
    shapes: list[Shape] = []
    for node, (left, right, distance, _) in enumerate(linked, start=len(heights)):
        (first_x, first_y), (second_x, second_y) = places[int(left)], places[int(right)]
        join = x(most - float(distance))
        shapes.append(Line(((first_x, first_y), (join, first_y), (join, second_y), (second_x, second_y)), "tree"))
        places[node] = (join, (first_y + second_y) / 2)
    root_x, root_y = places[len(heights) + len(linked) - 1]
    return [*shapes, Line(((root_x - 12, root_y), (root_x, root_y)), "tree")]


def _in_words(linked: NDArray[np.float64], names: Sequence[str], order: Sequence[int], most: float) -> str:
    """Say the nearest pair, and the order of the leaves."""
    pairs = [(float(row[2]), int(row[0]), int(row[1])) for row in linked if max(row[0], row[1]) < len(names)]
    distance, first, second = min(pairs)
    return (
        f"Nearest to each other are {names[first]} and {names[second]}, with similarity {decimal(most - distance)}. "
        f"From above: {', '.join(names[leaf] for leaf in order)}."
    )
