"""Hierarchical clustering as scikit-learn does it: average linkage on 1 - S, no overlap; the usual yardstick."""

from __future__ import annotations

import numpy as np

from gradsim_offline.grouping._constraints import refuse_broken
from gradsim_offline.grouping._objective import Grouping, serve_blocks, simple_bound
from gradsim_offline.grouping._problem import Problem


def solve(problem: Problem) -> Grouping:
    """Return exactly K clusters, at most N; S is made symmetric, for a distance has no direction.

    The bound holds for groupings with overlap, too: what clustering leaves on the table.

    Raises:
        SettingsError: A constraint is broken, or a language is alone where that is forbidden.
    """
    bound = simple_bound(problem.similarity, problem.singletons)
    labels = _labels(problem)
    blocks = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    found = serve_blocks(problem.similarity, [(block, block) for block in blocks], problem.singletons, bound=bound)
    return refuse_broken(problem, found, "agglomerative")


def _labels(problem: Problem) -> np.ndarray:
    """Return the cluster of each language, ``[N]``."""
    if problem.count == 1:  # scikit-learn wants two
        return np.zeros(1, dtype=np.int64)
    from sklearn.cluster import AgglomerativeClustering

    symmetric = (problem.similarity + problem.similarity.T) / 2
    clusters = min(problem.groups, problem.count)
    clustering = AgglomerativeClustering(n_clusters=clusters, metric="precomputed", linkage="average")
    return np.asarray(clustering.fit_predict(1.0 - symmetric))


def check(languages: int) -> None:
    """Say before anything long runs whether so many languages can be taken: any number can."""
