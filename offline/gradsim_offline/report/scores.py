"""How well it answers: three columns per language and split, their averages, and both as drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from gradsim_offline.report.charts import Point, Series, bar, dots
from gradsim_offline.report.drawing import Caption, Drawing
from gradsim_offline.report.groups import by_group, row_label, who
from gradsim_offline.report.numbers import MISSING, between, difference, percent, points, rounded
from gradsim_offline.report.pages import metric_name
from gradsim_offline.report.table import Table
from gradsim_shared.manifest import Language, Manifest, Scores

MULTILINGUAL, GROUP, SERVICE = "multilingual", "group", "service"
GAIN = "gain"  # of the group over the multilingual model


@dataclass(frozen=True)
class Column:
    """One of the three ways to answer that are compared."""

    key: str
    title: str
    meaning: str


COLUMNS = (
    Column(MULTILINGUAL, "Multilingual model", "One model trained on all languages; the groups are compared with it."),
    Column(
        GROUP,
        "Group model",
        "Each text is answered by the model of the group that serves its language. The language is known.",
    ),
    Column(
        SERVICE,
        "Whole service path",
        "As a caller sees it: the language is identified from the text, which then goes to a group's model.",
    ),
)


Interval = Sequence[float]  # its two ends


@dataclass(frozen=True)
class Average:
    """A column's mean over languages, and its mean weighted by texts; 0 to 1; intervals by ``plain``, ``weighted``."""

    column: Column
    plain: float
    weighted: float
    plain_gain: float
    weighted_gain: float
    intervals: Mapping[str, Interval]
    gain_intervals: Mapping[str, Interval]


@dataclass(frozen=True)
class LanguageScores:
    """A language's line in the table of a split."""

    language: Language
    texts: int | None
    values: tuple[float | None, ...]
    intervals: tuple[Interval, ...]
    gain: float | None
    gain_interval: Interval
    metrics: tuple[tuple[str, tuple[float | None, ...]], ...]


@dataclass(frozen=True)
class SplitScores:
    """Everything that was scored on one split."""

    split: str
    rows: tuple[LanguageScores, ...]
    averages: tuple[Average, ...]
    texts: int

    @property
    def alone(self) -> bool:
        """Whether one group serves all and answers as the multilingual model does: there is nothing to compare."""
        return len({row.language.group for row in self.rows}) == 1 and not any(row.gain for row in self.rows)


def split_scores(manifest: Manifest, evaluated: Mapping[str, Any], test_counts: Mapping[str, int]) -> list[SplitScores]:
    """Return the tables of the splits that were scored, test before dev."""
    tables = []
    for split in ("test", "dev"):
        scored = [language for language in by_group(manifest) if split in language.scores]
        if not scored:
            continue
        rows = tuple(_row(language, split, manifest.metric, test_counts, evaluated) for language in scored)
        averages = _averages(evaluated["averages"][split], evaluated["average_intervals"][split])
        tables.append(SplitScores(split, rows, averages, sum(row.texts or 0 for row in rows)))
    return tables


def score_table(scores: SplitScores, metric: str) -> Table:
    """Lay out the three columns of every language, and what the groups gain, as a number and as a bar."""
    extent = max((abs(row.gain) for row in scores.rows if row.gain is not None), default=0.0)
    rows = [
        (
            who(row.language),
            row.language.group,
            MISSING if row.texts is None else str(row.texts),
            *map(percent, row.values),
            difference(row.gain, row.gain_interval),
            "" if row.gain is None else bar(row.gain, extent),
        )
        for row in scores.rows
    ]
    group = scores.averages[1]
    plain = [percent(average.plain) for average in scores.averages]
    plain.append(difference(group.plain_gain, group.gain_intervals["plain"]))
    weighted = [percent(average.weighted) for average in scores.averages]
    weighted.append(difference(group.weighted_gain, group.gain_intervals["weighted"]))
    totals = [("Plain mean", "", "", *plain, ""), ("Weighted by texts", "", str(scores.texts), *weighted, "")]
    what = "in brackets the 95 % interval of the difference, texts drawn anew 1000 times"
    title = f"{metric} on {scores.split}, in percent; {what}"
    compared = ("Multilingual", "Group model", "Service", "Group \u2212 multilingual")
    columns = ("Language", "Group", "Texts", *compared, Markup('<span class="unseen">as a bar</span>'))
    every: list[tuple[str, ...]] = [columns, *rows, *totals]
    if scores.alone:
        title, every = f"{metric} on {scores.split}, in percent", [(row[0], *row[2:4], row[5]) for row in every]
    return Table(title, every[0], every[1:], words=1 if scores.alone else 2, totals=len(totals))


def metric_table(scores: SplitScores) -> Table:
    """Lay out every metric of every language."""
    rows = [
        ("" if i else who(row.language), metric_name(name), *map(percent, values))
        for row in scores.rows
        for i, (name, values) in enumerate(row.metrics)
    ]
    columns: tuple[str, ...] = ("Language", "Metric", "Multilingual", "Group model", "Service")
    if scores.alone:
        columns, rows = (*columns[:3], columns[4]), [(*row[:3], row[4]) for row in rows]
    return Table(f"All metrics on {scores.split}, in percent", columns, rows, words=2)


def _row(
    language: Language,
    split: str,
    metric: str,
    test_counts: Mapping[str, int],
    evaluated: Mapping[str, Any],
) -> LanguageScores:
    scores = language.scores[split]
    intervals = evaluated["intervals"][split][language.code]
    columns = (scores.multilingual, scores.group, scores.service)
    gain = _gain(scores, metric)
    names = dict.fromkeys(name for column in columns for name in column)
    return LanguageScores(
        language,
        test_counts.get(language.code) if split == "test" else language.counts.get(split),
        tuple(column.get(metric) for column in columns),
        tuple(intervals[column.key] for column in COLUMNS),
        gain,
        intervals[GAIN],
        tuple((name, tuple(column.get(name) for column in columns)) for name in names),
    )


def _gain(scores: Scores, metric: str) -> float | None:
    if metric not in scores.group or metric not in scores.multilingual:
        return None
    return scores.group[metric] - scores.multilingual[metric]


def _averages(
    averages: Mapping[str, Mapping[str, float]], intervals: Mapping[str, Mapping[str, Interval]]
) -> tuple[Average, ...]:
    reference = averages[MULTILINGUAL]
    return tuple(
        Average(
            column,
            averages[column.key]["plain"],
            averages[column.key]["weighted"],
            averages[column.key]["plain"] - reference["plain"],
            averages[column.key]["weighted"] - reference["weighted"],
            {name: ends[column.key] for name, ends in intervals.items()},
            {name: ends[GAIN] for name, ends in intervals.items() if column.key == GROUP},
        )
        for column in COLUMNS
    )


def score_drawings(tables: Sequence[SplitScores], metric: str) -> list[Drawing]:
    """Draw the first split: the three columns of every language, and what the groups gain, each with its interval."""
    if not tables:
        return []
    table = tables[0]
    intervals = "Bars: 95 % bootstrap intervals."
    series = [
        Series(column.title, [_point(row, position) for row in table.rows], mark, filled)
        for (position, column), mark, filled in zip(
            enumerate(COLUMNS), ("square", "circle", "triangle"), (False, True, True), strict=True
        )
        if not (table.alone and column.key == GROUP)
    ]
    labels = [row_label(row.language) for row in table.rows]
    figures = []
    if any(point for each in series for point in each.points):
        figures.append(
            dots(
                labels,
                series,
                Caption(
                    "scores",
                    f"{metric} per language on {table.split}",
                    f"In percent, languages in the order of their groups. {intervals}",
                ),
                write=percent,
                tick=rounded,
                axis=f"{metric} on {table.split}, %",
            )
        )
    gained = [] if table.alone else [row for row in table.rows if row.gain is not None]
    gained.sort(key=lambda row: -(row.gain or 0.0))
    if gained:
        figures.append(
            dots(
                [row_label(row.language) for row in gained],
                [Series("Group - multilingual", [_gain_point(row) for row in gained])],
                Caption(
                    "gains",
                    "What grouping gained and lost for each language",
                    f"Group minus multilingual model, in percentage points, largest gain first. {intervals}",
                ),
                write=points,
                tick=lambda share: rounded(share, signed=True),
                axis=f"group \u2212 multilingual, points of {metric} on {table.split}",
                zero=True,
            )
        )
    return figures


def _point(row: LanguageScores, position: int) -> Point | None:
    value, interval = row.values[position], row.intervals[position]
    if value is None:
        return None
    words = f"{row.language.name}, {COLUMNS[position].title.lower()}: {percent(value)} ({between(interval)})"
    return Point(value, (interval[0], interval[1]), words=words)


def _gain_point(row: LanguageScores) -> Point:
    interval = row.gain_interval
    words = f"{row.language.name}: {points(row.gain)} ({between(interval, signed=True)})"
    return Point(row.gain or 0.0, (interval[0], interval[1]), words=words)
