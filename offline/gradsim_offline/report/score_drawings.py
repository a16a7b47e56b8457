"""The scores of a split as drawings: three columns per language, and what the groups gain, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from gradsim_offline.report.charts import Point, Series, dots
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.groups import row_label
from gradsim_offline.report.numbers import between, percent, points, rounded
from gradsim_offline.report.scores import COLUMNS, Row, SplitScores


def drawings(tables: Sequence[SplitScores], metric: str) -> list[Drawing]:
    """Draw the first split: the three columns of every language, and what the groups gain, each with its interval."""
    if not tables:
        return []
    table = tables[0]
    intervals = " Bars: 95 % bootstrap intervals." if table.has_intervals else ""
    series = [
        Series(column.title, [_point(row, position) for row in table.rows], mark, filled)
        for (position, column), mark, filled in zip(
            enumerate(COLUMNS), ("square", "circle", "triangle"), (False, True, True), strict=True
        )
    ]
    labels = [row_label(row.language) for row in table.rows]
    found = []
    if any(point for one in series for point in one.points):
        found.append(
            dots(
                labels,
                series,
                name="scores",
                title=f"{metric} per language on {table.split}",
                description=f"In percent, languages in the order of their groups.{intervals}",
                write=percent,
                tick=rounded,
                axis=f"{metric} on {table.split}, %",
            )
        )
    gained = sorted((row for row in table.rows if row.gain is not None), key=lambda row: -(row.gain or 0.0))
    if gained:
        found.append(
            dots(
                [row_label(row.language) for row in gained],
                [Series("Group - multilingual", [_gain_point(row) for row in gained])],
                name="gains",
                title="What grouping gained and lost for each language",
                description=f"Group minus multilingual model, in percentage points, largest gain first.{intervals}",
                write=points,
                tick=lambda share: rounded(share, signed=True),
                axis=f"group \u2212 multilingual, points of {metric} on {table.split}",
                zero=True,
            )
        )
    return found


def _point(row: Row, position: int) -> Point | None:
    value, interval = row.values[position], row.intervals[position]
    if value is None:
        return None
    words = f"{row.language.name}, {COLUMNS[position].title.lower()}: {percent(value)}"
    words += f" ({between(interval)})" if interval else ""
    return Point(value, (interval[0], interval[1]) if interval else None, words=words)


def _gain_point(row: Row) -> Point:
    interval = row.gain_interval
    words = f"{row.language.name}: {points(row.gain)}" + (f" ({between(interval, signed=True)})" if interval else "")
    return Point(row.gain or 0.0, (interval[0], interval[1]) if interval else None, words=words)
