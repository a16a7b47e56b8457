"""What every number of groups came to, as a curve: where K was chosen on dev, and in a sweep over K."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradsim_offline.report.charts import curve
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.numbers import percent

Candidates = Sequence[Mapping[str, float]]  # ``groups`` (K) and ``score``, as plain dictionaries
DEV_SCORE = "Dev score of every K that was tried"


def chosen(candidates: Candidates) -> Mapping[str, float] | None:
    """Return the K of the best score; ties go to the smaller one, as where it was chosen."""
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
    return curve(
        [candidate["score"] for candidate in candidates],
        [f"{candidate['groups']:.0f}" for candidate in candidates],
        name=name,
        title=title,
        description="; ".join(f"K = {each['groups']:.0f}: {percent(each['score'])}" for each in candidates)
        + f". {said}",
        write=percent,
        axis="K, the number of groups at most",
        marked=list(candidates).index(best) if marked is None else marked,
    )
