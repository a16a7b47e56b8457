"""Results as JSON, the quickest correct way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic_core import to_json

from gradsim_serving.engine.job import TextResult
from gradsim_shared.routing import Route


def results_json(results: Sequence[TextResult], cut: frozenset[int] = frozenset()) -> bytes:
    """Return the body of a response.

    Plain dictionaries go to pydantic-core's writer, which is several times as fast with them as with dataclasses.

    Args:
        results: One for each text.
        cut: Texts that were cut before the engine got them.
    """
    predictions = [
        {
            **plain(result.prediction),
            "truncated": result.truncated or row in cut,
            "route": plain_route(result.route),
        }
        for row, result in enumerate(results)
    ]
    return to_json({"predictions": predictions, "bundle": results[0].bundle})


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a prediction holds
    """Return dataclasses as dictionaries and tuples as lists, all the way down; the rest stays as it is."""
    kind = type(value)
    if kind is str or kind is float:
        return value
    if kind is list or kind is tuple:
        return [plain(entry) for entry in value]
    names = _FIELDS.get(kind)
    if names is None:
        names = _FIELDS[kind] = tuple(part.name for part in fields(kind)) if is_dataclass(kind) else ()
    return {name: plain(getattr(value, name)) for name in names} if names else value


_FIELDS: dict[type[Any], tuple[str, ...]] = {}
"""A cache of each type's fields, none where it is no dataclass: to ask each time costs more than all the rest."""


def plain_route(route: Route) -> dict[str, Any]:
    """Return a route as it stands in JSON."""
    return {
        "language": route.language,
        "confidence": route.confidence,
        "group": route.group,
        "collective_similarity": route.collective_similarity,
        "reason": route.reason,
        "group_confidence": route.group_confidence,
        "candidates": [
            {"language": candidate.language, "confidence": candidate.confidence, "group": candidate.group}
            for candidate in route.candidates
        ],
        "mixture": [{"group": group, "weight": weight} for group, weight in route.mixture],
        "code_mixed": route.code_mixed,
        "second_language": route.second_language,
    }


ROUTE_HEADER = "x-gradsim-route"
LONGEST_HEADER = 3000
"""Characters: proxies refuse answers with larger headers."""


def route_header(routes: Sequence[Route]) -> dict[str, str]:
    """Return the header that tells the routes where the body has a form of its own: a list of RFC 9651.

    An item for each text: its language (``und``: none of the bundle's), with group, reason, and confidence where the
    identifier was asked. What would be too long for a header is left out, and counted: ``*;more=200``.
    """
    items: list[str] = []
    length = 0
    for route in routes:
        confidence = "" if route.confidence is None else f";confidence={route.confidence:.3f}"
        second = f";second={route.second_language}" if route.second_language else ""
        item = f'{route.language or "und"};group="{route.group}";reason={route.reason}{confidence}{second}'
        length += len(item) + 2
        if length > LONGEST_HEADER:
            items.append(f"*;more={len(routes) - len(items)}")
            break
        items.append(item)
    return {ROUTE_HEADER: ", ".join(items)}
