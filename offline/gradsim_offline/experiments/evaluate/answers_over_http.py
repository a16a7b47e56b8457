"""Answer labelled texts with a running service: as its clients see it, raw text in and predictions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradsim_offline.core.dataset import AnyExample, Dataset, Gold, Split, TaggedSentence
from gradsim_offline.experiments.evaluate.answers import (
    Answers,
    ServedLanguage,
    Target,
    check_fits,
    spans_of,
    unknown_labels,
)
from gradsim_offline.experiments.evaluate.http import Client, client_for, not_ours
from gradsim_shared.errors import RequestError, SettingsError
from gradsim_shared.manifest import Manifest
from gradsim_shared.routing import Route

MOST_TEXTS = 256  # in a request: the service's MAX_TEXTS, which offline cannot import; a larger one is refused there
USUAL_TEXTS = 64
ROUTE_FIELDS = ("language", "confidence", "group", "collective_similarity", "reason")
TOO_MUCH = ("body_too_large", "timeout", "too_many_texts")
"""What a service says to a request that may be answered in halves."""

Prediction = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """A running service.

    Attributes:
        client: Asks it.
        served: Every bundle that it serves, by its endpoint.
    """

    client: Client
    served: dict[str, Target]


@dataclass(frozen=True, slots=True)
class OverHttp:
    """One bundle of a running service.

    Attributes:
        client: Asks the service.
        endpoint: Where the bundle's task is answered.
        target: The bundle.
    """

    client: Client
    endpoint: str
    target: Target

    def answers(self, examples: Sequence[AnyExample], language: str | None) -> Answers:
        """Answer raw texts of one language: a service takes no words, so tags have no column of their own."""
        texts = [example.text for example in examples]
        refusals: list[str] = []
        found = self._ask(texts, None, refusals)
        named = None
        if language is not None and not isinstance(examples[0], TaggedSentence):
            named = self._ask(texts, language, [])
        try:
            routes = [None if one is None else _route(one["route"]) for one in found]
            if isinstance(examples[0], TaggedSentence):
                return Answers(routes, None, None, [None if one is None else spans_of(one) for one in found], refusals)
            return Answers(routes, None if named is None else _labels(named), _labels(found), None, refusals)
        except (KeyError, TypeError) as error:
            raise not_ours(self.client.url) from error

    def _ask(self, texts: Sequence[str], language: str | None, refusals: list[str]) -> list[Prediction | None]:
        """Return each text's prediction; ``None`` for one that is refused, and why in ``refusals``."""
        found: list[Prediction | None] = [None] * len(texts)
        waiting = [list(range(len(texts)))]
        while waiting:
            rows = waiting.pop()
            try:
                predictions = self._post([texts[row] for row in rows], language)
            except RequestError as error:
                if error.index is not None and 0 <= error.index < len(rows):
                    refusals.append(str(error))
                    waiting.append([row for row in rows if row != rows[error.index]])
                elif error.code in TOO_MUCH and len(rows) > 1:
                    half = len(rows) // 2
                    waiting += [rows[half:], rows[:half]]
                elif error.code in TOO_MUCH:
                    refusals.append(str(error))
                else:
                    raise
                waiting = [rows for rows in waiting if rows]
                continue
            for row, prediction in zip(rows, predictions, strict=True):
                found[row] = prediction
        return found

    def _post(self, texts: Sequence[str], language: str | None) -> list[Prediction]:
        answer = self.client.post(self.endpoint, {"texts": texts, "language": language})
        predictions = answer.get("predictions") if isinstance(answer, dict) else None
        if not isinstance(predictions, list) or len(predictions) != len(texts):
            raise not_ours(self.client.url)
        if answer.get("bundle") != self.target.title:
            raise SettingsError(
                f"--url {self.client.url}: {self.endpoint} answers from {answer.get('bundle')} now, it was "
                f"{self.target.title} at first; start again when the service stays as it is"
            )
        return predictions


def look_at(url: str, batch: int) -> Service:
    """Ask a service what it serves, and wait until it is ready.

    Args:
        url: Where it is.
        batch: How many texts it will be asked for at once.

    Raises:
        SettingsError: Nothing answers there, it is no such service, or the batch is too large for it.
        RequestError: It is not ready for a minute.
    """
    if batch > MOST_TEXTS:
        raise SettingsError(f"--batch {batch}: a service takes {MOST_TEXTS} texts in a request, at most")
    client = client_for(url)
    try:
        index, listed = client.get("/"), client.get("/languages")
        client.get("/readyz")
        languages = {
            endpoint: [_language(one) for one in listed["languages"] if one["endpoint"] == endpoint]
            for endpoint in listed["endpoints"]
        }
        served = {
            one["endpoint"]: Target(one["bundle"], one["task"], tuple(one["labels"]), tuple(languages[one["endpoint"]]))
            for one in index["bundles"]
        }
    except (KeyError, TypeError) as error:
        raise not_ours(url) from error
    except RequestError as error:
        if error.code in ("not_ready", "overloaded"):
            raise
        raise not_ours(url) from error
    return Service(client, served)


def choose(service: Service, dataset: Dataset, split: Split, bundle: Manifest | None) -> OverHttp:
    """Choose the service's bundle for a data set: the one that is named, else of the data's task and labels.

    Raises:
        SettingsError: The service does not serve that bundle, or that task.
        DataError: A label of the data is none of the bundle's.
    """
    there = ", ".join(f"{one.title} for {one.task} at {endpoint}" for endpoint, one in service.served.items())
    same = {
        endpoint: one
        for endpoint, one in service.served.items()
        if (one.task == dataset.task if bundle is None else one.title == bundle.title and one.task == bundle.task)
    }
    if not same:
        wanted = f"nothing for {dataset.task}" if bundle is None else f"no {bundle.title} for {bundle.task}"
        raise SettingsError(f"--url {service.client.url} serves {wanted}; it serves {there}")
    fitting = [endpoint for endpoint, one in same.items() if next(unknown_labels(one, dataset, split), None) is None]
    endpoint = next(iter(fitting or same))
    check_fits(same[endpoint], dataset, split)
    return OverHttp(service.client, endpoint, same[endpoint])


def _route(form: Prediction) -> Route:
    """Return the part of a route that every service has told; what a later one says beside it is not read."""
    return Route(**{name: form[name] for name in ROUTE_FIELDS})


def _labels(found: Sequence[Prediction | None]) -> list[Gold | None]:
    return [None if one is None else str(one["label"]) for one in found]


def _language(form: dict[str, Any]) -> ServedLanguage:
    return ServedLanguage(form["code"], form["group"], tuple(form["aliases"]))
