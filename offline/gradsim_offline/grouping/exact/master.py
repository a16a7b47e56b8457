"""The master problem: columns that cover every language once, as a linear or an integer programme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, linprog, milp
from scipy.sparse import csc_array, hstack

Vector = NDArray[np.float64]
INFEASIBLE = 2  # HiGHS, as scipy reports it


@dataclass(frozen=True)
class Duals:
    """Duals of the master's linear programme: what a column is charged.

    Attributes:
        languages: For each language that the block serves, ``[N]``.
        helpers: For each helper, ``[N]``; ``inf``: no helpers.
        group: Once.
    """

    languages: Vector
    helpers: Vector
    group: float

    def of(self, languages: Sequence[int]) -> Duals:
        """Return those of some languages, in their order."""
        chosen = list(languages)
        return Duals(self.languages[chosen], self.helpers[chosen], self.group)


@dataclass(frozen=True)
class Column:
    """A block, and the group that serves it.

    Attributes:
        served: The block.
        members: The group: the block and its helpers.
        value: What the block's languages score in it, summed.
        cost: Training texts of the helpers.
    """

    served: tuple[int, ...]
    members: tuple[int, ...]
    value: float
    cost: float

    def reduced_cost(self, duals: Duals) -> float:
        """Return the value less the duals; positive: the column may improve the linear programme."""
        charged = float(duals.languages[list(self.served)].sum()) + duals.group
        helpers = [i for i in self.members if i not in self.served]
        return self.value - charged - (float(duals.helpers[helpers].sum()) if helpers else 0.0)


@dataclass(frozen=True)
class Relaxed:
    """A solution of the linear programme.

    Attributes:
        value: Of the optimum.
        duals: Its duals.
        weights: Of each column.
        uncovered: What no column covers, summed over languages.
        boxed: Whether the duals were held near a centre.
    """

    value: float
    duals: Duals
    weights: Vector
    uncovered: float
    boxed: bool


@dataclass(frozen=True)
class Master:
    """What the columns must fit into.

    Attributes:
        count: N.
        groups: K.
        sizes: Training texts of each language if there is a budget, else zeros, ``[N]``.
        budget: What the helpers may cost together; ``None``: anything.
        overlap: Whether there are helpers at all.
    """

    count: int
    groups: int
    sizes: Vector
    budget: float | None
    overlap: bool

    def relax(self, columns: Sequence[Column], centre: Vector | None = None, width: float = np.inf) -> Relaxed:
        """Solve the linear programme over some columns; what they cannot cover is covered at a high penalty.

        Many duals are often equally good, and the solver's are extreme: each round then prices another corner. So the
        duals can be held within ``width`` of a centre, by covering a language more or less at these prices ("boxstep",
        Marsten et al. 1975; du Merle et al. 1999). Where that was not used, the solution is the plain programme's.

        Args:
            columns: At least one.
            centre: Duals of the languages to stay near, ``[N]``.
            width: How far they may move.
        """
        values = np.array([column.value for column in columns])
        penalty = 10.0 * self.count * (1.0 + float(np.abs(values).max()))
        boxed = centre is not None and width < penalty
        more = np.full(self.count, -penalty) if centre is None or not boxed else centre - width
        cover, limits, bounds = self._rows(columns, extra=self.count)
        gains = np.concatenate([values, more])
        if centre is not None and boxed:
            cover = hstack([cover, csc_array(-np.eye(self.count))], format="csc")
            limits = hstack([limits, csc_array((limits.shape[0], self.count))], format="csc")
            gains = np.concatenate([gains, -centre - width])
        rows: dict[str, Any] = {"A_ub": limits, "A_eq": cover}  # sparse, which the stubs of scipy do not know here
        solution = linprog(-gains, b_ub=bounds, b_eq=np.ones(self.count), method="highs-ds", **rows)
        limit_duals = np.maximum(-np.asarray(solution.ineqlin.marginals), 0.0)
        helpers = np.zeros(self.count)
        if self.budget is not None:
            helpers = float(limit_duals[1]) * self.sizes / self._scale
        if not self.overlap:
            helpers = np.full(self.count, np.inf)
        weights = np.asarray(solution.x)
        return Relaxed(
            -float(np.asarray(solution.fun)),
            Duals(-np.asarray(solution.eqlin.marginals), helpers, float(limit_duals[0])),
            weights[: len(columns)],
            float(weights[len(columns) :].sum()),
            boxed,
        )

    def choose(self, columns: Sequence[Column], nodes: int) -> tuple[list[Column], float, int]:
        """Solve the integer programme over some columns.

        Args:
            columns: At least one.
            nodes: Nodes of the solver's branch and bound, at most.

        Returns:
            The chosen columns, none if there is no choice or none was found; what no choice exceeds; the nodes used.
        """
        values = np.array([column.value for column in columns])
        cover, limits, bounds = self._rows(columns, extra=0)
        rows = [LinearConstraint(cover, 1, 1), LinearConstraint(limits, -np.inf, bounds)]
        solution = solve_integers(-values, rows, nodes)
        limit = -np.inf if solution.status == INFEASIBLE else np.inf
        if solution.mip_dual_bound is not None:
            limit = -float(solution.mip_dual_bound)
        used = int(solution.mip_node_count or 0)
        if solution.x is None:
            return [], limit, used
        return [column for column, weight in zip(columns, solution.x, strict=True) if weight > 0.5], limit, used

    @property
    def _scale(self) -> float:
        """What training texts are counted in, so that rows are of like magnitude: HiGHS rounds at 1e-7."""
        return max(float(self.sizes.max()), 1.0)

    def _rows(self, columns: Sequence[Column], extra: int) -> tuple[csc_array, csc_array, Vector]:
        """Return the covering rows, the limiting rows (groups, budget) and their limits."""
        lengths = [len(column.served) for column in columns] + [1] * extra
        rows = [i for column in columns for i in column.served] + list(range(extra))
        places = np.repeat(np.arange(len(lengths)), lengths)
        cover = csc_array((np.ones(len(rows)), (rows, places)), shape=(self.count, len(lengths)))
        once = np.concatenate([np.ones(len(columns)), np.zeros(extra)])
        limits, bounds = [once], [float(self.groups)]
        if self.budget is not None:
            limits.append(np.concatenate([[column.cost for column in columns], np.zeros(extra)]) / self._scale)
            bounds.append(self.budget / self._scale)
        return cover, csc_array(np.array(limits)), np.array(bounds)


def solve_integers(
    costs: Vector, rows: Sequence[LinearConstraint], nodes: int, most: Vector | float = 1.0
) -> OptimizeResult:
    """Minimise over integers from 0 to ``most``, in a thread: HiGHS ignores interrupts, waiting for it does not."""
    solutions: list[OptimizeResult] = []

    def solve() -> None:
        solutions.append(
            milp(
                costs,
                integrality=np.ones(len(costs), dtype=np.int64),
                bounds=Bounds(0, most),
                constraints=rows,
                options={"node_limit": nodes, "mip_rel_gap": 0.0},
            )
        )

    thread = Thread(target=solve, daemon=True)
    thread.start()
    thread.join()
    return solutions[0]
