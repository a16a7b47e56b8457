"""The endpoints beside the answers: index, languages, groups, health, metrics, OpenAPI, reload."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from gradsim_serving.bundles.lifecycle import Lifecycle
from gradsim_serving.http.dispatch import Endpoint
from gradsim_serving.http.openapi import openapi
from gradsim_serving.http.request import Request
from gradsim_serving.http.responses import Response, error_response, json_response
from gradsim_serving.http.schemas import BundleForm, GroupForm, Groups, Index, LanguageForm, Languages
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.options import HttpOptions
from gradsim_shared.errors import BundleError, SettingsError
from gradsim_shared.group_model import served_precision
from gradsim_shared.manifest import Group, Language, Manifest

Manifests = Mapping[str, Manifest]
Render = Callable[[Manifests], Response]


def information(
    lifecycle: Lifecycle, metrics: Metrics, options: HttpOptions, answered: Collection[str]
) -> dict[str, dict[str, Endpoint]]:
    """Return the endpoints, by path and method.

    Args:
        lifecycle: Of the bundles that are served.
        metrics: What ``/metrics`` shows.
        options: Keys, and the limits that the OpenAPI document states.
        answered: The paths where texts are answered.
    """
    pages: dict[str, Render] = {
        "/languages": lambda manifests: _page(_languages(manifests)),
        "/groups": lambda manifests: _page(_groups(manifests)),
        "/openapi.json": lambda manifests: json_response(openapi(manifests, options)),
    }
    paths = sorted([*answered, *pages, "/", "/livez", "/readyz", "/metrics", "/admin/reload"])
    pages["/"] = lambda manifests: _page(_index(manifests, paths))

    async def livez(_: Request) -> Response:
        return json_response({"status": "live"})

    async def readyz(_: Request) -> Response:
        lifecycle.require_ready()
        return json_response({"status": "ready"})

    async def metrics_text(_: Request) -> Response:
        return Response(
            await asyncio.to_thread(metrics.text), headers=((b"content-type", CONTENT_TYPE_LATEST.encode()),)
        )

    endpoints = {path: {"GET": Endpoint(_rendered_once(lifecycle, render))} for path, render in pages.items()}
    endpoints["/livez"] = {"GET": Endpoint(livez, "open")}
    endpoints["/readyz"] = {"GET": Endpoint(readyz, "open")}
    endpoints["/metrics"] = {"GET": Endpoint(metrics_text, "open" if options.open_metrics else "key")}
    endpoints["/admin/reload"] = {"POST": Endpoint(_reload(lifecycle), "admin")}
    return endpoints


def _rendered_once(lifecycle: Lifecycle, render: Render) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of a page, which is rendered when it is first requested, and again after a reload.

    It is rendered in a thread: the OpenAPI document takes a tenth of a second, which would block the event loop.
    """
    rendered: tuple[Manifests, Response] | None = None
    rendering = asyncio.Lock()  # requests that come meanwhile wait, so that it is rendered once

    async def handler(_: Request) -> Response:
        nonlocal rendered
        page = rendered
        if page is None or page[0] is not lifecycle.manifests:
            async with rendering:
                page, manifests = rendered, lifecycle.manifests
                if page is None or page[0] is not manifests:
                    page = rendered = manifests, await asyncio.to_thread(render, manifests)
        return page[1]

    return handler


def _reload(lifecycle: Lifecycle) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler that reloads the bundles; a client that disconnects does not stop it."""

    async def reload(_: Request) -> Response:
        try:
            return json_response({"bundles": await lifecycle.reload()})
        except (BundleError, SettingsError) as error:
            return error_response("reload_refused", str(error))
        except OSError as error:  # files that may not be read, a disk that fails
            where = f" {error.filename}" if error.filename else ""
            message = f"the bundle's files{where} cannot be read: {error.strerror or type(error).__name__}; mend that"
            return error_response("reload_refused", f"{message}, and reload again")

    return reload


def _page(content: BaseModel) -> Response:
    return Response(content.model_dump_json().encode())


def _index(manifests: Manifests, paths: list[str]) -> Index:
    bundles = [
        BundleForm(bundle=manifest.title, task=manifest.task, endpoint=endpoint, labels=manifest.labels)
        for endpoint, manifest in manifests.items()
    ]
    return Index(bundles=bundles, endpoints=paths)


def _languages(manifests: Manifests) -> Languages:
    return Languages(
        endpoints={endpoint: sorted(language.code for language in m.languages) for endpoint, m in manifests.items()},
        languages=[_language(endpoint, m, language) for endpoint, m in manifests.items() for language in m.languages],
    )


def _groups(manifests: Manifests) -> Groups:
    return Groups(groups=[_group(endpoint, m, group) for endpoint, m in manifests.items() for group in m.groups])


def _language(endpoint: str, manifest: Manifest, language: Language) -> LanguageForm:
    return LanguageForm(
        task=manifest.task,
        endpoint=endpoint,
        code=language.code,
        name=language.name,
        aliases=language.aliases,
        scripts=language.scripts,
        group=language.group,
        collective_similarity=language.collective_similarity.get(language.group),
        scores={split: scores.service for split, scores in language.scores.items()},
    )


def _group(endpoint: str, manifest: Manifest, group: Group) -> GroupForm:
    served = served_precision(group)
    return GroupForm(
        task=manifest.task,
        endpoint=endpoint,
        bundle=manifest.title,
        id=group.id,
        members=group.members,
        serves=[language.code for language in manifest.languages if language.group == group.id],
        fallback=group.id == manifest.fallback.group,
        precision=next(name for name, form in group.precisions.items() if form is served),
        parity=served.parity,
        latency_milliseconds=served.latency_milliseconds,
    )
