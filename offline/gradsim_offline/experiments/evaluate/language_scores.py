"""From answers to figures: each language's, and the averages over the languages that are served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import AnyExample, Gold, TaggedSentence
from gradsim_offline.experiments.evaluate.answers import Answers, Target
from gradsim_offline.experiments.evaluate.spans import score_spans
from gradsim_offline.training.task import Task

SHARES = ("identifier", "routed", "unsure")
UNSURE = ("fallback", "unknown", "too_short", "soft")
COLUMNS = ("given", "identified", "raw")
_NO_ANSWER = ""  # no label: a text that was refused is answered wrongly


def language_scores(
    examples: Sequence[AnyExample], answers: Answers, target: Target, code: str, task: Task
) -> dict[str, Any]:
    """Return a language's figures; shares and scores are 0 to 1.

    Args:
        examples: Its texts.
        answers: What they were answered.
        target: The bundle that answered.
        code: The language, as the data has it.
        task: The torch half of the task: its ``scores``.

    Returns:
        ``texts``; ``group``: the one that serves it, ``None``: none does; ``identifier``: share of texts whose
        language was identified, ``routed``: share that went to the serving group, both ``None`` if none serves it;
        ``unsure``: share whose language was not sure; ``given`` and ``identified``: the task's scores with the
        language named and identified; ``raw``: those of spans in raw text; ``None`` where there is no such column.
    """
    served = target.serving(code)
    count, routes = len(examples), [route for route in answers.routes if route is not None]  # refused texts have none
    found: dict[str, Any] = {
        "name": codes.name(code),
        "texts": count,
        "group": served and served.group,
        "identifier": served and sum(route.language == served.code for route in routes) / count,
        "routed": served and sum(route.group == served.group for route in routes) / count,
        "unsure": sum(route.reason in UNSURE for route in routes) / count,
        "given": _scores(examples, answers.given, target, task),
        "identified": _scores(examples, answers.identified, target, task),
        "raw": None,
        "refused": len(answers.refusals),
        "refusal": next(iter(answers.refusals), None),
        "taken_for": dict(sorted(Counter(route.language or "unknown" for route in routes).items())),
        "answered_by": dict(sorted(Counter(route.group for route in routes).items())),
    }
    if answers.spans is not None:
        sentences = [example for example in examples if isinstance(example, TaggedSentence)]
        judged = score_spans(sentences, answers.spans, target.labels)
        found |= {"raw": judged.scores, "raw_left_out": judged.left_out, "raw_joined": judged.joined}
    return found


def averages(languages: Mapping[str, Mapping[str, Any]], metric: str) -> dict[str, dict[str, float]]:
    """Return each column's averages over the languages that are served: ``plain``, and ``weighted`` by texts."""
    served = [found for found in languages.values() if found["group"] is not None]
    columns: dict[str, list[tuple[float, int]]] = {}
    for found in served:
        shown = {name: found[name] for name in SHARES} | {name: figure(found, name, metric) for name in COLUMNS}
        for name, value in shown.items():
            if value is not None:
                columns.setdefault(name, []).append((value, found["texts"]))
    return {
        name: {
            "plain": sum(value for value, _ in pairs) / len(pairs),
            "weighted": sum(value * texts for value, texts in pairs) / sum(texts for _, texts in pairs),
        }
        for name, pairs in columns.items()
    }


def figure(found: Mapping[str, Any], column: str, metric: str) -> float | None:
    """Return the one figure that a column of scores is judged by; ``None`` if there is no such column."""
    scores = found[column]
    return None if scores is None else float(scores["f1" if column == "raw" else metric])


def _scores(
    examples: Sequence[AnyExample], answers: Sequence[Gold | None] | None, target: Target, task: Task
) -> dict[str, float] | None:
    if answers is None:
        return None
    given = [_NO_ANSWER if answer is None else answer for answer in answers]
    found: dict[str, float] = task.scores([example.gold for example in examples], given, target.labels)
    return found
