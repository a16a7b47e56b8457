"""A map of languages in two dimensions: each member is tied to its sprachbund's pivot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.experiments.sprachbund.clusters import Sprachbund
from gradsim_offline.report.axes import MARKS, mark
from gradsim_offline.report.drawing import Drawing, Line, Shape, Text, width_of
from gradsim_shared.errors import SettingsError

WAYS = ("pca", "tsne")
NAME = "sprachbunds"  # of the files
_SIZE, _MARGIN, _ROW = 480.0, 40.0, 20.0  # pixels
_FEWEST = 4  # languages that t-SNE can place

Matrix = NDArray[np.float64]


def flatten(vectors: Matrix, way: str, *, seed: int) -> tuple[Matrix, tuple[float, ...]]:
    """Lay languages out in a plane.

    Args:
        vectors: As they are compared, ``[N, width]``; their lengths do not count, as in the cosine.
        way: ``pca``: the two directions of greatest variance; ``tsne``: neighbours stay neighbours, distances mean
            little (van der Maaten and Hinton 2008).
        seed: Of t-SNE.

    Returns:
        ``[N, 2]``, and the share of the variance along each axis; empty for t-SNE.

    Raises:
        SettingsError: There are too few languages for t-SNE.
    """
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-300)
    if way == "pca":
        from sklearn.decomposition import PCA

        pca = PCA(n_components=min(2, *units.shape), svd_solver="full")
        places = pca.fit_transform(units)
        shares = (*map(float, pca.explained_variance_ratio_), 0.0)[:2]
        return np.pad(places, ((0, 0), (0, 2 - places.shape[1]))), shares
    if len(units) < _FEWEST:
        raise SettingsError(f"--map tsne needs {_FEWEST} languages, there are {len(units)}; take --map pca")
    from sklearn.manifold import TSNE

    near = min(30.0, (len(units) - 1) / 3)
    return TSNE(perplexity=near, init="pca", random_state=seed).fit_transform(units).astype(np.float64), ()


def language_map(
    places: Matrix, shares: Sequence[float], languages: Sequence[str], clusters: Sequence[Sprachbund]
) -> Drawing:
    """Draw the map; marks tell sprachbunds apart, lines tie members to their pivot, whose name is bold.

    Args:
        places: ``[N, 2]``.
        shares: Of the variance along each axis; empty: the axes mean nothing.
        languages: Codes, ``N``.
        clusters: The clusters.
    """
    low, extent = places.min(axis=0), max(float(np.ptp(places, axis=0).max()), 1e-12)
    slack = (extent - np.ptp(places, axis=0)) / 2
    at = {
        code: (
            _MARGIN + _SIZE * (x - low[0] + slack[0]) / extent,
            _MARGIN + _SIZE * (1 - (y - low[1] + slack[1]) / extent),
        )
        for code, (x, y) in zip(languages, places.tolist(), strict=True)
    }
    shapes: list[Shape] = [
        Line((at[cluster.pivot], at[code]), "grid")
        for cluster in clusters
        for code in cluster.members
        if code != cluster.pivot
    ]
    floor = _SIZE + 2 * _MARGIN
    for position, cluster in enumerate(clusters):
        look = MARKS[position % len(MARKS)], "full" if position // len(MARKS) % 2 == 0 else "hollow"
        for code in cluster.members:
            x, y = at[code]
            shapes += mark(look[0], x, y, look[1])
            shapes.append(Text(x + 8, y, code, "block" if code == cluster.pivot else "value", "start", centred=True))
        y = floor + 34 + _ROW * position
        shapes += mark(look[0], _MARGIN, y, look[1])
        shapes.append(Text(_MARGIN + 14, y, _legend(cluster), "value", "start", centred=True))
    if shares:
        first, second = (f"{100 * share:.0f} % of the variance" for share in shares)
        shapes.append(Text(floor / 2, floor + 8, f"first component, {first}"))
        shapes.append(Text(16, floor / 2, f"second component, {second}", turned=True))
    return Drawing(
        shapes,
        max(floor + 40, _MARGIN + 30 + width_of([_legend(cluster) for cluster in clusters])),
        floor + 44 + _ROW * len(clusters),
        NAME,
        f"{len(clusters)} sprachbunds of {len(languages)} languages",
        "Languages that an encoder represents alike stand near each other; a line ties each to its sprachbund's pivot. "
        + " ".join(f"{cluster.id}: {', '.join(cluster.members)}, pivot {cluster.pivot}." for cluster in clusters),
    )


def _legend(cluster: Sprachbund) -> str:
    """Return a sprachbund's line below the map, its pivot first."""
    others = [code for code in cluster.members if code != cluster.pivot]
    return f"{cluster.id}: {' '.join([cluster.pivot, *others])}"
