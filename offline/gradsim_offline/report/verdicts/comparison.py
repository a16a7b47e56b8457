"""A comparison's outcome in words: who is ahead, by how much, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradsim_offline.core.significance import SIGNIFICANT
from gradsim_offline.report.comparison_tables import GIVEN_GROUPS, TITLES, pair, ranking, splits
from gradsim_offline.report.numbers import percent, points
from gradsim_offline.report.pages import metric_name
from gradsim_offline.similarity.reliability import Reliability, is_noise

Result = Mapping[str, Any]
AVERAGE = "plain"


def verdict(result: Result) -> list[str]:
    """Return the outcome in sentences, the most important first; oracles compete with nobody.

    Args:
        result: What compare.json holds.
    """
    split = splits(result)[0]
    order = ranking(result, split, AVERAGE)
    if not order:
        return ["Nothing but oracles was compared."]
    sentences = [_ahead(result, split, order), *_sure(result, split, order)]
    sentences += _against_multilingual(result, split, order) + _oracles(result, split, order[0])
    return sentences + _elsewhere(result, split, order[0]) + _noise(result)


def main_split(result: Result) -> str:
    """Return the set that the verdict is about: test, or what there is."""
    return splits(result)[0]


def _ahead(result: Result, split: str, order: list[str]) -> str:
    where = f"plain mean of {metric_name(result['metric'])} on {TITLES[split]}"
    best = _mean(result, split, order[0])
    if len(order) == 1:
        return f"{order[0]} reaches a {where} of {percent(best)} %."
    runner_up = _mean(result, split, order[1])
    return (
        f"{order[0]} is ahead with a {where} of {percent(best)} %, {_gap(best - runner_up)} more than "
        f"the runner-up, {order[1]} ({percent(runner_up)} %)."
    )


def _sure(result: Result, split: str, order: list[str]) -> list[str]:
    """Say whether the runner-up differs, by the test over texts and beside the spread over seeds."""
    if len(order) == 1:
        return []
    test = pair(result, split, AVERAGE, order[0], order[1])
    if test is None:
        return ["The differences were not tested, so nothing says that they are more than chance."]
    alone, corrected = f"p = {test['p']:.4f} over texts", f"p = {test['p_holm']:.4f} corrected for all pairs"
    if test["p"] >= SIGNIFICANT:
        said = [f"That difference is not significant: {alone}."]
    elif test["p_holm"] >= SIGNIFICANT:
        said = [
            f"That difference is significant if it is tested alone ({alone}), but not beside all others ({corrected})."
        ]
    else:
        said = [f"That difference is significant: {alone}, {corrected}."]
    spread = max(result["averages"][split][name][AVERAGE]["sd"] or 0.0 for name in order[:2])
    if abs(test["difference"]) < spread:
        said.append(f"It is smaller than the spread over seeds (± {percent(spread)}): do not rely on it.")
    return said


def _against_multilingual(result: Result, split: str, order: list[str]) -> list[str]:
    """Say what the best gains over one model of all; nothing if that is said already."""
    if "multilingual" not in order[2:]:
        return []
    gain = _mean(result, split, order[0]) - _mean(result, split, "multilingual")
    test = pair(result, split, AVERAGE, order[0], "multilingual")
    p = f" (p = {test['p']:.4f})" if test else ""
    return [f"Over the multilingual model it gains {_gap(gain)}{p}."]


def _oracles(result: Result, split: str, best: str) -> list[str]:
    said = []
    for method in result["methods"]:
        if method["oracle"]:
            away = _mean(result, split, method["name"]) - _mean(result, split, best)
            more = f"{_gap(abs(away))} {'more' if away >= 0 else 'less'}"
            said.append(f"The oracle {method['name']}, which no method in use could know, reaches {more}.")
    return said


def _elsewhere(result: Result, split: str, best: str) -> list[str]:
    """Say who is ahead on the texts that no model has seen in training."""
    if split != "test" or "test_unseen" not in result["scores"]:
        return []
    there = ranking(result, "test_unseen", AVERAGE)[0]
    same = f"{best} is ahead, too" if there == best else f"{there} is ahead, not {best}"
    return [f"On the test texts that do not stand in train or dev as well, {same}."]


def _noise(result: Result) -> list[str]:
    """Name the methods whose S does not repeat between halves of the data with most seeds."""
    noisy = []
    for method in result["methods"]:
        by_seed = result.get("similarity", {}).get(method["name"], {})
        found = [Reliability(**each["reliability"]) for each in by_seed.values() if each.get("reliability")]
        if method["solver"] not in GIVEN_GROUPS and sum(map(is_noise, found)) * 2 > len(found):
            noisy.append(method["name"])
    if not noisy:
        return []
    seeds = "" if len(result["seeds"]) == 1 else " with most seeds"
    return [
        f"S of {', '.join(noisy)} does not repeat between halves of the data{seeds}: groups made of it are no better "
        "than random."
    ]


def _gap(difference: float) -> str:
    return f"{points(difference).removeprefix('+')} points"


def _mean(result: Result, split: str, method: str) -> float:
    return float(result["averages"][split][method][AVERAGE]["mean"])
