"""What ``/groups`` tells: every group, and how the groups of a bundle came about."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from gradsim_serving.http.pages import Pages
from gradsim_shared.bundle import VerifiedBundle
from gradsim_shared.group_messages import (
    GroupedBundle,
    Groups,
    Parity,
    ServedGroup,
    ServedTrunk,
    SimilarityMatrix,
)
from gradsim_shared.group_model import served_precision
from gradsim_shared.manifest import Group, Manifest, Trunk


def groups_of(bundles: Mapping[str, VerifiedBundle], pages: Pages | None) -> Groups:
    """Return the groups of bundles, by endpoint.

    Args:
        bundles: Under their endpoints.
        pages: Where reports are shown; ``None``: nowhere.
    """
    every = [(endpoint, bundle.manifest) for endpoint, bundle in bundles.items()]
    return Groups(
        groups=[_group(endpoint, manifest, group) for endpoint, manifest in every for group in manifest.groups],
        bundles=[_bundle(endpoint, bundle, pages) for endpoint, bundle in bundles.items()],
    )


def _group(endpoint: str, manifest: Manifest, group: Group) -> ServedGroup:
    served = served_precision(group)
    files = [served.file, *([group.wide.file, group.wide.tokenizer] if group.wide else [])]
    return ServedGroup(
        task=manifest.task,
        endpoint=endpoint,
        bundle=manifest.title,
        id=group.id,
        members=group.members,
        serves=[language.code for language in manifest.languages if language.group == group.id],
        fallback=group.id == manifest.fallback.group,
        precision=next(name for name, form in group.precisions.items() if form is served),
        parity=Parity(**served.parity.model_dump()),
        latency_milliseconds=served.latency_milliseconds,
        size=sum(manifest.files[file].size for file in files),
        on_trunk=group.reads == "trunk",
        ngrams=group.wide is not None,
        ensemble=group.ensemble,
    )


def _bundle(endpoint: str, bundle: VerifiedBundle, pages: Pages | None) -> GroupedBundle:
    manifest = bundle.manifest
    reliability = manifest.similarity.reliability
    return GroupedBundle(
        endpoint=endpoint,
        bundle=manifest.title,
        data=manifest.provenance.data,
        model=manifest.provenance.model,
        metric=manifest.metric,
        verdict=manifest.verdict,
        reliability=reliability.reliability if reliability else None,
        similarity=_similarity(bundle),
        trunk=_trunk(manifest, manifest.trunk) if manifest.trunk else None,
        report=pages.report_of(endpoint, manifest) if pages else None,
    )


def _trunk(manifest: Manifest, trunk: Trunk) -> ServedTrunk:
    served = served_precision(trunk)
    return ServedTrunk(
        precision=next(name for name, form in trunk.precisions.items() if form is served),
        cosine=served.cosine,
        latency_milliseconds=served.latency_milliseconds,
        size=manifest.files[served.file].size,
    )


def _similarity(bundle: VerifiedBundle) -> SimilarityMatrix | None:
    """Return the matrix of a bundle; ``None``: its file holds none, or is gone."""
    file = bundle.manifest.similarity.file
    return _matrix(bundle.path(file), bundle.manifest.files[file].sha256)


@lru_cache(maxsize=64)
def _matrix(path: Path, _sha256: str) -> SimilarityMatrix | None:
    try:
        return SimilarityMatrix.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
