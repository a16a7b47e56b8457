"""How pages are rendered: one environment with the filters and the style that they share; pages of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gradsim_offline.report.colours import DARK, LIGHT, PRINT, rules, variables
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.numbers import between, decimal, difference, percent, points, sign, tiny
from gradsim_offline.report.table import Table, cell


@cache
def environment() -> Environment:
    """Return the environment: everything is escaped, and what is undefined is an error."""
    created = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (between, cell, decimal, difference, percent, points, sign, tiny, upper_first)
    created.filters |= {each.__name__: each for each in filters} | {"metric": metric_name}
    created.globals |= {
        "light": Markup(variables(LIGHT)),  # noqa: S704 - our own
        "dark": Markup(variables(DARK)),  # noqa: S704 - our own
        "print": Markup(variables(PRINT)),  # noqa: S704 - our own
        "pens": Markup(rules()),  # noqa: S704 - our own
    }
    return created


def render_tables(
    title: str,
    lead: Sequence[str],
    tables: Sequence[Table],
    drawings: Sequence[Drawing],
    provenance: Mapping[str, Any],
) -> str:
    """Return a page whose tables say it all; the same arguments always give the same page.

    Args:
        title: Of the page.
        lead: Sentences below it.
        tables: With their remarks.
        drawings: Below the tables.
        provenance: Settings and versions, folded away.
    """
    page = environment().get_template("tables.html.j2")
    return page.render(title=title, lead=lead, tables=tables, drawings=drawings, provenance=written(provenance))


def written(settings: Mapping[str, Any]) -> str:
    """Return settings as people read them: indented JSON."""
    return json.dumps(settings, indent=2, ensure_ascii=False, default=str)


def metric_name(metric: str) -> str:
    """Write a metric for people: ``weighted_f1`` is weighted F1."""
    return metric.replace("_", " ").replace("f1", "F1")


def upper_first(text: str) -> str:
    """Begin with a capital letter."""
    return text[:1].upper() + text[1:]
