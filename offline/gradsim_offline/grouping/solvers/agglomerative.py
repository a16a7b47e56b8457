"""Hierarchical clustering as scikit-learn does it: average linkage on 1 - S, no overlap; the usual yardstick."""

from __future__ import annotations

import warnings

import numpy as np

from gradsim_offline.grouping.constraints import serve_given
from gradsim_offline.grouping.objective import GroupingResult
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import Solver

_ROUNDING = 1e-6


def solve(problem: Problem) -> GroupingResult:
    """Return exactly K clusters, at most N; S is made symmetric, for a distance has no direction.

    An S that is not symmetric, as that of ``transfer``, is averaged with its transpose, and a warning says so; the
    grouping's score is that of S as it was. The bound holds for groupings with overlap, too: what clustering leaves on
    the table.

    Raises:
        SettingsError: A constraint is broken, or a language is alone where that is forbidden.
    """
    _warn_of_directions(problem.similarity)
    labels = _labels(problem)
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    return serve_given(problem, groups, "agglomerative")


def _labels(problem: Problem) -> np.ndarray:
    """Return the cluster of each language, ``[N]``."""
    if problem.count == 1:  # scikit-learn wants two
        return np.zeros(1, dtype=np.int64)
    from sklearn.cluster import AgglomerativeClustering

    symmetric = (problem.similarity + problem.similarity.T) / 2
    clusters = min(problem.groups, problem.count)
    clustering = AgglomerativeClustering(n_clusters=clusters, metric="precomputed", linkage="average")
    return np.asarray(clustering.fit_predict(1.0 - symmetric))


def _warn_of_directions(similarity: np.ndarray) -> None:
    """Say that S has directions, which clustering cannot see."""
    largest = float(np.abs(similarity - similarity.T).max())
    if largest > _ROUNDING:
        warnings.warn(
            f"S is not symmetric: S[i, j] and S[j, i] differ by up to {largest:.2g}. agglomerative clusters the mean "
            "of both; the solvers exact, search and partition look at both",
            stacklevel=3,
        )


PLUGIN = Solver(solve)
