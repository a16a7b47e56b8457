"""The OpenAPI document: schemas through FastAPI, from routes that are never called; headers, examples, errors, keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Response

from gradsim_serving.http.examples import example
from gradsim_serving.http.parsing import Texts, texts_schema
from gradsim_serving.http.responses import codes_of
from gradsim_serving.http.schemas import ErrorAnswer, Groups, Index, Languages, Reloaded, State, response_schema
from gradsim_serving.options import HttpOptions
from gradsim_shared.decoding import decoder_of
from gradsim_shared.manifest import Manifest

OF_A_TEXT = frozenset({"empty_text", "invalid_text", "text_too_long", "unsupported_language"})

_TEXT = {"type": "string"}
_ID_OUT = {"description": "that of the request, or one made for it; it is in the service's log", "schema": _TEXT}
_RETRY = {"description": "seconds after which to try again", "schema": {"type": "integer", "minimum": 1}}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "Bearer", "schema": _TEXT}},
    405: {"Allow": {"description": "the methods that the path answers", "schema": _TEXT}},
    429: {"Retry-After": _RETRY},
    503: {"Retry-After": _RETRY},
}
_ID_IN = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "comes back with the answer and stands in the log: 1 to 128 of A-Z a-z 0-9 . _ : / + = @ ~ -; "
    "one of another form is replaced",
    "schema": {"type": "string"},
}


def responses(keyed: bool, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the entries of these statuses and of those that every path has.

    Args:
        keyed: Whether a key may be asked for.
        statuses: Of errors.
    """
    entries: dict[int | str, dict[str, Any]] = {200: {"headers": {"X-Request-Id": _ID_OUT}}}
    for status in sorted({*statuses, 405, 500, *([401] if keyed else [])}):
        meanings = " ".join(f"`{code}`: {meaning}" for code, meaning in codes_of(status).items())
        headers = {"X-Request-Id": _ID_OUT, **_HEADERS.get(status, {})}
        entries[status] = {"model": ErrorAnswer, "description": meanings, "headers": headers}
    return entries


def open_to_all(options: HttpOptions) -> frozenset[str]:
    """Return the paths that need no key."""
    return frozenset({"/livez", "/readyz"} | ({"/metrics"} if options.open_metrics else set()))


def complete(document: dict[str, Any], manifests: Mapping[str, Manifest], options: HttpOptions) -> dict[str, Any]:
    """Return the document with headers, examples and keys; FastAPI itself would drop each ``null`` of an example."""
    for path, methods in document["paths"].items():
        for method in methods.values():
            method["parameters"] = [_ID_IN, *([_deadline(options)] if path in manifests else [])]
            if path in manifests:
                content = method["requestBody"]["content"]["application/json"]
                content["examples"] = _request_examples(path, manifests[path])
            for status, answer in method["responses"].items():
                if int(status) >= 400:
                    answer["content"]["application/json"]["examples"] = _error_examples(int(status))
    return _with_keys(document, options)


def _deadline(options: HttpOptions) -> dict[str, Any]:
    most = int(options.timeout_seconds * 1000)
    return {
        "name": "X-Request-Timeout-Ms",
        "in": "header",
        "description": f"how long the answer may take, milliseconds; more than {most} changes nothing",
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    }


def _request_examples(endpoint: str, manifest: Manifest) -> dict[str, Any]:
    name, codes = endpoint.removeprefix("/"), [language.code for language in manifest.languages]
    text = example(name, codes)
    return {
        "identify": {"summary": "Identify the language", "value": {"texts": [text], "language": None}},
        "given": {
            "summary": "Name the language",
            "value": {"texts": [example(name, codes[:1])], "language": codes[0]},
        },
        "some": {
            "summary": "Name it where it is known",
            "value": {"texts": [text, example(name, codes[:1])], "language": [None, codes[0]]},
        },
        "soft": {
            "summary": "Let two groups answer where none is sure",
            "value": {"texts": [text], "language": None, "policy": "soft"},
        },
    }


def _error_examples(status: int) -> dict[str, Any]:
    return {
        code: {
            "summary": meaning,
            "value": {"error": {"code": code, "message": meaning, "index": 0 if code in OF_A_TEXT else None}},
        }
        for code, meaning in codes_of(status).items()
    }


def _with_keys(document: dict[str, Any], options: HttpOptions) -> dict[str, Any]:
    """Say which paths need a key."""
    if not options.keys and not options.admin_keys:
        return document
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    }
    for path, methods in document["paths"].items():
        if path not in open_to_all(options) and (options.keys or path.startswith("/admin/")):
            for method in methods.values():
                method["security"] = [{"bearer": []}, {"header": []}]
    return document


_BODY = (400, 408, 413)
"""Of whatever reads a body."""


def openapi(manifests: Mapping[str, Manifest], options: HttpOptions) -> dict[str, Any]:
    """Return the document of a service with these bundles, by endpoint, and these limits."""
    app = FastAPI(
        title="GradSim",
        description="Identifies the language of a text and answers from the model of the group that serves it. "
        "Every GET endpoint answers HEAD too, and every endpoint OPTIONS.",
        version="1",
        servers=[{"url": options.root_path}] if options.root_path else None,
    )
    body = texts_schema(options)
    for endpoint, manifest in manifests.items():
        _add_answers(app, endpoint, manifest, body, options)
    _add_information(app, options)
    return complete(app.openapi(), manifests, options)


def _add_answers(app: FastAPI, endpoint: str, manifest: Manifest, body: type[Texts], options: HttpOptions) -> None:
    name = endpoint.removeprefix("/")

    async def handler(body: Any) -> None:  # noqa: ANN401 - its type is known only when the service runs
        raise NotImplementedError  # never called: the routes are only described, dispatch.py answers

    handler.__annotations__["body"] = body
    app.post(
        endpoint,
        name=name,
        summary=f"Answer texts: {name}",
        response_model=response_schema(name, decoder_of(manifest.task).prediction_type(manifest.labels)),
        response_description="One prediction for each text, in the order of the request.",
        responses=responses(bool(options.keys), *_BODY, 415, 422, 429, 503, 504),
        description=f"A prediction with its route for each text. Labels: {', '.join(manifest.labels)}.",
    )(handler)


def _add_information(app: FastAPI, options: HttpOptions) -> None:
    def add(path: str, summary: str, form: Any, *statuses: int, method: str = "GET") -> None:  # noqa: ANN401
        async def handler() -> None:
            raise NotImplementedError  # never called, as above

        name = path.strip("/").replace("/", "_") or "index"
        entries = responses(path.startswith("/admin/") or (bool(options.keys) and path not in open_paths), *statuses)
        if form is None:
            entries[200]["content"] = {"text/plain": {"schema": {"type": "string"}}}
        app.api_route(
            path,
            methods=[method],
            name=name,
            summary=summary,
            response_class=Response,
            response_model=form,
            response_description=(form.__doc__ if form else "Prometheus' text form.").partition("\n")[0],
            responses=entries,
        )(handler)

    open_paths = open_to_all(options)
    add("/", "What there is", Index)
    add("/languages", "Languages that are served", Languages)
    add("/groups", "Groups and who is in them", Groups)
    add("/livez", "Whether the process answers", State)
    add("/readyz", "Whether every group answers", State, 503)
    add("/metrics", "Metrics for Prometheus", None)
    add("/admin/reload", "Read the bundles again and swap to them", Reloaded, 403, 408, 409, 413, method="POST")
