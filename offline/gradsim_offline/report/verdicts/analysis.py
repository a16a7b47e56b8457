"""The outcome of an analysis in words: does S repeat, with new texts and with new seeds, and what does it go with?"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from gradsim_offline.core.significance import SIGNIFICANT
from gradsim_offline.similarity.reliability import LEAST, Reliability, in_words

_BALANCE = "labels"  # the control: overlap of the labels' shares


def verdict(results: Mapping[str, Any]) -> list[str]:
    """Return the outcome in sentences.

    Args:
        results: What analysis.json holds.
    """
    said = [*_halves(results), *_seeds(results), *_goes_with(results)]
    return said or ["Nothing was kept that says whether S repeats: analyse runs of a measure with halves, or of seeds."]


def _halves(results: Mapping[str, Any]) -> list[str]:
    found = [(run, Reliability(**run["reliability"])) for run in results["stability"] if run["reliability"]]
    return [f"{run['name']} in {run['origin']}: {in_words(reliability)}" for run, reliability in found]


def _seeds(results: Mapping[str, Any]) -> list[str]:
    said = []
    for repeated in results["seeds"]:
        known = [each["pearson"] for each in repeated["correlations"] if each["pearson"] is not None]
        if known:
            r = fmean(known)
            held = "much the same S" if r >= LEAST else "another S: average over seeds, or do not build on it"
            said.append(
                f"S of {repeated['name']} over {len(repeated['origins'])} runs correlates at {r:.2f} on average: "
                f"another seed gives {held}."
            )
    return said


def _goes_with(results: Mapping[str, Any]) -> list[str]:
    pairs = [each for each in results["correlations"] if each["correlation"]["pearson"] is not None]
    sure = [each for each in pairs if (each["correlation"]["mantel"] or 0.0) <= SIGNIFICANT]
    if not pairs:
        return []
    if not sure:
        return ["No two measures agree more than chance would have it (Mantel's p above 0.05 for all pairs)."]
    sure.sort(key=lambda each: -abs(each["correlation"]["pearson"]))
    named = [f"{each['first']} with {each['second']} (r = {each['correlation']['pearson']:.2f})" for each in sure[:3]]
    said = [
        f"{len(sure)} of {len(pairs)} pairs of measures agree more than chance would have it (Mantel's p at most 0.05, "
        f"not corrected for their number); the closest: {', '.join(named)}."
    ]
    if any(_BALANCE in (each["first"], each["second"]) for each in sure):
        said.append("A measure that goes with labels may show no more than how often each label is right.")
    return said
