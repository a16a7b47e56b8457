"""The endpoints beside the answers: index, languages, groups, health, metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST

from gradsim_serving.errors import error_responses
from gradsim_serving.forms import BundleForm, GroupForm, Groups, Index, LanguageForm, Languages, State
from gradsim_serving.loading import Loading
from gradsim_serving.metrics import Metrics
from gradsim_shared.bundle import Bundle
from gradsim_shared.group_model import served_precision
from gradsim_shared.manifest import Group, Language, Manifest


def add_information(app: FastAPI, bundles: Mapping[str, Bundle], loading: Loading, metrics: Metrics) -> Collection[str]:
    """Add the endpoints to ``app``, after those of the tasks; return every path that it now has."""
    manifests = {endpoint: bundle.manifest for endpoint, bundle in bundles.items()}
    languages = Languages(
        endpoints={endpoint: sorted(language.code for language in m.languages) for endpoint, m in manifests.items()},
        languages=[_language(endpoint, m, language) for endpoint, m in manifests.items() for language in m.languages],
    )
    groups = Groups(groups=[_group(endpoint, m, group) for endpoint, m in manifests.items() for group in m.groups])

    @app.get("/", summary="What there is", responses=error_responses(500))
    async def index() -> Index:
        return Index(bundles=[_bundle(endpoint, m) for endpoint, m in manifests.items()], endpoints=sorted(paths))

    @app.get("/languages", summary="Languages that are served", responses=error_responses(500))
    async def list_languages() -> Languages:
        return languages

    @app.get("/groups", summary="Groups and who is in them", responses=error_responses(500))
    async def list_groups() -> Groups:
        return groups

    @app.head("/livez", include_in_schema=False)
    @app.get("/livez", summary="Whether the process answers", responses=error_responses(500))
    async def livez() -> State:
        return State(status="live")

    @app.head("/readyz", include_in_schema=False)
    @app.get("/readyz", summary="Whether every group has answered", responses=error_responses(500, 503))
    async def readyz() -> State:
        loading.require_ready()
        return State(status="ready")

    @app.get("/metrics", summary="Figures for Prometheus", response_class=Response, responses=error_responses(500))
    async def show_metrics() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    paths = frozenset(app.openapi()["paths"]) | {"/openapi.json"}
    return paths


def _bundle(endpoint: str, manifest: Manifest) -> BundleForm:
    return BundleForm(bundle=manifest.title, task=manifest.task, endpoint=endpoint, labels=manifest.labels)


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
