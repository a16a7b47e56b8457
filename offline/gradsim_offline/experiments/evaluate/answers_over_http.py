"""Answer labelled texts with a running service: as its clients see it, raw text in and predictions out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from gradsim_offline.experiments.evaluate.http import Service, not_ours, service_at
from gradsim_shared.errors import RequestError, SettingsError
from gradsim_shared.manifest import Manifest
from gradsim_shared.routing import Route
from gradsim_shared.segments import Sent, as_json, field_of

MOST_TEXTS = 256  # in a request: the service's MAX_TEXTS, which offline cannot import; a larger one is refused there
USUAL_TEXTS = 64
ROUTE_FIELDS = ("language", "confidence", "group", "collective_similarity", "reason")
TOO_MUCH = ("body_too_large", "timeout", "too_many_texts")
"""What a service says to a request that may be answered in halves."""

Prediction = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bundles:
    """The bundles of a running service.

    Attributes:
        service: Asks it.
        served: Every bundle that it serves, by its endpoint.
    """

    service: Service
    served: dict[str, Target]


@dataclass(frozen=True, slots=True)
class OverHttp:
    """One bundle of a running service.

    Attributes:
        service: Asks it.
        endpoint: Where the bundle's task is answered.
        target: The bundle.
    """

    service: Service
    endpoint: str
    target: Target

    def answers(self, examples: Sequence[AnyExample], language: str | None) -> Answers:
        """Answer raw texts of one language: a service takes no words, so tags have no column of their own."""
        texts = [example.text for example in examples]
        refusals: list[str] = []
        predictions = self._ask(texts, None, refusals)
        named = None
        if language is not None and not isinstance(examples[0], TaggedSentence):
            named = self._ask(texts, language, [])
        try:
            routes = [None if each is None else _route(each["route"]) for each in predictions]
            if isinstance(examples[0], TaggedSentence):
                return Answers(
                    routes, None, None, [None if each is None else spans_of(each) for each in predictions], refusals
                )
            return Answers(routes, None if named is None else _labels(named), _labels(predictions), None, refusals)
        except (KeyError, TypeError) as error:
            raise not_ours(self.service.url) from error

    def _ask(self, texts: Sequence[Sent], language: str | None, refusals: list[str]) -> list[Prediction | None]:
        """Return each text's prediction; ``None`` for one that is refused, and why in ``refusals``."""
        answers: list[Prediction | None] = [None] * len(texts)
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
                answers[row] = prediction
        return answers

    def _post(self, texts: Sequence[Sent], language: str | None) -> list[Prediction]:
        asked = {field_of(texts): [as_json(text) for text in texts], "language": language}
        answer = self.service.post(self.endpoint, asked)
        predictions = answer.get("predictions") if isinstance(answer, dict) else None
        if not isinstance(predictions, list) or len(predictions) != len(texts):
            raise not_ours(self.service.url)
        if answer.get("bundle") != self.target.title:
            raise SettingsError(
                f"--url {self.service.url}: {self.endpoint} answers from {answer.get('bundle')} now, it was "
                f"{self.target.title} at first; start again when the service stays as it is"
            )
        return predictions


@contextmanager
def look_at(url: str, batch: int) -> Iterator[Bundles]:
    """Ask a service what it serves, wait until it is ready, and close the connections at the end.

    Args:
        url: Where it is.
        batch: How many texts it will be asked for at once.

    Raises:
        SettingsError: Nothing answers there, it is no such service, or the batch is too large for it.
        RequestError: It is not ready for a minute.
    """
    if batch > MOST_TEXTS:
        raise SettingsError(f"--batch {batch}: a service takes {MOST_TEXTS} texts in a request, at most")
    service = service_at(url)
    with service.client:
        try:
            served = _served(service)
        except (KeyError, TypeError) as error:
            raise not_ours(url) from error
        except RequestError as error:
            if error.code in ("not_ready", "overloaded"):
                raise
            raise not_ours(url) from error
        yield Bundles(service, served)


def _served(service: Service) -> dict[str, Target]:
    """Return the bundles of a service by their endpoints, once it is ready."""
    index, listed = service.get("/"), service.get("/languages")
    service.get("/readyz")
    languages = {
        endpoint: [_language(entry) for entry in listed["languages"] if entry["endpoint"] == endpoint]
        for endpoint in listed["endpoints"]
    }
    return {
        entry["endpoint"]: Target(
            entry["bundle"], entry["task"], tuple(entry["labels"]), tuple(languages[entry["endpoint"]])
        )
        for entry in index["bundles"]
    }


def choose(bundles: Bundles, dataset: Dataset, split: Split, bundle: Manifest | None) -> OverHttp:
    """Choose the service's bundle for a data set: the one that is named, else of the data's task and labels.

    Raises:
        SettingsError: The service does not serve that bundle, or that task.
        DataError: A label of the data is none of the bundle's.
    """
    there = ", ".join(f"{target.title} for {target.task} at {endpoint}" for endpoint, target in bundles.served.items())
    same = {
        endpoint: target
        for endpoint, target in bundles.served.items()
        if (
            target.task == dataset.task
            if bundle is None
            else target.title == bundle.title and target.task == bundle.task
        )
    }
    if not same:
        wanted = f"nothing for {dataset.task}" if bundle is None else f"no {bundle.title} for {bundle.task}"
        raise SettingsError(f"--url {bundles.service.url} serves {wanted}; it serves {there}")
    fitting = [
        endpoint for endpoint, target in same.items() if next(unknown_labels(target, dataset, split), None) is None
    ]
    endpoint = next(iter(fitting or same))
    check_fits(same[endpoint], dataset, split)
    return OverHttp(bundles.service, endpoint, same[endpoint])


def _route(form: Prediction) -> Route:
    """Return a route from the fields that every version of the service sends; further ones are ignored."""
    return Route(**{name: form[name] for name in ROUTE_FIELDS})


def _labels(predictions: Sequence[Prediction | None]) -> list[Gold | None]:
    return [
        None if each is None else tuple(each["labels"]) if "labels" in each else each.get("answer", each.get("label"))
        for each in predictions
    ]


def _language(form: dict[str, Any]) -> ServedLanguage:
    return ServedLanguage(form["code"], form["group"], tuple(form["aliases"]))
