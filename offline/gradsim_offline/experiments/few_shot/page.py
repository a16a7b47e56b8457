"""few-shot.json as one page to open in a browser: its tables, and the heat maps of the languages' gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradsim_offline.core.languages import name as language_name
from gradsim_offline.experiments.few_shot.tables import tables
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.heatmap import heatmap
from gradsim_offline.report.tables import bold, render_tables

FIGURES = "few-shot-figures"  # the folder


def drawings(content: Mapping[str, Any]) -> list[Drawing]:
    """Return a heat map per tracked layer and regime; the source is the first row."""
    gradients, source = content["gradients"], content["source"]
    order = [source, *content["targets"]]
    place = [gradients["languages"].index(code) for code in order]
    drawn = []
    for layer, by_regime in gradients["similarity"].items():
        for regime, matrix in by_regime.items():
            values = np.array(matrix)[np.ix_(place, place)]  # [languages, languages]

            def tip(i: int, j: int, values: Any = values) -> str:  # noqa: ANN401 - an array, bound now
                return f"{language_name(order[i])} and {language_name(order[j])}: {values[i, j]:.3f}"

            drawn.append(
                heatmap(
                    values,
                    [f"{code} (source)" if code == source else code for code in order],
                    order,
                    name=f"gradients-{regime}-{layer.replace('.', '-')}",
                    title=f"{regime}, K = {gradients['shots']}: cosine of the languages' gradients, {layer}",
                    description="In the trained model, on texts that it did not train on; mean over seeds "
                    f"{', '.join(map(str, content['seeds']))}.",
                    muted=np.eye(len(order), dtype=bool),
                    tip=tip,
                )
            )
    return drawn


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
