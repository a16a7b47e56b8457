"""The endpoints beside the answers: index, languages, groups, health, metrics, OpenAPI, reload."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from gradsim_serving.http.calls import Call
from gradsim_serving.http.document import openapi
from gradsim_serving.http.forms import BundleForm, GroupForm, Groups, Index, LanguageForm, Languages
from gradsim_serving.http.front import Endpoint
from gradsim_serving.http.options import HttpOptions
from gradsim_serving.http.ports import Figures, Life
from gradsim_serving.http.replies import Reply, error_reply, json_reply
from gradsim_shared.errors import BundleError, SettingsError
from gradsim_shared.group_model import served_precision
from gradsim_shared.manifest import Group, Language, Manifest

Manifests = Mapping[str, Manifest]
Write = Callable[[Manifests], Reply]


def information(
    life: Life, figures: Figures, options: HttpOptions, answered: Collection[str]
) -> dict[str, dict[str, Endpoint]]:
    """Return the endpoints, by path and method.

    Args:
        life: Says what is served and whether it answers.
        figures: What ``/metrics`` shows.
        options: What clients may do.
        answered: The paths where texts are answered.
    """
    pages: dict[str, Write] = {
        "/languages": lambda manifests: _page(_languages(manifests)),
        "/groups": lambda manifests: _page(_groups(manifests)),
        "/openapi.json": lambda manifests: json_reply(openapi(manifests, options)),
    }
    paths = sorted([*answered, *pages, "/", "/livez", "/readyz", "/metrics", "/admin/reload"])
    pages["/"] = lambda manifests: _page(_index(manifests, paths))

    async def livez(_: Call) -> Reply:
        return json_reply({"status": "live"})

    async def readyz(_: Call) -> Reply:
        life.require_ready()
        return json_reply({"status": "ready"})

    async def metrics(_: Call) -> Reply:
        return Reply(await asyncio.to_thread(figures.text), headers=((b"content-type", CONTENT_TYPE_LATEST.encode()),))

    found = {path: {"GET": Endpoint(_written_once(life, write))} for path, write in pages.items()}
    found["/livez"] = {"GET": Endpoint(livez, "open")}
    found["/readyz"] = {"GET": Endpoint(readyz, "open")}
    found["/metrics"] = {"GET": Endpoint(metrics, "open" if options.open_metrics else "key")}
    found["/admin/reload"] = {"POST": Endpoint(_reload(life), "admin")}
    return found


def _written_once(life: Life, write: Write) -> Callable[[Call], Awaitable[Reply]]:
    """Return what shows a page; it is written when it is first asked for, and again after a reload.

    It is written in a thread: the OpenAPI document takes a tenth of a second, in which nobody would be answered.
    """
    written: tuple[Manifests, Reply] | None = None
    writing = asyncio.Lock()  # who comes meanwhile waits for it, and has it written once

    async def show(_: Call) -> Reply:
        nonlocal written
        found = written
        if found is None or found[0] is not life.manifests:
            async with writing:
                found, manifests = written, life.manifests
                if found is None or found[0] is not manifests:
                    found = written = manifests, await asyncio.to_thread(write, manifests)
        return found[1]

    return show


def _reload(life: Life) -> Callable[[Call], Awaitable[Reply]]:
    """Return what reloads the bundles; a client that hangs up does not stop it."""

    async def reload(_: Call) -> Reply:
        try:
            return json_reply({"bundles": await life.reload()})
        except (BundleError, SettingsError) as error:
            return error_reply("reload_refused", str(error))
        except OSError as error:  # files that may not be read, a disk that fails
            where = f" {error.filename}" if error.filename else ""
            message = f"the bundle's files{where} cannot be read: {error.strerror or type(error).__name__}; mend that"
            return error_reply("reload_refused", f"{message}, and reload again")

    return reload


def _page(content: BaseModel) -> Reply:
    return Reply(content.model_dump_json().encode())


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
