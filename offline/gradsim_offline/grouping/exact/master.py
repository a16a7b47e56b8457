"""The master problem of column generation: columns that cover every language once, as linear or integer programme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csc_array, hstack

from gradsim_offline.grouping.exact.pricing import Prices

Vector = NDArray[np.float64]


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


@dataclass(frozen=True)
class Relaxed:
    """The linear programme's answer.

    Attributes:
        value: Of the optimum.
        prices: Its duals.
        weights: Of each column.
        uncovered: What no column covers, summed over languages.
        boxed: Whether the duals were held near a centre.
    """

    value: float
    prices: Prices
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

        Many duals are often equally good, and the solver's are extreme: then each round prices another corner. So they
        can be held within ``width`` of a centre, by covering a language more or less at these prices ("boxstep",
        Marsten et al. 1975; du Merle et al. 1999). Where that was not used, the answer is that of the plain programme.

        Args:
            columns: At least one.
            centre: Prices of the languages to stay near, ``[N]``.
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
        found = linprog(-gains, b_ub=bounds, b_eq=np.ones(self.count), method="highs-ds", **rows)
        prices = -np.asarray(found.ineqlin.marginals)
        helpers = np.zeros(self.count)
        if self.budget is not None:
            helpers = max(float(prices[1]), 0.0) * self.sizes / self._scale
        if not self.overlap:
            helpers = np.full(self.count, np.inf)
        weights = np.asarray(found.x)
        return Relaxed(
            -float(np.asarray(found.fun)),
            Prices(-np.asarray(found.eqlin.marginals), helpers, max(float(prices[0]), 0.0)),
            weights[: len(columns)],
            float(weights[len(columns) :].sum()),
            boxed,
        )

    @property
    def _scale(self) -> float:
        """What training texts are counted in, so that rows are of like magnitude: HiGHS rounds at 1e-7."""
        return max(float(self.sizes.max()), 1.0)

    def choose(self, columns: Sequence[Column], seconds: float) -> tuple[list[Column], float]:
        """Solve the integer programme over some columns.

        Returns:
            The chosen columns, none if there is no choice or it was not found in time; what no choice exceeds.
        """
        values = np.array([column.value for column in columns])
        cover, limits, bounds = self._rows(columns, extra=0)
        found = milp(
            -values,
            integrality=np.ones(len(columns), dtype=np.int64),
            bounds=Bounds(0, 1),
            constraints=[LinearConstraint(cover, 1, 1), LinearConstraint(limits, -np.inf, bounds)],
            options={"time_limit": max(seconds, 0.1), "mip_rel_gap": 0.0},
        )
        limit = -np.inf if found.status == 2 else np.inf
        if found.mip_dual_bound is not None:
            limit = -float(found.mip_dual_bound)
        if found.x is None:
            return [], limit
        return [column for column, weight in zip(columns, found.x, strict=True) if weight > 0.5], limit

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
