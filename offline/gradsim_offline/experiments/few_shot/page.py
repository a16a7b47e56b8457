"""few-shot.json as one page to open in a browser: its tables, and the heat maps of the languages' gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradsim_offline.experiments.few_shot.drawings import drawings
from gradsim_offline.experiments.few_shot.tables import tables
from gradsim_offline.report.tables import bold, render_tables


def page(content: Mapping[str, Any]) -> str:
    """Return the page; the same content always gives the same page.

    Args:
        content: Of few-shot.json.
    """
    lead = [
        f"{len(content['regimes'])} regimes, {len(content['targets'])} target languages, "
        f"K = {', '.join(map(str, content['shots']))}, seeds {', '.join(map(str, content['seeds']))}.",
        *(f"{regime['name']}: {regime['description']}." for regime in content["regimes"]),
    ]
    title = f"{content['data']}: few-shot transfer from {content['source']}"
    return render_tables(title, lead, tables(content, bold), drawings(content), content["provenance"])
