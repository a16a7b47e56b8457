"""Whether the constraints leave any cover at all: an integer programme that knows no similarity."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_array

from gradsim_offline.grouping.constraints import impossible, linked
from gradsim_offline.grouping.problem import Problem

_INFEASIBLE = 2  # HiGHS, as scipy reports it


def find_cover(problem: Problem, seconds: float) -> list[list[int]]:
    """Return some partition into at most K blocks that keeps must-link, cannot-link and the largest group.

    A variable says whether a unit of linked languages is in a group; unit u takes one of the first u + 1 groups, so
    that renumbered groups are not tried again.

    Returns:
        The blocks; none if they were not found in time.

    Raises:
        SettingsError: There is no such partition.
    """
    units, groups, asked = linked(problem), min(problem.groups, problem.count), problem.constraints
    owner = {i: position for position, unit in enumerate(units) for i in unit}
    pairs = {(owner[a], owner[b]) for a, b in asked.cannot_link}
    once = lil_array((len(units), len(units) * groups))
    for unit in range(len(units)):
        once[unit, unit * groups : (unit + 1) * groups] = 1
    room = lil_array((groups * (len(pairs) + 1), len(units) * groups))
    limits = np.ones(room.shape[0])
    for group in range(groups):
        for row, (a, b) in enumerate(sorted(pairs)):
            room[group * (len(pairs) + 1) + row, [a * groups + group, b * groups + group]] = 1
        last = group * (len(pairs) + 1) + len(pairs)
        for unit, languages in enumerate(units):
            room[last, unit * groups + group] = len(languages)
        limits[last] = asked.largest_group or problem.count
    allowed = np.array([group <= unit for unit in range(len(units)) for group in range(groups)], dtype=float)
    found = milp(
        np.zeros(len(allowed)),
        integrality=np.ones(len(allowed), dtype=np.int64),
        bounds=Bounds(0, allowed),
        constraints=[LinearConstraint(once.tocsc(), 1, 1), LinearConstraint(room.tocsc(), -np.inf, limits)],
        options={"time_limit": max(seconds, 0.1)},
    )
    if found.status == _INFEASIBLE:
        raise impossible(problem)
    if found.x is None:
        return []
    chosen = found.x.reshape(len(units), groups).argmax(axis=1)
    return [sorted(i for unit in np.flatnonzero(chosen == group) for i in units[unit]) for group in np.unique(chosen)]
