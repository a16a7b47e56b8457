"""Every code of an error: its status, and what it means."""

from __future__ import annotations

CODES: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON."),
    "invalid_encoding": (400, "The body is not UTF-8."),
    "malformed_gzip": (400, "The body is not what `Content-Encoding: gzip` says."),
    "invalid_header": (400, "A header has a value that cannot be used."),
    "invalid_http": (400, "What was sent is not HTTP; the connection is closed."),
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


def codes_of(status: int) -> dict[str, str]:
    """Return the codes with this status, and what they mean."""
    return {code: meaning for code, (other, meaning) in CODES.items() if other == status}
