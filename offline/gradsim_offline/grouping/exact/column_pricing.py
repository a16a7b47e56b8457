"""Find columns that are worth more than their price: at the start, quickly by climbing, and exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.constraints import linked
from gradsim_offline.grouping.exact.climb import best_surplus, climb
from gradsim_offline.grouping.exact.column_search import ColumnSearch, Room, complete_block
from gradsim_offline.grouping.exact.cover import find_cover
from gradsim_offline.grouping.exact.helper_languages import helper_sets
from gradsim_offline.grouping.exact.master import Column, Relaxed
from gradsim_offline.grouping.exact.pricing import Found, Prices, find_blocks

PRECISION = 1e-7  # surplus and gap below this are none: the linear programme is no more exact
_STARTS = 40  # random blocks that a quick pricing climbs from
_WIDTH = 0.02  # how far prices may leave their centre at first, in units of the largest similarity


def start_columns(search: ColumnSearch) -> None:
    """Begin with groups of one, a cover that keeps the constraints, and what climbing finds at guessed prices."""
    count, groups = search.problem.count, search.master.groups
    together = {i: unit for unit in linked(search.problem) for i in unit}
    for i in range(count):
        if len(together[i]) == 1 and np.isfinite(search.problem.singletons[i]):
            search.add([search.column([i], [i])])
    if search.problem.constraints.none:
        search.add([search.column(range(count), range(count))])
    else:
        cover = find_cover(search.problem, 0.5 * search.problem.time_limit)
        search.add(search.column(block, block) for block in cover if len(block) > 1)
    helpers = np.zeros(count) if search.master.overlap else np.full(count, np.inf)
    _peel(search, Prices(np.zeros(count), helpers, 0.0))
    ordered = -np.sort(-search.similarity, axis=1)
    for partners in {1, max(1, count // groups // 2), max(1, count // groups)}:
        guess = ordered[:, :partners].mean(axis=1)
        for share in (0.5, 0.8):
            _climb(search, Prices(guess * share, helpers, 0.0), -np.inf)


def _peel(search: ColumnSearch, prices: Prices) -> None:
    """Add what is left of all languages when the others are alone, one after the other as it pays best.

    Where languages agree little, such blocks are in every good grouping, and no climb at fair prices ends there.
    """
    room = search.rooms[0]
    own = room.prices(prices)
    left = np.zeros(len(room.languages), dtype=bool)
    left[[i for unit in room.units for i in unit]] = True
    alone = search.problem.singletons[list(room.languages)]
    for _ in range(search.master.groups - 1):
        units = [unit for unit in room.units if len(unit) == 1 and left[unit[0]] and np.isfinite(alone[unit[0]])]
        if len(units) < 2:
            return
        tried = np.tile(left, (len(units), 1))
        tried[np.arange(len(units)), [unit[0] for unit in units]] = False
        values, sizes = best_surplus(room.similarity, own, tried, min(len(left), search.most_members))
        best = int((values + alone[[unit[0] for unit in units]]).argmax())
        if not np.isfinite(values[best]):
            return
        left = tried[best]
        search.add([complete_block(search, room, own, np.flatnonzero(left), int(sizes[best]))])


def price_quickly(search: ColumnSearch) -> Relaxed:
    """Solve the linear programme, adding what climbing finds, until it finds nothing; prices stay near fair ones."""
    centre = _fair_prices(search, search.master.relax(list(search.columns.values())))
    width = _WIDTH * max(float(np.abs(search.similarity).max()), 1e-9)
    while True:
        relaxed = search.master.relax(list(search.columns.values()), centre, width)
        if search.late:
            return relaxed
        if _climb(search, relaxed.prices, PRECISION, relaxed):
            continue
        if not relaxed.boxed or relaxed.uncovered < 1e-9:
            return relaxed
        centre, width = relaxed.prices.languages, 1.2 * width


def _fair_prices(search: ColumnSearch, relaxed: Relaxed) -> NDArray[np.float64]:
    """Let each language of a block pay what it scores there, less its share of the group's price, ``[N]``."""
    prices = np.zeros(search.problem.count)
    for column, weight in zip(search.columns.values(), relaxed.weights, strict=True):
        block, group = list(column.served), list(column.members)
        if len(group) == 1:
            own = search.problem.singletons[group]
        else:
            own = search.similarity[np.ix_(block, group)].sum(axis=1) / (len(group) - 1)
        prices[block] += weight * (own - relaxed.prices.group / len(block))
    return prices


def _climb(search: ColumnSearch, prices: Prices, threshold: float, relaxed: Relaxed | None = None) -> int:
    """Add the columns that climbing finds above a threshold; return how many were new."""
    new = 0
    columns = list(search.columns.values())
    used = [] if relaxed is None else [columns[i] for i in np.flatnonzero(relaxed.weights > 1e-9)]
    for room in search.rooms:
        count = len(room.languages)
        if search.late:
            break
        if not room.units or count < 2:
            continue
        starts = np.zeros((len(used) + _STARTS, count), dtype=bool)
        for row, column in enumerate(used):
            starts[row] = np.isin(room.languages, column.served)
        chances = search.random.uniform(0.05, 0.5, (_STARTS, 1))
        drawn: NDArray[np.bool_] = np.less(search.random.random((_STARTS, len(room.units))), chances)
        for place, unit in enumerate(room.units):
            starts[len(used) :, unit] = drawn[:, place, None]
            whole = np.asarray(starts[: len(used), unit].all(axis=1))
            starts[: len(used), unit] = whole[:, None]
        in_units = np.zeros(count, dtype=bool)
        in_units[[i for unit in room.units for i in unit]] = True
        local = room.prices(prices)
        blocks, sizes, surplus = climb(
            room.similarity, local, starts & in_units, units=room.units, most_members=min(count, search.most_members)
        )
        for i in np.flatnonzero(surplus > threshold):
            new += search.add([complete_block(search, room, local, np.flatnonzero(blocks[i]), int(sizes[i]))])
    return new


def add_near(search: ColumnSearch, prices: Prices, blocks: Iterable[tuple[int, ...]]) -> None:
    """Add the blocks that differ in one unit from those given."""
    for room in search.rooms:
        own = room.prices(prices)
        if search.late:
            break
        for block in blocks:
            if not set(block) <= set(room.languages):
                continue
            flags = np.isin(room.languages, block)
            near = np.tile(flags, (len(room.units), 1))
            for row, unit in enumerate(room.units):
                near[row, unit] ^= True
            surplus, sizes = best_surplus(room.similarity, own, near, min(len(flags), search.most_members))
            search.add(
                complete_block(search, room, own, np.flatnonzero(near[row]), int(sizes[row]))
                for row in np.flatnonzero(np.isfinite(surplus))
            )


@dataclass(frozen=True)
class Priced:
    """Columns above a threshold, and whether they are all."""

    columns: list[Column]
    complete: bool


def price_exactly(search: ColumnSearch, relaxed: Relaxed, threshold: float, most: int) -> Priced:
    """Return all columns above a threshold, without groups of one; of a block, only the best, unless helpers cost."""
    best: dict[tuple[int, ...], tuple[float, Column]] = {}
    every: list[Column] = []
    complete = True
    for room in search.rooms:
        prices = room.prices(relaxed.prices)
        if search.late:
            complete = False
            break
        for members in range(2, min(len(room.languages), search.most_members) + 1):
            found = find_blocks(
                room.similarity,
                prices,
                members,
                threshold,
                units=room.units,
                most=most,
                deadline=search.deadline,
            )
            complete = complete and found.complete
            if search.master.budget is not None and threshold < 0:
                every += _with_helpers(search, room, prices, found, threshold)
                continue
            for column, surplus in _columns(search, room, prices, found):
                if column.served not in best or surplus > best[column.served][0]:
                    best[column.served] = surplus, column
    return Priced(every + [column for _, column in best.values()], complete)


def _columns(search: ColumnSearch, room: Room, prices: Prices, found: Found) -> Iterable[tuple[Column, float]]:
    for mask, members, surplus in zip(
        found.masks.tolist(), found.members.tolist(), found.surplus.tolist(), strict=True
    ):
        block = np.array([i for i in range(len(room.languages)) if mask >> i & 1])
        yield complete_block(search, room, prices, block, members), surplus


def _with_helpers(search: ColumnSearch, room: Room, prices: Prices, found: Found, threshold: float) -> Iterable[Column]:
    """Yield each found block with every choice of helpers that stays above the threshold."""
    for mask, members, surplus in zip(
        found.masks.tolist(), found.members.tolist(), found.surplus.tolist(), strict=True
    ):
        block = [i for i in range(len(room.languages)) if mask >> i & 1]
        gains = room.similarity[block].sum(axis=0) / (members - 1) - prices.helpers
        others = [i for i in range(len(room.languages)) if i not in block]
        for helpers in helper_sets(gains[others], members - len(block), surplus - threshold):
            group = block + [others[i] for i in helpers]
            yield search.column([room.languages[i] for i in block], [room.languages[i] for i in group])
