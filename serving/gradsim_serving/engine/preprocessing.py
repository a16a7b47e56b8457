"""Preprocessing, from jobs to queued texts: identify the language, route, tokenise; many jobs in one step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from gradsim_serving.bundles.served import Served
from gradsim_serving.engine.completion import Fail
from gradsim_serving.engine.job import Job, JobSlice, Mixture, QueuedText
from gradsim_serving.observing.observer import Observer
from gradsim_shared.decoding import Reading
from gradsim_shared.errors import RequestError
from gradsim_shared.routing import Route, Router, is_unknown
from gradsim_shared.segments import Languages, Sent

GOLDEN_RATIO = (5**0.5 - 1) / 2
"""Steps of this size modulo 1 fall evenly: any share of the texts is sampled evenly, whatever their order."""


class Preprocessor:
    """Identifies, routes and tokenises.

    Args:
        observer: Counts routes and times.
        fail: Ends a job that cannot be preprocessed.
        check_given: Share of the texts with a given language that are identified as well, for a metric only.
    """

    def __init__(self, observer: Observer, fail: Fail, check_given: float) -> None:
        self._observer = observer
        self._fail = fail
        self._check_given = check_given
        self._sample = 0.0

    def process(self, slices: Sequence[JobSlice]) -> list[QueuedText]:
        """Return the queue entries of these texts; a job that cannot be preprocessed fails alone."""
        queued: list[QueuedText] = []
        for served in dict.fromkeys(part.job.served for part in slices):
            of_bundle = [part for part in slices if part.job.served is served and not part.job.ended]
            try:
                queued += self._process(served, of_bundle)
            except BaseException as error:  # whatever a tokenizer raises: retry one by one, so that one job fails
                if len(of_bundle) == 1:
                    self._fail(of_bundle[0].job, error, None)
                else:
                    queued += [text for part in of_bundle for text in self.process([part])]
        return queued

    def _process(self, served: Served, slices: Sequence[JobSlice]) -> list[QueuedText]:
        """Process slices together; metrics are counted at the end, so never twice where slices are retried."""
        begin = time.perf_counter()
        checked = self._identify(served, slices)
        identified = time.perf_counter()
        queued = self._tokenise(served, [part for part in slices if not part.job.ended])
        done = time.perf_counter()
        for language, agrees in checked:
            self._observer.given_checked(served.endpoint, language, agrees)
        for part in slices:
            self._count_routes(part)
            for stage, seconds in (("identify", identified - begin), ("tokenise", done - identified)):
                part.job.add_seconds(stage, seconds)
                self._observer.stage(served.endpoint, stage, seconds)
        return queued

    def _identify(self, served: Served, slices: Sequence[JobSlice]) -> list[tuple[str, bool]]:
        """Set the routes of the texts whose language is not given; one call of the identifier for all of them.

        Returns:
            Of the given languages that were sampled: each, and whether the identifier agrees.
        """
        asked = [(part.job, i) for part in slices for i in range(part.first, part.last) if self._is_asked(part.job, i)]
        if not asked:
            return []
        identifications = served.identifier.identify([job.texts[i] for job, i in asked])
        checked: list[tuple[str, bool]] = []
        for (job, i), identification in zip(asked, identifications, strict=True):
            route = job.routes[i]
            if route is not None:
                probabilities = identification.probabilities
                likeliest = max(probabilities, key=probabilities.__getitem__)
                checked.append((str(route.language), likeliest == route.language))
                continue
            try:
                job.routes[i] = served.router.identified(job.texts[i], identification, job.policy, i)
            except RequestError as error:
                self._fail(job, error, i)
        return checked

    def _is_asked(self, job: Job, index: int) -> bool:
        """Whether the identifier is asked about a text: its language is not given, or it is sampled as a check.

        A pair of two given languages is none: the identifier has no one language of it.
        """
        route = job.routes[index]
        if route is None:
            return True
        if not self._check_given or job.canary or route.reason != "given":  # else it was identified before
            return False
        if route.second_language is not None:
            return False
        self._sample = (self._sample + GOLDEN_RATIO) % 1.0
        return self._sample < self._check_given

    def _count_routes(self, part: JobSlice) -> None:
        if part.job.canary or part.job.ended:
            return
        for route in part.job.routes[part.first : part.last]:
            assert route is not None
            self._observer.routed(part.job.served.endpoint, route)

    def _tokenise(self, served: Served, slices: Sequence[JobSlice]) -> list[QueuedText]:
        """Tokenise each text for the models of its groups; one call for each group.

        The entries of a text stand next to each other: those on the trunk run in one batch.
        """
        entries: list[tuple[Job, int, Route, str, float, Mixture | None]] = []
        by_group: dict[str, list[int]] = {}
        for part in slices:
            job = part.job
            for i in range(part.first, part.last):
                route = job.routes[i]
                assert route is not None
                mixture = Mixture(len(route.mixture)) if len(route.mixture) > 1 else None
                for group, weight in route.mixture:
                    by_group.setdefault(group, []).append(len(entries))
                    entries.append((job, i, route, group, weight, mixture))
        readings: dict[int, Reading] = {}
        for group, rows in by_group.items():
            texts = [entries[row][0].texts[entries[row][1]] for row in rows]
            readings |= zip(rows, served.models[group].read(texts), strict=True)
        queued: list[QueuedText] = []
        of_trunk: tuple[Job, int] | None = None  # the text that waits for it already
        for row, (job, i, route, group, weight, mixture) in enumerate(entries):
            model, reading = served.models[group], readings[row]
            on_trunk, waits = model.trunk is not None, of_trunk == (job, i)
            tokens = 0 if on_trunk and waits else sum(model.padded(len(ids)) for ids in reading.ids)
            queued.append(QueuedText(job, i, group, route, reading, tokens, weight, mixture, on_trunk))
            of_trunk = (job, i) if on_trunk else of_trunk
        return queued


def given_routes(served: Served, texts: Sequence[Sent], language: Languages) -> list[Route | None]:
    """Return the routes of the texts whose language is given, ``None`` for the others.

    Raises:
        RequestError: ``unknown_language``, or ``language_count``: there is not one for each text.
    """
    if language is None:
        return [None] * len(texts)
    if isinstance(language, str):
        return [served.router.given(language)] * len(texts)
    if len(language) != len(texts):
        message = f"language holds {len(language)} codes for {len(texts)} texts; send one (or null) for each"
        raise RequestError(message, code="language_count")
    return [
        None if code is None or is_unknown(code) else served.router.given(code, index)
        for index, code in enumerate(language)
    ]


def naming_endpoints(
    error: RequestError, language: Languages, endpoint: str, bundles: Mapping[str, Served]
) -> RequestError:
    """Return an ``unknown_language`` error that names the other endpoints that know the language.

    Args:
        error: Of `given_routes`; one with another code is returned as it is.
        language: As the request names it.
        endpoint: That the request was sent to.
        bundles: Of every endpoint.
    """
    if error.code != "unknown_language" or language is None:
        return error
    code = language if isinstance(language, str) else language[error.index or 0]
    if not isinstance(code, str):  # of a pair's two
        return error
    others = [other for other, served in bundles.items() if other != endpoint and _knows(served.router, code)]
    if not others:
        return error
    knows = "knows" if len(others) == 1 else "know"
    message = f"{error} {' and '.join(others)} {knows} it, {endpoint} does not."
    return RequestError(message, code=error.code, index=error.index)


def _knows(router: Router, code: str) -> bool:
    try:
        return bool(router.resolve(code))
    except RequestError:
        return False
