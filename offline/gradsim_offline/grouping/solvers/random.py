"""Random groups of the very sizes that the best groups have: what grouping by chance gives."""

from __future__ import annotations

import numpy as np

from gradsim_offline.grouping.constraints import broken, refuse_broken
from gradsim_offline.grouping.objective import GroupingResult, serve_blocks
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.grouping.solver import Solver
from gradsim_offline.grouping.solvers import exact

_DRAW = 23  # keeps this random stream apart from others of the same seed
_DRAWS = 1000  # until the constraints are kept


def solve(problem: Problem) -> GroupingResult:
    """Solve exactly, then let the languages change places at random (``problem.seed``); overlap stays.

    Raises:
        SettingsError: What ``exact`` raises, or no draw keeps the constraints.
    """
    best = exact.solve(problem)
    random = np.random.default_rng([problem.seed, _DRAW])
    for _ in range(_DRAWS):
        place = random.permutation(problem.count)
        blocks = [
            ([int(place[i]) for i in best.served(position)], [int(place[i]) for i in group])
            for position, group in enumerate(best.groups)
        ]
        drawn = serve_blocks(problem.similarity, blocks, problem.singletons, bound=best.bound)
        if broken(problem, drawn) is None:
            return drawn
    return refuse_broken(problem, drawn, "random")


PLUGIN = Solver(solve, check=exact.check, reads_s=False, k_from="exact")  # its sizes are those of the best groups
