"""S, the groups and their number K as drawings, of a build and of a comparison: a heat map, a tree, a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.report.charts import curve
from gradsim_offline.report.dendrogram import dendrogram
from gradsim_offline.report.drawing import Caption, Drawing, cut
from gradsim_offline.report.heatmap import Aside, Block, heatmap
from gradsim_offline.report.numbers import decimal, percent

Candidates = Sequence[Mapping[str, float]]  # of each K that was tried: ``groups`` (K) and ``score``
DEV_SCORE = "Dev score of every K that was tried"

_LONGEST_NAME = 22


@dataclass(frozen=True)
class Grouped:
    """Who is with whom.

    Attributes:
        names: Language code to its name, in any order.
        served: Language code to the id of the group that serves it.
        members: Id of each group to its members, in the order of the groups.
    """

    names: Mapping[str, str]
    served: Mapping[str, str]
    members: Mapping[str, Sequence[str]]

    def order(self, among: Sequence[str]) -> list[str]:
        """Return the languages among these in the order of the groups that serve them."""
        place = {group: i for i, group in enumerate(self.members)}
        known = [code for code in self.names if code in set(among)]
        return sorted(known, key=lambda code: place[self.served[code]])


def label(name: str, code: str) -> str:
    """Name a language beside a row; a long name is cut, its code never."""
    return f"{cut(name, _LONGEST_NAME)} \u00b7 {code}"


def blocks(grouped: Grouped, order: Sequence[str], *, source_only: bool) -> list[Block]:
    """Outline, for each group, the languages it serves against its members (or against those it serves).

    Args:
        grouped: The groups.
        order: Language codes of rows and columns.
        source_only: Whether members that are served elsewhere are outlined, too.
    """
    outlined = []
    for group, members in grouped.members.items():
        rows = [i for i, code in enumerate(order) if grouped.served[code] == group]
        columns = [i for i, code in enumerate(order) if i in rows or (source_only and code in members)]
        if rows:
            outlined.append(Block(group, (rows[0], rows[-1] + 1), tuple(columns)))
    return outlined


def similarity_map(
    matrix: NDArray[np.float64],
    languages: Sequence[str],
    grouped: Grouped,
    *,
    name: str,
    title: str,
    halves: NDArray[np.float64] | None = None,
) -> Drawing | None:
    """Draw S, rows and columns in the order of the groups; ``None``: it has none of the languages.

    Args:
        matrix: S, ``[N, N]``.
        languages: Codes of its rows.
        grouped: The groups.
        name: Unique in the page.
        title: What it shows.
        halves: Each language's similarity between two halves of its own data, ``[N]``; ``None``: not measured.
    """
    place = {code: i for i, code in enumerate(languages)}
    order = grouped.order(languages)
    if not order:
        return None
    chosen = [place[code] for code in order]
    values = matrix[np.ix_(chosen, chosen)]  # [N, N], by group
    names = [grouped.names[code] for code in order]
    aside = None if halves is None else Aside("halves", halves[chosen])

    def tip(i: int, j: int) -> str:
        if j == len(order):
            return f"{names[i]}, two halves of its data: {decimal(float(aside.values[i]) if aside else None)}"
        return f"{names[i]} from {names[j]}: {decimal(float(values[i, j]))}"

    return heatmap(
        values,
        [label(*each) for each in zip(names, order, strict=True)],
        order,
        Caption(
            name,
            title,
            "A row is the language that is helped, a column the language that helps; outlined are the pairs whose mean "
            "is a served language's collective similarity.",
        ),
        muted=np.eye(len(order), dtype=bool),
        tip=tip,
        blocks=blocks(grouped, order, source_only=True),
        aside=aside,
    )


def similarity_tree(
    matrix: NDArray[np.float64], languages: Sequence[str], grouped: Grouped, *, name: str, title: str
) -> Drawing | None:
    """Draw which languages are near each other by S, with the groups beside; ``None``: there is nothing to join."""
    rows = {code: i for i, code in enumerate(languages)}
    beside = {
        group: [(rows[code], grouped.served.get(code) == group) for code in members if code in rows]
        for group, members in grouped.members.items()
    }
    names = [label(grouped.names[code], code) if code in grouped.names else code for code in languages]
    return dendrogram(matrix, names, beside, name=name, title=title)


def chosen(candidates: Candidates) -> Mapping[str, float] | None:
    """Return the K that was chosen; of means over several choices the best, and of equals the smaller."""
    marked = [candidate for candidate in candidates if candidate.get("chosen")]
    if marked:
        return marked[0]
    best = max((candidate["score"] for candidate in candidates), default=0.0)
    return next((candidate for candidate in candidates if candidate["score"] >= best - 1e-9), None)


def k_curve(
    candidates: Candidates,
    *,
    name: str = "curve",
    title: str = DEV_SCORE,
    said: str = "",
    marked: int | None = None,
) -> Drawing | None:
    """Draw the score of every K; ``None``: none was tried.

    Args:
        candidates: In rising order of K.
        name: Unique in the page.
        title: What it shows.
        said: What to say of the choice; empty: which K has the best score here.
        marked: Which of them gets the ring; ``None``: the one with the best score here.
    """
    best = chosen(candidates)
    if best is None:
        return None
    said = said or f"Chosen: K = {best['groups']:.0f}."
    scores = "; ".join(f"K = {each['groups']:.0f}: {percent(each['score'])}" for each in candidates)
    return curve(
        [candidate["score"] for candidate in candidates],
        [f"{candidate['groups']:.0f}" for candidate in candidates],
        Caption(name, title, f"{scores}. {said}"),
        write=percent,
        axis="K, the number of groups at most",
        marked=list(candidates).index(best) if marked is None else marked,
    )
