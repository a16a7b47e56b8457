"""The bundles of a service: one for each endpoint, opened and verified, then loaded with router and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradsim_shared.bundle import VerifiedBundle, open_bundle
from gradsim_shared.decoding import endpoint_of
from gradsim_shared.endpoints import TAKEN
from gradsim_shared.errors import BundleError
from gradsim_shared.group_model import GroupModel
from gradsim_shared.identification import LanguageIdentifier
from gradsim_shared.manifest import Manifest
from gradsim_shared.routing import Router


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """One loaded bundle; jobs refer to it until they end, so that a reload does not change their results.

    Attributes:
        endpoint: Where it answers, such as ``/sentiment``.
        bundle: The verified directory.
        router: The routing rule over its manifest.
        identifier: Its language identifier.
        models: Group id to model.
    """

    endpoint: str
    bundle: VerifiedBundle
    router: Router
    identifier: LanguageIdentifier
    models: Mapping[str, GroupModel]

    @property
    def manifest(self) -> Manifest:
        """Of the bundle."""
        return self.bundle.manifest

    @property
    def title(self) -> str:
        """``name@version``."""
        return self.bundle.manifest.title


def open_bundles(directories: Sequence[Path]) -> dict[str, VerifiedBundle]:
    """Read and verify bundles.

    Returns:
        Each under its endpoint, such as ``/sentiment``, in the order given.

    Raises:
        BundleError: One is not valid, two are for one endpoint, or one's endpoint is a path of the service's own.
    """
    bundles: dict[str, VerifiedBundle] = {}
    for directory in directories:
        bundle = open_bundle(directory)
        endpoint = endpoint_of(bundle.manifest)
        if endpoint.removeprefix("/") in TAKEN:
            mend = "name another as endpoint in its manifest.json, or build it with another --endpoint"
            raise BundleError(f"bundle {directory} answers {endpoint}, a path that the service has of its own; {mend}")
        if endpoint in bundles:
            both = f"{bundles[endpoint].directory} and {directory} both answer {endpoint}"
            raise BundleError(f"{both}; name one of them, or build one with another --endpoint")
        bundles[endpoint] = bundle
    return bundles
