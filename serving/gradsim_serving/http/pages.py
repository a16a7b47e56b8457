"""The pages for browsers: playground, explorer, API and reports, read once, and served under a strict policy."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gradsim_serving.bundles.lifecycle import Lifecycle
from gradsim_serving.http.record import record_of
from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Manifest

FOLDER = Path(__file__).parents[1] / "pages"
ASSETS = "/pages"
NAMES = {"/": "index.html", "/docs": "docs.html", "/explore": "explore.html"}
REPORT = "report/index.html"
TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
"""A report is one page of a bundle, with styles inside and without scripts."""

HEADERS = {
    "cache-control": "no-cache",  # a browser asks each time, and is told 304
    "referrer-policy": "no-referrer",
    "vary": "Accept",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent."""

    content: bytes
    headers: Mapping[str, str]

    def answer(self, request: Request) -> Response:
        """Return it, or say that the browser has it already."""
        if self.headers["etag"] in record_of(request.scope).headers.get(b"if-none-match", b"").decode("latin-1"):
            return Response(status_code=304, headers=self.headers)
        return Response(self.content, headers=self.headers)


def file_of(name: str, content: bytes, policy: str = POLICY) -> File:
    """Return a file with its headers."""
    headers = {
        **HEADERS,
        "content-security-policy": policy,
        "content-type": f"{TYPES[Path(name).suffix]}; charset=utf-8",
        "etag": f'"{hashlib.sha256(content).hexdigest()[:16]}"',
    }
    return File(content, headers)


def report_path(endpoint: str) -> str:
    """Return where the report of an endpoint's bundle is shown."""
    return f"/explore/report{endpoint}"


def has_texts(manifest: Manifest) -> bool:
    """Say whether a bundle's report shows texts of its data, as ``report.examples`` asked for."""
    report = manifest.provenance.settings.get("report")
    return isinstance(report, Mapping) and bool(report.get("examples"))


class Pages:
    """What browsers are shown.

    Args:
        lifecycle: Of the bundles that are served.
        keyed: Whether there are keys; without them a report that holds texts is not shown.

    Attributes:
        files: By path; none holds anything of a bundle, so that none needs a key.
        reports: Endpoints by the paths of their reports.
    """

    def __init__(self, lifecycle: Lifecycle, *, keyed: bool) -> None:
        self._lifecycle, self._keyed = lifecycle, keyed
        sent = {path.name: file_of(path.name, path.read_bytes()) for path in FOLDER.iterdir() if path.suffix in TYPES}
        self.files = {path: sent.pop(name) for path, name in NAMES.items()}
        self.files |= {f"{ASSETS}/{name}": file for name, file in sent.items()}
        self.reports = {report_path(endpoint): endpoint for endpoint in lifecycle.manifests}

    @property
    def paths(self) -> list[str]:
        """Paths that people know."""
        return sorted([*NAMES.keys() - {"/"}, *self.reports])

    def report_of(self, endpoint: str, manifest: Manifest) -> str | None:
        """Return where the report of an endpoint's bundle is shown; ``None``: nowhere."""
        shown = REPORT in manifest.files and (self._keyed or not has_texts(manifest))
        return report_path(endpoint) if shown else None

    def add_to(self, router: APIRouter) -> None:
        """Add the routes of all but ``/``, which answers JSON too."""
        for path in self.files.keys() - {"/"}:
            router.add_api_route(path, self.answer, methods=["GET"], include_in_schema=False, response_model=None)
        for path in self.reports:
            router.add_api_route(path, self.report, methods=["GET"], include_in_schema=False, response_model=None)

    async def answer(self, request: Request) -> Response:
        """Answer with a file; a page behind a slash is sent to the path without it, to which its links are relative."""
        path = request.scope["path"]
        if path in NAMES and path != "/" and request.scope.get("raw_path", b"").endswith(b"/"):
            return RedirectResponse(f"..{path}", 308)
        return self.files[path].answer(request)

    async def report(self, request: Request) -> Response:
        """Answer with the report of a bundle.

        Raises:
            RequestError: ``not_found``: there is none; ``forbidden``: it holds texts, and everybody could read them.
        """
        bundle = self._lifecycle.bundles[self.reports[request.scope["path"]]]
        if REPORT not in bundle.manifest.files:
            raise RequestError("this bundle holds no report", code="not_found")
        if not self._keyed and has_texts(bundle.manifest):
            message = f"this report shows texts of the data: give the service --api-keys-file FILE, or open {REPORT} of"
            raise RequestError(f"{message} the bundle itself", code="forbidden")
        try:
            content = await asyncio.to_thread(bundle.path(REPORT).read_bytes)
        except OSError as error:
            raise RequestError("the bundle's report cannot be read any more", code="not_found") from error
        return file_of(REPORT, content, REPORT_POLICY).answer(request)
