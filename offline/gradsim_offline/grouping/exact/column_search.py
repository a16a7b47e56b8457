"""What column generation knows at any time: columns, the best choice among them, and what is proven so far."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.constraints import allowed_sets, linked
from gradsim_offline.grouping.exact.master import Column, Master
from gradsim_offline.grouping.exact.pricing import Prices
from gradsim_offline.grouping.problem import Problem


@dataclass(frozen=True)
class Room:
    """Languages that may be in one group: S among them, and which come together, by place."""

    languages: tuple[int, ...]
    similarity: NDArray[np.float64]
    units: list[list[int]]

    def prices(self, prices: Prices) -> Prices:
        """Return the prices of its languages, in its order."""
        chosen = list(self.languages)
        return Prices(prices.languages[chosen], prices.helpers[chosen], prices.group)


@dataclass
class ColumnSearch:
    """Columns, the best choice among them, and what is proven so far."""

    problem: Problem
    master: Master
    deadline: float
    bound: float
    columns: dict[tuple[tuple[int, ...], tuple[int, ...]], Column] = field(default_factory=dict)
    chosen: list[Column] = field(default_factory=list)
    score: float = -np.inf

    def __post_init__(self) -> None:
        count, asked = self.problem.count, self.problem.constraints
        self.similarity = self.problem.similarity * ~np.eye(count, dtype=bool)
        self.random = np.random.default_rng(self.problem.seed)
        self.most_members = min(count, asked.largest_group or count)
        together = linked(self.problem)
        self.rooms: list[Room] = []
        for allowed in allowed_sets(self.problem):
            units = [[allowed.index(i) for i in unit] for unit in together if set(unit) <= set(allowed)]
            self.rooms.append(Room(allowed, self.similarity[np.ix_(allowed, allowed)], units))

    @property
    def gap(self) -> float:
        """How far the best choice may be from the optimum."""
        return self.bound - self.score

    @property
    def late(self) -> bool:
        """Whether the time limit has passed."""
        return time.monotonic() > self.deadline

    def add(self, columns: Iterable[Column]) -> int:
        """Keep new columns; return how many were new."""
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

    def improve(self, columns: list[Column], seconds: float) -> float:
        """Take the best choice among some columns if it beats the best known; return what none of them exceeds."""
        chosen, limit = self.master.choose(columns, seconds)
        score = sum(column.value for column in chosen)
        if chosen and score > self.score:
            self.chosen, self.score = chosen, score
        return limit


def complete_block(search: ColumnSearch, room: Room, prices: Prices, block: NDArray[np.int64], members: int) -> Column:
    """Return a block of a room with its best helpers, as a column."""
    gains = room.similarity[block].sum(axis=0) - (members - 1) * prices.helpers
    gains[block] = np.inf
    group = np.argsort(-gains, kind="stable")[:members]
    return search.column([room.languages[i] for i in block], [room.languages[i] for i in group])


def surplus_of(column: Column, prices: Prices) -> float:
    """Return a column's value less the prices that it pays: its reduced cost, with the sign of a gain."""
    helpers = [i for i in column.members if i not in column.served]
    paid = prices.languages[list(column.served)].sum() + prices.group
    return column.value - float(paid) - (float(prices.helpers[helpers].sum()) if helpers else 0.0)
