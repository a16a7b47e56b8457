"""The definition, enumerated: every choice of groups, and every way to be served; slow, and hard to get wrong."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np

from gradsim_offline.grouping.objective import collective_similarity


def subsets(count):
    """Return every non-empty set of languages."""
    return [chosen for size in range(1, count + 1) for chosen in combinations(range(count), size)]


def brute_force(similarity, groups, singletons):
    """Enumerate every choice of ``groups`` groups out of all subsets, as the definition reads."""
    count = len(similarity)
    families = subsets(count)
    table = np.full((len(families), count), -np.inf)
    for row, subset in enumerate(families):
        table[row, list(subset)] = collective_similarity(similarity, subset, singletons)
    best = -np.inf
    for chosen in combinations(range(len(families)), min(groups, len(families))):
        best = max(best, table[list(chosen)].max(axis=0).sum())
    return best


def partitions(languages):
    """Yield every partition of a list."""
    if not languages:
        yield []
        return
    first, *rest = languages
    for partition in partitions(rest):
        yield [[first], *partition]
        for place in range(len(partition)):
            yield [*partition[:place], [first, *partition[place]], *partition[place + 1 :]]


def without_overlap(similarity, groups, singletons):
    """Return the score of the best partition."""
    found = -np.inf
    for partition in partitions(list(range(len(similarity)))):
        if len(partition) <= groups:
            found = max(found, sum(collective_similarity(similarity, g, singletons).sum() for g in partition))
    return found


def with_constraints(problem):
    """Return the best score over all families of groups and all ways to serve, with every constraint as it reads."""
    asked, count = problem.constraints, problem.count
    allowed = [
        group
        for group in subsets(count)
        if not any(a in group and b in group for a, b in asked.cannot_link)
        and (asked.largest_group is None or len(group) <= asked.largest_group)
    ]
    best = -np.inf
    for number in range(1, min(problem.groups, count) + 1):
        for family in combinations(allowed, number):
            if len({i for group in family for i in group}) < count:
                continue
            if asked.budget is not None and sum(asked.sizes[i] for g in family for i in g) > asked.budget + 1e-9:
                continue
            best = max(best, _served(problem, family))
    return best


def _served(problem, family):
    """Return the best score that a family reaches when linked languages are served together."""
    values = [
        dict(zip(group, collective_similarity(problem.similarity, group, problem.singletons), strict=True))
        for group in family
    ]
    if not problem.constraints.must_link:
        return sum(max(value[i] for value in values if i in value) for i in range(problem.count))
    best = -np.inf
    for serving in product(range(len(family)), repeat=problem.count):
        if all(serving[a] == serving[b] for a, b in problem.constraints.must_link):
            best = max(best, sum(values[g].get(i, -np.inf) for i, g in enumerate(serving)))
    return best
