"""A build's outcome in words: what the bundle holds, what it gains over what else was tried, and what to try next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradsim_offline.report.numbers import between, percent, points
from gradsim_offline.report.pages import metric_name
from gradsim_shared.manifest import Manifest

ONE, EACH = "one model of all languages", "one model for each language"
_SAME = 0.00005  # differences that are written as 0.00 points
_CLEAR = 0.005  # of dev score: so much another candidate must be ahead before it is recommended


@dataclass(frozen=True)
class Candidate:
    """A way to answer that a build tried.

    Attributes:
        name: In words: ``one model of all languages``, ``4 groups``.
        score: Plain mean over languages on dev, 0 to 1; ``None``: not judged there.
        interval: 95 % interval of the chosen candidate's gain over this one, 0 to 1; ``None``: not known.
        baseline: It is a model of another kind, to beat rather than to serve.
        milliseconds: What an answer costs; ``None``: not known.
    """

    name: str
    score: float | None
    interval: tuple[float, float] | None = None
    baseline: bool = False
    milliseconds: float | None = None


@dataclass(frozen=True)
class Gain:
    """What the service scores on a split, 0 to 1, and gains over one model of all languages, with its 95 % interval."""

    split: str
    score: float
    gain: float
    interval: tuple[float, float] | None = None


def build_verdict(
    chosen: str,
    candidates: Sequence[Candidate],
    *,
    metric: str,
    served: Gain | None = None,
    against: str = "",
    foreseen: str = "",
    by_dev: bool = False,
    asked: bool = False,
    limit: float | None = None,
) -> list[str]:
    """Return the outcome in sentences, the most important first.

    Args:
        chosen: Name of the candidate that the bundle holds.
        candidates: All that were tried, with dev scores, the chosen one among them.
        metric: What was scored.
        served: What the whole service path scores on test, or on dev where there is no test; ``None``: not scored.
        against: What there is to say against the choice, such as that S does not repeat; empty: nothing.
        foreseen: What groups were expected to gain before they were trained; empty: it was not estimated.
        by_dev: The labels of the dev texts decided who is in which group.
        asked: The user asked for this candidate, so that dev scores did not choose it.
        limit: Milliseconds that an answer may cost; ``None``: any.
    """
    holds = next((each for each in candidates if each.name == chosen), Candidate(chosen, None))
    judged = [each for each in candidates if each.name != chosen and each.score is not None]
    judged.sort(key=lambda each: -(each.score or 0.0))
    quick = [each for each in judged if limit is None or (each.milliseconds or 0.0) <= limit]
    within = f"{limit:g} ms" if limit is not None and len(quick) < len(judged) else ""
    said = [_holds(holds, quick, metric, asked=asked, within=within), *_cost(holds, judged)]
    if holds.score is not None:
        said += [_beside(holds, other) for other in _named(judged)]
    if served is not None:
        said.append(_served(served, alone=chosen == ONE))
    said += [foreseen] if foreseen else []
    if by_dev and any("groups" in each.name for each in (holds, *judged)):
        said.append(
            "Groups of the measure gains are chosen by the labels of these dev texts, so what they gain on dev, its "
            "95 % interval too, is too favourable; a test split shows what they gain."
        )
    return [*said, *([against] if against else []), *_next(holds, quick, asked=asked, against=against)]


def _named(judged: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that a reader asks about: one model of all, the best baseline, the best of the others."""
    one = [each for each in judged if each.name == ONE]
    baselines = [each for each in judged if each.baseline][:1]
    others = [each for each in judged if each.name != ONE and not each.baseline][:1]
    return [each for each in judged if each in (*one, *baselines, *others)]


def _holds(holds: Candidate, judged: Sequence[Candidate], metric: str, *, asked: bool, within: str) -> str:
    if holds.score is None:
        return f"The bundle holds {holds.name}; nothing was judged on dev."
    best = all(holds.score >= (each.score or 0.0) for each in judged)
    which = ""
    if judged or within:
        tried = f"all that answers within {within}" if within else "all that was tried"
        which = f", the best of {tried}" if best else "" if asked else ", the smallest of the best"
    return f"The bundle holds {holds.name}{which}: {metric_name(metric)} on dev {percent(holds.score)} %, plain mean."


def _cost(holds: Candidate, judged: Sequence[Candidate]) -> list[str]:
    """Say what an answer costs, and what the quickest of the others would."""
    if holds.milliseconds is None:
        return []
    others = [each for each in judged if each.milliseconds is not None]
    quickest = min(others, key=lambda each: each.milliseconds or 0.0, default=holds)
    said = f"A text of median length takes {holds.milliseconds:.2f} ms on one thread, as trained"
    if (quickest.milliseconds or 0.0) >= holds.milliseconds:
        return [f"{said}."]
    return [f"{said}; the quickest, {quickest.name}, takes {quickest.milliseconds:.2f}."]


def _beside(holds: Candidate, other: Candidate) -> str:
    gain = (holds.score or 0.0) - (other.score or 0.0)
    what = f"the baseline ({other.name})" if other.baseline else other.name
    if other.interval is None or abs(gain) < _SAME:
        return f"That is {_difference(gain)} {what} on dev."
    chance = _by_chance(other.interval)
    return f"That is {_difference(gain)} {what} on dev (95 % interval {between(other.interval, signed=True)}{chance})."


def _served(served: Gain, *, alone: bool) -> str:
    said = f"The service reaches {percent(served.score)} % on {served.split}"
    if alone:
        return f"{said}."
    more = ""
    if served.interval is not None:
        more = f" (95 % interval {between(served.interval, signed=True)}{_by_chance(served.interval)})"
    return f"{said}, {_difference(served.gain)} {ONE}{more}."


def _next(holds: Candidate, judged: Sequence[Candidate], *, asked: bool, against: str) -> list[str]:
    """Say what to try next; nothing where there is nothing better known."""
    ahead = judged[0] if judged and holds.score is not None else None  # the best of the others
    best = ahead if ahead and (ahead.score or 0.0) > (holds.score or 0.0) + _CLEAR else None
    if asked and (best is not None or against):
        instead = "--keep best" if best is not None else "--groups auto"
        return [f"Next: build again with {instead}; what is trained is used again."]
    if best is not None and best.baseline:
        return ["Next: serve the baseline, or try a pre-trained encoder (--model)."]
    if against and holds.name == ONE:
        return ["Next: more texts per language, or another --measure, could show which languages go together."]
    return []


def _difference(gain: float) -> str:
    if abs(gain) < _SAME:
        return "no more and no less than"
    return f"{points(abs(gain)).removeprefix('+')} points {'more' if gain > 0 else 'less'} than"


def _by_chance(interval: tuple[float, float]) -> str:
    return ": it may be chance" if interval[0] <= 0 <= interval[1] else ""


def verdict_of(
    manifest: Manifest,
    evaluated: Mapping[str, Any],
    curve: Sequence[Mapping[str, float]] = (),
    *,
    chosen: str = "",
    judged: Sequence[Mapping[str, Any]] = (),
    asked: bool = False,
) -> list[str]:
    """Return the verdict of a finished build.

    Args:
        manifest: With its scores.
        evaluated: What ``bundle.scoring.score`` returned.
        curve: What each K came to (``Groups.curve``); empty: K was given, or there was nothing to choose.
        chosen: Name of the candidate that is handed over; empty: there were no candidates but the groups.
        judged: The candidates: ``name``, ``score``, ``interval`` of the chosen one's gain, and whether it is
            ``linear``, a baseline, and its ``milliseconds``; empty: K was all there was to choose.
        asked: The settings chose the candidate, not its scores.
    """
    count = len(manifest.languages)
    chosen = chosen or in_words(len(manifest.groups), count)
    averages, intervals = evaluated.get("averages", {}), evaluated.get("average_intervals", {})
    candidates = [
        Candidate(e["name"], e["score"], _pair(e["interval"]), e["linear"], e.get("milliseconds")) for e in judged
    ]
    foreseen = [each for each in curve if "probability" in each]  # before anything was trained
    if not judged and curve and not foreseen:
        scores = {in_words(int(each["distinct"]), count): each["score"] for each in curve}
        candidates = [Candidate(name, score) for name, score in scores.items()]
    elif not judged and "dev" in averages:
        candidates = [Candidate(chosen, averages["dev"]["group"]["plain"])]
        if chosen != ONE:
            gain = _ends(intervals, "dev", "gain")
            candidates.append(Candidate(ONE, averages["dev"]["multilingual"]["plain"], gain))
    split = next((name for name in ("test", "dev") if name in averages), None)
    plain = {column: averages[split][column]["plain"] for column in averages[split]} if split else {}
    grouping = manifest.provenance.settings.get("grouping")
    limit: Any = manifest.provenance.settings.get("maximum_milliseconds")
    given = isinstance(grouping, Mapping) and grouping.get("groups", "auto") != "auto"
    return build_verdict(
        chosen,
        candidates,
        metric=manifest.metric,
        served=Gain(
            split, plain["service"], plain["service"] - plain["multilingual"], _ends(intervals, split, "service_gain")
        )
        if split
        else None,
        against=manifest.grouping.reason,
        foreseen=_foreseen(foreseen),
        by_dev=manifest.similarity.measure == "gains",
        asked=asked or given,
        limit=limit,
    )


def _foreseen(curve: Sequence[Mapping[str, float]]) -> str:
    """Say what the groups that were chosen were expected to gain, or the best ones where none were."""
    several = [each for each in curve if each["groups"] > 1]
    if not several:
        return ""
    told = next((each for each in several if each["chosen"]), max(several, key=lambda each: each["gain"]))
    gain = f"{points(told['gain'])} +- {percent(told['deviation'])} points; probability {told['probability']:.2f}"
    return f"Before they were trained, {told['distinct']:.0f} groups were expected to gain {gain}."


def _ends(intervals: Mapping[str, Any], split: str, column: str) -> tuple[float, float] | None:
    """Return an interval of the plain mean; ``None``: it was not drawn."""
    return _pair(intervals.get(split, {}).get("plain", {}).get(column))


def _pair(ends: Sequence[float] | None) -> tuple[float, float] | None:
    return (float(ends[0]), float(ends[1])) if ends else None


def in_words(groups: int, languages: int) -> str:
    """Name so many groups."""
    if groups == 1:
        return ONE
    return EACH if groups == languages else f"{groups} groups"
