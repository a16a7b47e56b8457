"""The columns that were generated, the best choice among them, and what is proven so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.constraints import allowed_sets, linked
from gradsim_offline.grouping.exact.master import Column, Duals, Master
from gradsim_offline.grouping.exact.pricing import Work
from gradsim_offline.grouping.problem import Problem


@dataclass(frozen=True)
class AllowedSet:
    """Languages that may be in one group: S among them, and which units of linked ones there are, by place."""

    languages: tuple[int, ...]
    similarity: NDArray[np.float64]
    units: list[list[int]]


@dataclass
class ColumnPool:
    """Columns, the best choice among them (the incumbent), and the bound.

    Attributes:
        problem: The problem.
        master: What the columns must fit into.
        work: What may still be spent.
        bound: No grouping scores higher.
        columns: By served languages and members.
        incumbent: The best choice of columns; empty: none is known.
        score: Of the incumbent.
    """

    problem: Problem
    master: Master
    work: Work
    bound: float
    columns: dict[tuple[tuple[int, ...], tuple[int, ...]], Column] = field(default_factory=dict)
    incumbent: list[Column] = field(default_factory=list)
    score: float = -np.inf

    def __post_init__(self) -> None:
        """Read the constraints."""
        count = self.problem.count
        self.similarity = self.problem.similarity * ~np.eye(count, dtype=bool)
        self.random = np.random.default_rng(self.problem.seed)
        self.most_members = min(count, self.problem.constraints.largest_group or count)
        self.allowed: list[AllowedSet] = []
        for languages in allowed_sets(self.problem):
            units = [[languages.index(i) for i in u] for u in linked(self.problem) if set(u) <= set(languages)]
            self.allowed.append(AllowedSet(languages, self.similarity[np.ix_(languages, languages)], units))

    @property
    def gap(self) -> float:
        """How far the incumbent may be from the optimum."""
        return self.bound - self.score

    def add(self, columns: Iterable[Column]) -> int:
        """Add columns; return how many were new."""
        before = len(self.columns)
        for column in columns:
            self.columns.setdefault((column.served, column.members), column)
        return len(self.columns) - before

    def column(self, served: Iterable[int], members: Iterable[int]) -> Column:
        """Value a block and its group."""
        block, group = sorted(served), sorted(members)
        if len(group) == 1:
            value = float(self.problem.singletons[group[0]])
        else:
            value = float(self.similarity[np.ix_(block, group)].sum()) / (len(group) - 1)
        cost = float(sum(self.master.sizes[i] for i in set(group) - set(block)))
        return Column(tuple(block), tuple(group), value, cost)

    def with_best_helpers(self, allowed: AllowedSet, duals: Duals, block: NDArray[np.int64], members: int) -> Column:
        """Return a block, by place in an allowed set, with its best helpers in a group of so many members."""
        gains = allowed.similarity[block].sum(axis=0) - (members - 1) * duals.helpers
        gains[block] = np.inf
        group = np.argsort(-gains, kind="stable")[:members]
        return self.column([allowed.languages[i] for i in block], [allowed.languages[i] for i in group])

    def improve(self, columns: list[Column], nodes: int) -> float:
        """Take the best choice among some columns if it beats the incumbent; return what none of them exceeds."""
        chosen, limit, used = self.master.choose(columns, nodes)
        self.work.spend(len(columns) * (used + len(columns) // 4))  # about: the first node takes the longest
        score = sum(column.value for column in chosen)
        if chosen and score > self.score:
            self.incumbent, self.score = chosen, score
        return limit
