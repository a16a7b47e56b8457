"""What FastAPI cannot know of the OpenAPI document: headers, examples, errors by status, who needs a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from gradsim_serving.http.errors import codes_of
from gradsim_serving.http.examples import example_of
from gradsim_serving.http.record import ErrorForm, form_of
from gradsim_serving.options import HttpOptions
from gradsim_shared.decoding import holds_of
from gradsim_shared.manifest import Manifest
from gradsim_shared.messages import ErrorAnswer
from gradsim_shared.segments import as_json

OF_A_TEXT = frozenset({"empty_text", "invalid_text", "text_too_long", "unsupported_language"})

PROTOCOL_HEALTH = ("/v2/health/live", "/v2/health/ready")
"""Of the Open Inference Protocol: whether the process answers, and whether every group does."""

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


ANSWERED = (400, 408, 413, 415, 422, 429, 503, 504)
"""The statuses of errors where texts are answered."""


def responses(keyed: bool, *statuses: int, form: type[BaseModel] = ErrorAnswer) -> dict[int | str, dict[str, Any]]:
    """Return the entries of these statuses and of those that every path has.

    Args:
        keyed: Whether a key may be asked for.
        statuses: Of errors.
        form: Of errors.
    """
    entries: dict[int | str, dict[str, Any]] = {200: {"headers": {"X-Request-Id": _ID_OUT}}}
    for status in sorted({*statuses, 405, 500, *([401] if keyed else [])}):
        meanings = " ".join(f"`{code}`: {meaning}" for code, meaning in codes_of(status).items())
        headers = {"X-Request-Id": _ID_OUT, **_HEADERS.get(status, {})}
        entries[status] = {"model": form, "description": meanings, "headers": headers}
    return entries


def open_paths(options: HttpOptions) -> frozenset[str]:
    """Return the paths that need no key."""
    return frozenset({"/livez", "/readyz", *PROTOCOL_HEALTH} | ({"/metrics"} if options.open_metrics else set()))


def complete(
    document: dict[str, Any],
    manifests: Mapping[str, Manifest],
    options: HttpOptions,
    forms: Mapping[str, ErrorForm],
) -> dict[str, Any]:
    """Return the document with headers, examples and keys; FastAPI itself would drop each ``null`` of an example.

    Args:
        document: FastAPI's.
        manifests: By endpoint.
        options: Keys and limits.
        forms: Of errors, by the beginning of paths.
    """
    for path, methods in document["paths"].items():
        form = form_of(path, forms)
        for method in methods.values():
            method["parameters"] = [_ID_IN, *([_deadline(options)] if "504" in method["responses"] else [])]
            if path in manifests:
                content = method["requestBody"]["content"]["application/json"]
                content["examples"] = _request_examples(path, manifests[path])
                labels = ", ".join(manifests[path].labels)
                method["description"] = (
                    f"A prediction with its route for each of the {holds_of(manifests[path].task)}. Labels: {labels}."
                )
            for status, answer in method["responses"].items():
                if int(status) >= 400:
                    answer["content"]["application/json"]["examples"] = _error_examples(int(status), form)
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
    holds = holds_of(manifest.task)

    def text_in(some: Sequence[str]) -> object:
        return as_json(example_of(holds, name, some))

    text, first = text_in(codes), text_in(codes[:1])
    return {
        "identify": {"summary": "Identify the language", "value": {holds: [text], "language": None}},
        "given": {
            "summary": "Name the language",
            "value": {holds: [first], "language": codes[0]},
        },
        "some": {
            "summary": "Name it where it is known",
            "value": {holds: [text, first], "language": [None, codes[0]]},
        },
        "soft": {
            "summary": "Let two groups answer where none is sure",
            "value": {holds: [text], "language": None, "policy": "soft"},
        },
    }


def _error_examples(status: int, form: ErrorForm) -> dict[str, Any]:
    return {
        code: {"summary": meaning, "value": form(status, code, meaning, 0 if code in OF_A_TEXT else None)}
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
        if path not in open_paths(options) and (options.keys or path.startswith("/admin/")):
            for method in methods.values():
                method["security"] = [{"bearer": []}, {"header": []}]
    return document
