"""The endpoint of a bundle: the name of the path at which the service answers from it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Annotated

from pydantic import AfterValidator

TAKEN = frozenset(
    {
        *("admin", "docs", "explore", "groups", "languages", "livez", "metrics", "models", "pages", "predict"),
        *("readyz", "serve", "v2"),
    }
)
"""Names of paths that the service has of its own; as they grow, a bundle that has one already is still read."""
PAIRS = "pairs"
"""Of pairs whose labels name no endpoint."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_OPINIONS = frozenset({"positive", "negative", "neutral"})


def endpoint_name(name: str) -> str:
    """Return a name that has the form of an endpoint's.

    Raises:
        ValueError: It has not.
    """
    if _NAME.fullmatch(name) is None:
        what = "a small letter, then up to 39 small letters, digits, - or _"
        raise ValueError(f"{name[:60]!r} is no endpoint such as topic: {what}")
    return name


def free_name(name: str) -> str:
    """Return an endpoint that is no path of the service's own.

    Raises:
        ValueError: It is.
    """
    if name in TAKEN:
        raise ValueError(f"the service has a path /{name} of its own; choose another endpoint")
    return name


EndpointName = Annotated[str, AfterValidator(endpoint_name)]
NewEndpoint = Annotated[EndpointName, AfterValidator(free_name)]
"""Of a bundle that is to be built."""


def default_endpoint(of_task: str, labels: Sequence[str], data: str) -> str:
    """Return the endpoint of a new bundle that names none.

    Args:
        of_task: The endpoint that the task has for these labels: ``sentiment`` for texts with one label each,
            ``labels`` for those with several.
        labels: Of the bundle.
        data: Name of the data set.

    Returns:
        ``ner``, ``pos``, ``nli`` and ``paraphrase`` as the task says; ``sentiment`` for opinions; else the data set's
        name.
    """
    if of_task not in ("sentiment", "labels", PAIRS) or (of_task == "sentiment" and _are_opinions(labels)):
        return of_task
    name = re.sub(r"[^a-z0-9]+", "-", data.lower()).lstrip("-0123456789")[:40].rstrip("-")
    return name if _NAME.fullmatch(name) and name not in TAKEN else "labels"


def _are_opinions(labels: Collection[str]) -> bool:
    return {label.lower() for label in labels} <= _OPINIONS
