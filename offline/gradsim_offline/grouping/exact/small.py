"""The proven optimum for up to 18 languages, for every K in one pass, with any constraint but a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.constraints import allowed_sets, impossible, linked
from gradsim_offline.grouping.exact.blocks import (
    as_mask,
    best_helpers,
    block_values,
    members,
    partition_values,
    recover,
)
from gradsim_offline.grouping.objective import Grouping, serve_blocks
from gradsim_offline.grouping.problem import Problem


@dataclass(frozen=True)
class Blocks:
    """Every block of languages with the best group that serves it.

    Attributes:
        similarity: S, ``[N, N]``.
        values: Of each block, by mask, ``[2^N]``; ``-inf``: no group may serve it.
        helpers: How many helpers that takes, ``[2^N]``.
        inside: In which of the allowed sets the group lies, ``[2^N]``.
        allowed: The largest sets of languages without a forbidden pair.
    """

    similarity: NDArray[np.float64]
    values: NDArray[np.float64]
    helpers: NDArray[np.int64]
    inside: NDArray[np.int64]
    allowed: Sequence[tuple[int, ...]]

    def group(self, block: int) -> list[int]:
        """Return the members of the group that serves a block best."""
        allowed = self.allowed[self.inside[block]]
        places = [allowed.index(i) for i in members(block)]
        found = best_helpers(self.similarity[np.ix_(allowed, allowed)], places, int(self.helpers[block]))
        return sorted(allowed[place] for place in places + found)


def value_blocks(problem: Problem, *, overlap: bool = True) -> Blocks:
    """Value every block under the problem's constraints, the budget left aside.

    A group without forbidden pairs lies inside one of the largest allowed sets, so each of these is valued by itself;
    a block that parts languages that belong together is worth ``-inf``.

    Args:
        problem: Up to 18 languages.
        overlap: Whether groups may have helpers.
    """
    every, allowed = 1 << problem.count, allowed_sets(problem)
    values, helpers, inside = np.full(every, -np.inf), np.zeros(every, np.int64), np.zeros(every, np.int64)
    for position, languages in enumerate(allowed):
        found, number = block_values(
            problem.similarity[np.ix_(languages, languages)],
            problem.singletons[list(languages)],
            most_members=problem.constraints.largest_group,
            overlap=overlap,
        )
        masks = np.zeros(1, dtype=np.int64)  # the blocks of this set, as blocks of all languages
        for language in languages:
            masks = np.concatenate([masks, masks | 1 << language])
        better = found > values[masks]
        chosen = masks[better]
        values[chosen], helpers[chosen], inside[chosen] = found[better], number[better], position
    masks = np.arange(every)
    for together in linked(problem):
        part = masks & as_mask(together)
        values[(part != 0) & (part != as_mask(together))] = -np.inf
    return Blocks(problem.similarity, values, helpers, inside, allowed)


def solve_small(problem: Problem, counts: Sequence[int], *, overlap: bool = True) -> list[Grouping]:
    """Return the optimum for each number of groups in ``counts``; proven.

    Args:
        problem: Up to 18 languages; its budget is not looked at.
        counts: Ascending numbers of groups.
        overlap: Whether groups may have helpers.

    Raises:
        SettingsError: No grouping is possible with the largest of them; impossible smaller ones are left out.
    """
    blocks = value_blocks(problem, overlap=overlap)
    best = partition_values(blocks.values, min(max(counts), problem.count))
    if not np.isfinite(best[-1, -1]):
        raise impossible(problem)
    found: dict[int, Grouping] = {}
    for most in sorted({min(most, problem.count) for most in counts}):
        if np.isfinite(best[most, -1]):
            chosen = recover(blocks.values, best, most)
            pairs = [(members(block), blocks.group(block)) for block in chosen]
            found[most] = serve_blocks(problem.similarity, pairs, problem.singletons)
    return [found[min(most, problem.count)] for most in counts if min(most, problem.count) in found]
