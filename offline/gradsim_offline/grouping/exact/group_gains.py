"""The proven optimum where it is known what every group gains, and not only every pair: the sum of F is maximised.

A language is served by one group, so the languages that a group serves form a block, and a block A is worth
``V(A) = max over groups g that hold A of the sum over i in A of F[i, g]``. What is left is set partitioning, as for
similarities (``dynamic_programming.py``): collective similarity is one F among others. Of all 2^N - 1 groups there are
3^N pairs of a group and a block inside it, each looked at once. Of more than 18 languages the groups of a sample are
facilities to be opened, at most K of them, and an integer programme chooses (``exact/master.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint
from scipy.sparse import csc_array, csr_array

from gradsim_offline.grouping.constraints import check_constraints, impossible, linked
from gradsim_offline.grouping.exact.dynamic_programming import MOST_LANGUAGES, partition_values, recover
from gradsim_offline.grouping.exact.master import INFEASIBLE, solve_integers
from gradsim_offline.grouping.objective import TIE, GroupingResult
from gradsim_offline.grouping.problem import Problem
from gradsim_offline.similarity.gains import Gains
from gradsim_shared.errors import SettingsError

_NODES = 20_000  # of branch and bound
Array = NDArray[np.float64]
Chosen = list[tuple[list[int], int]]  # units that a group serves, and the group's row


def solve_gains(problem: Problem, counts: Sequence[int], *, overlap: bool = True) -> list[GroupingResult]:
    """Return the grouping of the highest sum of F for each number of groups in ``counts``.

    Proven among the groups that F knows: all, or those of a sample.

    Args:
        problem: With ``gains``; of its similarities nothing is read.
        counts: Ascending numbers of groups.
        overlap: Whether groups may have source-only members.

    Raises:
        SettingsError: There is a budget, which F says nothing about, or no grouping is possible with the largest number
            of groups; impossible smaller ones are left out.
    """
    check_constraints(problem)
    if problem.constraints.budget is not None:
        raise SettingsError("a budget is for similarities of pairs; with the measure gains leave grouping.budget out")
    units = linked(problem)  # languages that are served together are one
    rows, values = _possible(problem, units, overlap=overlap)
    most = [min(count, len(units)) for count in counts]
    if len(units) <= MOST_LANGUAGES:
        chosen = _by_subsets(rows, values, most, overlap=overlap)
    else:
        chosen = _by_programme(rows, values, most, overlap=overlap, nodes=round(problem.effort * _NODES))
    if chosen[-1] is None:
        raise impossible(problem)
    return [_result(problem, units, *each) for each in chosen if each is not None]


def _possible(problem: Problem, units: Sequence[Sequence[int]], *, overlap: bool) -> tuple[NDArray[np.int64], Array]:
    """Return the rows of the groups that keep the constraints, and what each unit scores there, ``[rows, units]``.

    A unit that is no member, or one only in part, scores ``-inf``; without overlap no group holds one in part.
    """
    gains, asked = _of(problem), problem.constraints
    kept = np.ones(len(gains.groups), dtype=bool)
    for first, second in asked.cannot_link:
        kept &= ~(gains.groups[:, first] & gains.groups[:, second])
    if asked.largest_group is not None:
        kept &= gains.groups.sum(axis=1) <= asked.largest_group
    for unit in units if not overlap else ():
        held = gains.groups[:, list(unit)]
        kept &= held.all(axis=1) | ~held.any(axis=1)
    alone = gains.groups.sum(axis=1) == 1
    kept &= ~(alone & np.isneginf(np.where(gains.groups, problem.singletons, 0.0).min(axis=1)))
    rows = np.flatnonzero(kept)
    values = np.stack([gains.values[np.ix_(rows, np.array(unit))].sum(axis=1) for unit in units], axis=1)
    return rows, values


def _of(problem: Problem) -> Gains:
    if problem.gains is None:
        raise SettingsError("it is not known what groups gain; measure it first (--measure gains)")
    return problem.gains


def _by_subsets(
    rows: NDArray[np.int64], values: Array, counts: Sequence[int], *, overlap: bool
) -> list[tuple[Chosen, float | None] | None]:
    """Choose by dynamic programming over subsets."""
    sizes = np.isfinite(values).sum(axis=1)
    worth, server = block_values(values, None if overlap else sizes)
    best = partition_values(worth, max(counts))
    found: dict[int, tuple[Chosen, float | None] | None] = {}
    for count in set(counts):
        blocks = recover(worth, best, count) if np.isfinite(best[count, -1]) else []
        pairs = [([i for i in range(values.shape[1]) if block >> i & 1], int(rows[server[block]])) for block in blocks]
        found[count] = (pairs, None) if pairs else None
    return [found[count] for count in counts]


def block_values(values: Array, sizes: NDArray[np.int64] | None = None) -> tuple[Array, NDArray[np.int64]]:
    """Return V of every block, ``[2^units]``, and the row of the group that reaches it; of equal ones the first.

    Args:
        values: What each unit scores in each group, ``[groups, units]``; ``-inf``: it is no member.
        sizes: Members of each group, which then serves all of them or nobody; ``None``: it may have source-only ones.
    """
    units = values.shape[1]
    worth, server = np.full(1 << units, -np.inf), np.zeros(1 << units, dtype=np.int64)

    def extend(block: int, first: int, groups: NDArray[np.int64], sums: Array) -> None:
        for unit in range(first, units):
            more = values[groups, unit]
            holding = np.isfinite(more)
            if not holding.any():
                continue
            larger, left, total = block | 1 << unit, groups[holding], sums[holding] + more[holding]
            judged = total if sizes is None else np.where(sizes[left] == larger.bit_count(), total, -np.inf)
            best = int(judged.argmax())
            worth[larger], server[larger] = judged[best], left[best]
            extend(larger, unit + 1, left, total)

    extend(0, 0, np.arange(len(values)), np.zeros(len(values)))
    return worth, server


def _by_programme(
    rows: NDArray[np.int64], values: Array, counts: Sequence[int], *, overlap: bool, nodes: int
) -> list[tuple[Chosen, float | None] | None]:
    """Choose by an integer programme: which groups are there, and which of them serves each unit.

    Raises:
        SettingsError: Without overlap; a sample hardly holds a partition.
    """
    if not overlap:
        raise SettingsError(
            f"gains of more than {MOST_LANGUAGES} languages are those of a sample of groups, which holds no partition "
            "to speak of; choose the solver exact"
        )
    group, unit = np.nonzero(np.isfinite(values))
    served, number = len(group), len(values)  # variables: a unit is served by a group; a group is there
    ones = np.arange(served)
    once = csr_array((np.ones(served), (unit, ones)), shape=(values.shape[1], served + number))
    opened = csr_array(
        (np.repeat([1.0, -1.0], served), (np.tile(ones, 2), np.concatenate([ones, served + group]))),
        shape=(served, served + number),
    )
    limit = csr_array(np.concatenate([np.zeros(served), np.ones(number)])[None])
    costs = np.concatenate([-values[group, unit], np.zeros(number)])
    found: list[tuple[Chosen, float | None] | None] = []
    for count in counts:
        limits = [(once, 1.0, 1.0), (opened, -np.inf, 0.0), (limit, 0.0, float(count))]
        asked = [LinearConstraint(csc_array(matrix), low, high) for matrix, low, high in limits]
        solution = solve_integers(costs, asked, nodes)
        if solution.x is None:
            if solution.status != INFEASIBLE:
                raise SettingsError(f"no {count} groups were found in time; raise grouping.effort")
            found.append(None)
            continue
        by_group: dict[int, list[int]] = {}
        for place in np.flatnonzero(solution.x[:served] > 0.5):
            by_group.setdefault(int(rows[group[place]]), []).append(int(unit[place]))
        found.append(([(units, row) for row, units in by_group.items()], -float(solution.mip_dual_bound)))
    return found


def _result(problem: Problem, units: Sequence[Sequence[int]], chosen: Chosen, bound: float | None) -> GroupingResult:
    """Turn chosen rows into groups; ``bound``: ``None``: the score is proven to be the best."""
    gains = _of(problem)
    served: dict[int, list[int]] = {}
    for members, row in chosen:
        served.setdefault(row, []).extend(i for unit in members for i in units[unit])
    order = sorted(served, key=lambda row: min(served[row]))
    serving = {i: position for position, row in enumerate(order) for i in served[row]}
    score = float(sum(gains.values[row, i] for row in order for i in served[row]))
    limit = score if bound is None else max(bound, score)
    return GroupingResult(
        tuple(tuple(int(i) for i in np.flatnonzero(gains.groups[row])) for row in order),
        tuple(serving[i] for i in range(problem.count)),
        score,
        limit,
        limit - score <= (TIE if bound is None else 1e-6) * max(1.0, abs(score)),
    )
