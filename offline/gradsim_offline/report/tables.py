"""Tables and figures as one HTML page that needs nothing beside itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.environment import environment
from gradsim_offline.report.text_tables import Table

TEMPLATE = "tables.html.j2"


def render_tables(
    title: str,
    lead: Sequence[str],
    tables: Sequence[Table],
    drawings: Sequence[Drawing],
    provenance: Mapping[str, Any],
) -> str:
    """Return the page; the same arguments always give the same page.

    Args:
        title: Of the page.
        lead: Sentences below it.
        tables: Their cells are escaped, unless ``bold`` marked them.
        drawings: Below the tables.
        provenance: Settings and versions, folded away.
    """
    written = json.dumps(provenance, indent=2, ensure_ascii=False, default=str)
    page = environment().get_template(TEMPLATE)
    return page.render(title=title, lead=lead, tables=tables, drawings=drawings, provenance=written)


def bold(text: str) -> str:
    """Mark a cell's number as the best."""
    return Markup("<b>{}</b>").format(text)
