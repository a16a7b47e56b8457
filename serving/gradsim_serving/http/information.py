"""The routes beside the answers: index, languages, groups, health, metrics, the OpenAPI document, reload."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from gradsim_serving.bundles.lifecycle import Lifecycle
from gradsim_serving.http.examples import examples, pair_examples
from gradsim_serving.http.groups import groups_of
from gradsim_serving.http.openapi import complete, open_paths, responses
from gradsim_serving.http.pages import Pages
from gradsim_serving.http.record import ErrorForm, record_of
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.options import HttpOptions
from gradsim_shared.decoding import reads_pairs
from gradsim_shared.errors import BundleError, RequestError, SettingsError
from gradsim_shared.group_messages import Groups
from gradsim_shared.manifest import Language, Manifest
from gradsim_shared.messages import (
    Index,
    Languages,
    Reloaded,
    ServedBundle,
    ServedLanguage,
    State,
)
from gradsim_shared.segments import Sent

Manifests = Mapping[str, Manifest]


PATHS = ("/", "/admin/reload", "/groups", "/languages", "/livez", "/metrics", "/openapi.json", "/readyz")


def add_information(
    router: APIRouter,
    lifecycle: Lifecycle,
    metrics: Metrics,
    options: HttpOptions,
    paths: Sequence[str],
    forms: Mapping[str, ErrorForm],
    pages: Pages | None,
) -> None:
    """Add the routes.

    Args:
        router: To this one.
        lifecycle: Of the bundles that are served.
        metrics: What ``/metrics`` shows.
        options: Keys, and the limits that the OpenAPI document states.
        paths: Where something answers.
        forms: Of errors, by the beginning of paths.
        pages: What browsers get at ``/``; ``None``: what all others get.
    """
    reports = pages.reports if pages else {}  # there are some, or none, as /groups says
    offered = [path for path in paths if path not in reports]
    document = Document(lifecycle, options, forms)

    async def index(request: Request, response: Response) -> Index | Response:
        """What there is."""
        response.headers["vary"] = "Accept"
        if pages is not None and record_of(request.scope).wants_page:
            return await pages.answer(request)
        return _index(lifecycle.manifests, offered, options)

    async def languages() -> Languages:
        """Languages that are served."""
        return _languages(lifecycle.manifests)

    async def groups() -> Groups:
        """Groups, who is in them, and how they came about."""
        return await asyncio.to_thread(groups_of, lifecycle.bundles, pages)

    async def livez() -> State:
        """Whether the process answers."""
        return State(status="live")

    async def readyz() -> State:
        """Whether every group answers."""
        lifecycle.require_ready()
        return State(status="ready")

    async def metrics_text() -> Response:
        """Metrics for Prometheus."""
        return Response(await asyncio.to_thread(metrics.text), media_type=CONTENT_TYPE_LATEST)

    async def reload() -> Reloaded:
        """Read the bundles again and swap to them; a client that disconnects does not stop it."""
        return Reloaded(bundles=await _reloaded(lifecycle))

    opened = open_paths(options)

    def add(path: str, run: Callable[..., Any], *statuses: int, method: str = "GET", **settings: Any) -> None:  # noqa: ANN401
        keyed = path.startswith("/admin/") or (bool(options.keys) and path not in opened)
        summary = (run.__doc__ or "").removesuffix(".")
        entries = responses(keyed, *statuses)
        router.add_api_route(
            path, run, methods=[method], summary=summary, description="", responses=entries, **settings
        )

    add("/", index, response_model=Index)
    add("/languages", languages)
    add("/groups", groups)
    add("/livez", livez)
    add("/readyz", readyz, 503)
    add("/metrics", metrics_text, response_class=Response, response_model=None)
    add("/admin/reload", reload, 403, 408, 409, 413, method="POST")
    router.add_api_route("/openapi.json", document.answer, include_in_schema=False)


class Document:
    """The OpenAPI document: made when it is first asked for, and again after a reload, in a thread: it takes a while.

    Args:
        lifecycle: Of the bundles that are served.
        options: Keys, and the limits that it states.
        forms: Of errors, by the beginning of paths.
    """

    def __init__(self, lifecycle: Lifecycle, options: HttpOptions, forms: Mapping[str, ErrorForm]) -> None:
        self._lifecycle, self._options, self._forms = lifecycle, options, forms
        self._made: tuple[Manifests, bytes] | None = None
        self._making = asyncio.Lock()  # requests that come meanwhile wait, so that it is made once

    async def answer(self, request: Request) -> Response:
        """Return it."""
        async with self._making:
            manifests = self._lifecycle.manifests
            if self._made is None or self._made[0] is not manifests:
                self._made = manifests, await asyncio.to_thread(self._make, request, manifests)
        return Response(self._made[1], media_type="application/json")

    def _make(self, request: Request, manifests: Manifests) -> bytes:
        document = get_openapi(
            title="GradSim",
            version="1",
            description="Identifies the language of a text and answers from the model of the group that serves it. "
            "Every GET endpoint answers HEAD too, and every endpoint OPTIONS.",
            routes=request.app.routes,
            servers=[{"url": self._options.root_path}] if self._options.root_path else None,
        )
        return json.dumps(complete(document, manifests, self._options, self._forms), ensure_ascii=False).encode()


async def _reloaded(lifecycle: Lifecycle) -> dict[str, Any]:
    """Reload the bundles.

    Raises:
        RequestError: ``reload_refused``: the old ones are still served.
    """
    try:
        return await lifecycle.reload()
    except (BundleError, SettingsError) as error:
        raise RequestError(str(error), code="reload_refused") from error
    except OSError as error:  # files that may not be read, a disk that fails
        where = f" {error.filename}" if error.filename else ""
        message = f"the bundle's files{where} cannot be read: {error.strerror or type(error).__name__}; mend that"
        raise RequestError(f"{message}, and reload again", code="reload_refused") from error


def _index(manifests: Manifests, paths: Sequence[str], options: HttpOptions) -> Index:
    bundles = [
        ServedBundle(
            bundle=manifest.title,
            task=manifest.task,
            endpoint=endpoint,
            labels=manifest.labels,
            examples=_examples(endpoint, manifest),
        )
        for endpoint, manifest in manifests.items()
    ]
    return Index(
        bundles=bundles,
        endpoints=tuple(paths),
        max_texts=options.max_texts,
        max_characters=options.max_characters,
    )


def _examples(endpoint: str, manifest: Manifest) -> Mapping[str, Sent]:
    codes = [language.code for language in manifest.languages]
    return pair_examples(codes) if reads_pairs(manifest.task) else examples(endpoint.removeprefix("/"), codes)


def _languages(manifests: Manifests) -> Languages:
    return Languages(
        endpoints={endpoint: sorted(language.code for language in m.languages) for endpoint, m in manifests.items()},
        languages=[_language(endpoint, m, language) for endpoint, m in manifests.items() for language in m.languages],
    )


def _language(endpoint: str, manifest: Manifest, language: Language) -> ServedLanguage:
    return ServedLanguage(
        task=manifest.task,
        endpoint=endpoint,
        code=language.code,
        name=language.name,
        aliases=language.aliases,
        scripts=language.scripts,
        group=language.group,
        collective_similarity=language.collective_similarity.get(language.group),
        scores={split: scores.service for split, scores in language.scores.items()},
        multilingual={split: scores.multilingual for split, scores in language.scores.items() if scores.multilingual},
        texts=language.counts,
        estimate=language.assigned.estimate if language.assigned else (),
    )
