"""From requests to texts that wait for a model: identify, route, tokenise, for all that have come, at once."""

from __future__ import annotations

import time
from collections.abc import Sequence

from gradsim_serving.bundles.served import Served
from gradsim_serving.engine.job import Job, Mixing, Part, Waiting
from gradsim_serving.engine.outcome import Fail
from gradsim_serving.observing.observer import Observer
from gradsim_shared.errors import RequestError
from gradsim_shared.routing import Route

GOLDEN = (5**0.5 - 1) / 2
"""Steps of this size around a circle of 1 fall evenly: of any share of it, and whatever rhythm the texts come in."""


class Reading:
    """Reads requests.

    Args:
        observer: Told of routes and times.
        fail: Told of each request that cannot be read.
        check_given: Share of the texts with a given language that are identified as well, only to be counted.
    """

    def __init__(self, observer: Observer, fail: Fail, check_given: float) -> None:
        self._observer = observer
        self._fail = fail
        self._check_given = check_given
        self._turn = 0.0

    def read(self, parts: Sequence[Part]) -> list[Waiting]:
        """Return what is to run for these requests; one that cannot be read fails alone."""
        found: list[Waiting] = []
        for served in dict.fromkeys(part.job.served for part in parts):
            mine = [part for part in parts if part.job.served is served and not part.job.over]
            try:
                found += self._read(served, mine)
            except BaseException as error:  # whatever a tokenizer can do wrong: only the request it comes from fails
                if len(mine) == 1:
                    self._fail(mine[0].job, error, None)
                else:
                    found += [waiting for part in mine for waiting in self.read([part])]
        return found

    def _read(self, served: Served, parts: Sequence[Part]) -> list[Waiting]:
        """Read parts together; what is counted is counted at the end, so never twice if they must be read again."""
        begin = time.perf_counter()
        checked = self._identify(served, parts)
        identified = time.perf_counter()
        found = self._tokenise(served, [part for part in parts if not part.job.over])
        done = time.perf_counter()
        for language, agrees in checked:
            self._observer.given_checked(served.endpoint, language, agrees)
        for part in parts:
            self._count(part)
            part.job.spent("identify", identified - begin)
            part.job.spent("tokenise", done - identified)
            self._observer.stage(served.endpoint, "identify", identified - begin)
            self._observer.stage(served.endpoint, "tokenise", done - identified)
        return found

    def _identify(self, served: Served, parts: Sequence[Part]) -> list[tuple[str, bool]]:
        """Fill in the routes of the texts whose language is not given; one call for all of them.

        Returns:
            Of the given languages that were looked at as well: each, and whether the identifier agrees.
        """
        asked = [(part.job, i) for part in parts for i in range(part.first, part.last) if self._is_asked(part.job, i)]
        if not asked:
            return []
        found = served.identifier.identify([job.texts[i] for job, i in asked])
        checked: list[tuple[str, bool]] = []
        for (job, i), identification in zip(asked, found, strict=True):
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
        """Whether a text is to be identified: its language is not given, or it is its turn to be identified as well."""
        route = job.routes[index]
        if route is None:
            return True
        if not self._check_given or job.canary or route.reason != "given":  # those found before are not asked again
            return False
        self._turn = (self._turn + GOLDEN) % 1.0
        return self._turn < self._check_given

    def _count(self, part: Part) -> None:
        """Tell where the texts of a request were sent."""
        if part.job.canary or part.job.over:
            return
        for route in part.job.routes[part.first : part.last]:
            assert route is not None
            self._observer.routed(part.job.served.endpoint, route)

    def _tokenise(self, served: Served, parts: Sequence[Part]) -> list[Waiting]:
        """Read each text as the models of its groups do; one call for each group."""
        by_group: dict[str, list[tuple[Job, int, Route, float, Mixing | None]]] = {}
        for part in parts:
            job = part.job
            for i in range(part.first, part.last):
                route = job.routes[i]
                assert route is not None
                mixing = Mixing(len(route.mixture)) if len(route.mixture) > 1 else None
                for group, weight in route.mixture:
                    by_group.setdefault(group, []).append((job, i, route, weight, mixing))
        found: list[Waiting] = []
        for group, entries in by_group.items():
            model = served.models[group]
            readings = model.read([job.texts[i] for job, i, *_ in entries])
            for (job, i, route, weight, mixing), reading in zip(entries, readings, strict=True):
                tokens = sum(model.padded(len(ids)) for ids in reading.ids)
                found.append(Waiting(job, i, group, route, reading, tokens, weight, mixing))
        return found


def given_routes(
    served: Served, texts: Sequence[str], language: str | Sequence[str | None] | None
) -> list[Route | None]:
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
    return [None if code is None else served.router.given(code, index) for index, code in enumerate(language)]
