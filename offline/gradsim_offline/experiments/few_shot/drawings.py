"""The heat maps of few-shot.json: how the languages' gradients agree with and without surgery, on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradsim_offline.core.languages import name as language_name
from gradsim_offline.report.drawing import Caption, Drawing
from gradsim_offline.report.heatmap import heatmap

FIGURES = "few-shot-figures"  # the folder


def drawings(content: Mapping[str, Any]) -> list[Drawing]:
    """Return a heat map per tracked layer and regime; the source is the first row."""
    gradients, source = content["gradients"], content["source"]
    order = [source, *content["targets"]]
    place = [gradients["languages"].index(code) for code in order]
    heatmaps = []
    for layer, by_regime in gradients["similarity"].items():
        for regime, matrix in by_regime.items():
            values = np.array(matrix)[np.ix_(place, place)]  # [languages, languages]

            def tip(i: int, j: int, values: Any = values) -> str:  # noqa: ANN401 - an array, bound now
                return f"{language_name(order[i])} and {language_name(order[j])}: {values[i, j]:.3f}"

            heatmaps.append(
                heatmap(
                    values,
                    [f"{code} (source)" if code == source else code for code in order],
                    order,
                    Caption(
                        f"gradients-{regime}-{layer.replace('.', '-')}",
                        f"{regime}, K = {gradients['shots']}: cosine of the languages' gradients, {layer}",
                        "In the trained model, on texts that it did not train on; mean over seeds "
                        f"{', '.join(map(str, content['seeds']))}.",
                    ),
                    muted=np.eye(len(order), dtype=bool),
                    tip=tip,
                )
            )
    return heatmaps
