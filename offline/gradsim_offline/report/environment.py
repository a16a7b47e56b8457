"""How the pages are rendered: one environment with the filters and the style that they share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gradsim_offline.report.colours import DARK, LIGHT, PRINT, rules, variables
from gradsim_offline.report.numbers import between, decimal, percent, points, sign, tiny


@cache
def environment() -> Environment:
    """Return the environment: everything is escaped, and what is undefined is an error."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "between": between,
        "decimal": decimal,
        "percent": percent,
        "points": points,
        "sign": sign,
        "tiny": tiny,
        "metric": metric_name,
        "upper_first": lambda text: text[:1].upper() + text[1:],
    }
    found.globals |= {
        "light": Markup(variables(LIGHT)),  # noqa: S704 - our own
        "dark": Markup(variables(DARK)),  # noqa: S704 - our own
        "print": Markup(variables(PRINT)),  # noqa: S704 - our own
        "pens": Markup(rules()),  # noqa: S704 - our own
    }
    return found


def metric_name(metric: str) -> str:
    """Write a metric for people: ``weighted_f1`` is weighted F1."""
    return metric.replace("_", " ").replace("f1", "F1")
