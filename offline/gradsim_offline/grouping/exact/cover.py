"""Whether the constraints leave any cover at all: an integer programme that knows no similarity."""

from __future__ import annotations

import numpy as np
from scipy.optimize import LinearConstraint
from scipy.sparse import lil_array

from gradsim_offline.grouping.constraints import impossible, linked
from gradsim_offline.grouping.exact.master import INFEASIBLE, solve_integers
from gradsim_offline.grouping.problem import Problem


def find_cover(problem: Problem, nodes: int) -> list[list[int]]:
    """Return some partition into at most K blocks that keeps must-link, cannot-link and the largest group.

    A variable says whether a unit of linked languages is in a group; unit u takes one of the first u + 1 groups, so
    that renumbered groups are not tried again.

    Args:
        problem: Its budget is not looked at.
        nodes: Nodes of the solver's branch and bound, at most.

    Returns:
        The blocks; none if they were not found with so many nodes.

    Raises:
        SettingsError: There is no such partition.
    """
    units, groups, asked = linked(problem), min(problem.groups, problem.count), problem.constraints
    owner = {i: position for position, unit in enumerate(units) for i in unit}
    pairs = sorted({(owner[a], owner[b]) for a, b in asked.cannot_link})
    once = lil_array((len(units), len(units) * groups))
    for unit in range(len(units)):
        once[unit, unit * groups : (unit + 1) * groups] = 1
    inside = lil_array((groups * (len(pairs) + 1), len(units) * groups))
    limits = np.ones(inside.shape[0])
    for group in range(groups):
        first = group * (len(pairs) + 1)
        for row, (a, b) in enumerate(pairs, start=first):
            inside[row, [a * groups + group, b * groups + group]] = 1
        for unit, languages in enumerate(units):
            inside[first + len(pairs), unit * groups + group] = len(languages)
        limits[first + len(pairs)] = asked.largest_group or problem.count
    allowed = np.array([group <= unit for unit in range(len(units)) for group in range(groups)], dtype=float)
    rows = [LinearConstraint(once.tocsc(), 1, 1), LinearConstraint(inside.tocsc(), -np.inf, limits)]
    solution = solve_integers(np.zeros(len(allowed)), rows, nodes, most=allowed)
    if solution.status == INFEASIBLE:
        raise impossible(problem)
    if solution.x is None:
        return []
    chosen = solution.x.reshape(len(units), groups).argmax(axis=1)
    return [sorted(i for unit in np.flatnonzero(chosen == group) for i in units[unit]) for group in np.unique(chosen)]
