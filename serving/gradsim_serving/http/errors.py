"""Errors: every code with its status and meaning, their one form, and what FastAPI and pydantic raise put into it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gradsim_serving.http.record import record_of
from gradsim_shared.errors import RequestError
from gradsim_shared.messages import MAX_CODE_CHARACTERS

CODES: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON."),
    "invalid_encoding": (400, "The body is not UTF-8."),
    "malformed_gzip": (400, "The body is not what `Content-Encoding: gzip` says."),
    "invalid_header": (400, "A header has a value that cannot be used."),
    "upgrade_refused": (400, "The body cannot be read, as the request offers to speak another protocol."),
    "unauthorized": (401, "There is no key in the request, or not one of the service's."),
    "forbidden": (403, "The key may not do this, or the web page may not."),
    "not_found": (404, "There is nothing at this path."),
    "method_not_allowed": (405, "The path does not answer this method; the header `Allow` names those that it does."),
    "body_timeout": (408, "The body did not arrive in time; the connection is closed."),
    "reload_refused": (409, "The new bundle is not valid or does not answer; the old one still does."),
    "body_too_large": (413, "The body is larger than the service allows."),
    "unsupported_media_type": (415, "The body is not declared as application/json."),
    "unsupported_encoding": (415, "The body is compressed in another way than gzip, or more than once."),
    "invalid_request": (422, "The body has another form than it must have."),
    "repeated_key": (422, "An object of the body has the same key twice."),
    "unknown_field": (422, "The body has a field that there is not."),
    "no_texts": (422, "The list of texts is empty."),
    "too_many_texts": (422, "There are more texts than the service takes at once."),
    "invalid_text": (422, "A text is no string, or no Unicode."),
    "empty_text": (422, "A text has no visible character."),
    "text_too_long": (422, "A text has more characters than the service allows."),
    "invalid_language": (422, "A language has another form than it must have."),
    "language_count": (422, "There are more or fewer languages than texts."),
    "unknown_language": (422, "The endpoint does not know the language."),
    "unsupported_language": (422, "Under the policy `reject`: the text's language is not sure, or not one of these."),
    "invalid_policy": (422, "There is no such policy."),
    "overloaded": (429, "Too many texts are waiting; try again after the seconds in `Retry-After`."),
    "internal_error": (500, "The service failed; its log says where."),
    "not_ready": (503, "The models are being loaded, or one of them does not answer; try again."),
    "shutting_down": (503, "The service is being stopped; ask another one."),
    "timeout": (504, "The answer took longer than the service, or the caller, allows."),
}
"""Code -> status and meaning."""

STATUS_OF_CODE = {code: status for code, (status, _) in CODES.items()}

RETRIED = frozenset(code for code, status in STATUS_OF_CODE.items() if status in (429, 503))
"""Errors that carry ``Retry-After``."""

CLOSE = {"connection": "close"}


def codes_of(status: int) -> dict[str, str]:
    """Return the codes with this status, and what they mean."""
    return {code: meaning for code, (other, meaning) in CODES.items() if other == status}


class ErrorResponse(Response):
    """An error, in the form of the API that the request was sent to; metrics and log learn its code.

    Args:
        code: One of `CODES`.
        message: What is wrong and what is allowed.
        index: Which text is meant; ``None`` means the request as a whole.
        headers: Beside those of every error.
    """

    def __init__(
        self, code: str, message: str, index: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status_code=STATUS_OF_CODE[code], headers=headers, media_type="application/json")
        self._error = code, message, index

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        record = record_of(scope)
        record.code = self._error[0]
        content = record.error_form(self.status_code, *self._error)
        self.body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def response_of(error: RequestError) -> ErrorResponse:
    """Return the response for an error; ``Retry-After`` says when to retry, where that may help."""
    code, headers = error.code if error.code in STATUS_OF_CODE else "internal_error", {}
    if code in RETRIED:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after or 1)))
    if code == "unsupported_encoding":
        headers["accept-encoding"] = "gzip"  # RFC 9110, section 15.5.16
    if code == "unauthorized":
        headers["www-authenticate"] = "Bearer"
    if code in {"body_timeout", "body_too_large", "upgrade_refused"} and error.index is None:
        headers |= CLOSE
    return ErrorResponse(code, str(error), error.index, headers)


async def on_request_error(_: Request, error: Exception) -> Response:
    """Handle what the service itself refuses a request with."""
    assert isinstance(error, RequestError)
    return response_of(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Handle paths that are not there, and other methods than a path has; ``OPTIONS`` is answered for all of them."""
    assert isinstance(error, HTTPException)
    if error.status_code != 405:
        return ErrorResponse("not_found", "there is nothing at this path; GET / lists what there is")
    named = {name.strip() for name in (error.headers or {}).get("Allow", "").split(",")}
    allowed = ", ".join(sorted({*named, "OPTIONS"} | ({"HEAD"} if "GET" in named else set())))
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"allow": allowed})
    message = f"this path does not answer {record_of(request.scope).method[:20]!a}; allowed: {allowed}"
    return ErrorResponse("method_not_allowed", message, headers={"allow": allowed})


BODY_FORM = 'must be an object such as {"texts": ["..."], "language": null}'
PAIRS_FORM = 'must be an object such as {"pairs": [["...", "..."]], "language": null}'
QUESTIONS_FORM = 'must be an object such as {"questions": [{"question": "...", "context": "..."}], "language": null}'
FORMS = {"texts": BODY_FORM, "pairs": PAIRS_FORM, "questions": QUESTIONS_FORM}
"""By the field that holds what is to be answered."""
_LANGUAGE_FORM = 'null, a code such as "hau", or a list with a code or null for each text'
_ENTRY_FORM = 'a code such as "hau", or null'
_TWO_FORM = 'a code such as "hau", a list of two, that of each text, or null'
_QUESTION_FORM = 'an object {"question": "...", "context": "..."}'
_POLICY_FORM = 'null, "best", "soft", "reject" or "fallback"'
_KINDS = {bool: "a boolean", int: "a number", float: "a number", dict: "an object", list: "a list", str: "a string"}


def explained(errors: Sequence[Any], *, max_texts: int, max_characters: int, holds: str = "texts") -> RequestError:
    """Return the first of pydantic's errors in plain words: about `Texts`, `Pairs` or `Questions`, by ``holds``."""
    error = errors[0]
    kind, where = error["type"], error["loc"]
    field = where[0] if where else None
    index = next((part for part in where if isinstance(part, int)), None)
    code, message = "invalid_request", f"the body {FORMS[holds]}"
    if field == holds and index is not None:
        code, message = _of_a_text(error, *_named(where), max_characters)
    elif field == holds:
        code, message, index = *_of_all_texts(error, holds, max_texts), None
    elif field == "language":
        code, message, index = _of_language(errors, _ENTRY_FORM if holds == "texts" else _TWO_FORM)
    elif field == "policy":
        code, message = "invalid_policy", f"policy is {_value(error['input'])}; it must be {_POLICY_FORM}"
    elif field is not None and kind == "extra_forbidden":
        code, message = "unknown_field", f"there is no field {str(field)[:40]!a}; allowed: {holds}, language, policy"
    return RequestError(message, code=code, index=index)


def explained_by_name(errors: Sequence[Any]) -> RequestError:
    """Return the first of pydantic's errors about another body: the field that is meant, and what is wrong with it."""
    error = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    where = ".".join(str(part) for part in error["loc"])[:80]
    if error["type"] == "extra_forbidden":
        return RequestError(f"there is no field {where!a} here, or not for this endpoint", code="unknown_field")
    return RequestError(f"{where or 'the body'}: {error['msg'].lower()}", code="invalid_request")


def _named(where: Sequence[str | int]) -> tuple[str, str]:
    """Return what messages call a text, or a pair or one of its texts, by its place, and what it must be."""
    field, index, *part = where
    if field == "texts":
        return f"text {index}", "a string"
    if field == "questions":
        return (f"the {part[0]} of question {index}", "a string") if part else (f"question {index}", _QUESTION_FORM)
    if not part:
        return f"pair {index}", "a list of two texts"
    return f"the {('first', 'second')[int(part[0])]} text of pair {index}", "a string"


def _of_a_text(error: Mapping[str, Any], name: str, form: str, max_characters: int) -> tuple[str, str]:
    empty = "empty_text", f"{name} is empty: it has no visible character"
    found, count = error.get("input"), len(error["input"]) if isinstance(error.get("input"), list) else 0
    return {
        "empty_text": empty,
        "string_too_short": empty,
        "string_too_long": ("text_too_long", f"{name} is longer than {max_characters} characters"),
        "string_unicode": ("invalid_text", f"{name} holds a lone surrogate, which is no character of Unicode"),
        "missing": ("invalid_text", f"{name} is missing"),
        "extra_forbidden": ("invalid_text", f"{name} is no field; a question is {_QUESTION_FORM}"),
        "too_short": ("invalid_text", f"{name} must be {form}, not of {count}"),
        "too_long": ("invalid_text", f"{name} must be {form}, not of {count}"),
    }.get(error["type"], ("invalid_text", f"{name} must be {form}, not {_kind(found)}"))


def _of_all_texts(error: Mapping[str, Any], holds: str, max_texts: int) -> tuple[str, str]:
    entries = {"texts": "strings", "pairs": "pairs: lists of two texts", "questions": "objects"}[holds]
    return {
        "missing": ("invalid_request", f'the field "{holds}" is missing'),
        "too_short": ("no_texts", f"{holds} is empty: send 1 or more"),
        "too_long": ("too_many_texts", f"{holds} holds more than {max_texts} {holds}; send several requests"),
    }.get(error["type"], ("invalid_request", f"{holds} must be a list of {entries}, not {_kind(error.get('input'))}"))


def _of_language(errors: Sequence[Mapping[str, Any]], entry: str) -> tuple[str, str, int | None]:
    """Explain the entry of the list that is wrong, else the whole: pydantic names an error for each form it tried."""
    for error in errors:
        index = next((part for part in error["loc"] if isinstance(part, int)), None)
        if index is not None:
            return "invalid_language", f"language {index} is {_value(error['input'])}; it must be {entry}", index
    return "invalid_language", f"language is {_value(errors[0]['input'])}; it must be {_LANGUAGE_FORM}", None


def _value(value: object) -> str:
    """Name a wrong value as JSON, in ASCII; a long string is cut, of lists and objects only the kind is named."""
    if isinstance(value, str) and len(value) > MAX_CODE_CHARACTERS:
        return f"{json.dumps(value[:MAX_CODE_CHARACTERS])}... ({len(value)} characters)"
    return _kind(value) if isinstance(value, list | dict) else json.dumps(value)[:100]


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "null")
