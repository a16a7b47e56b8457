"""Parse request bodies: the schema with the service's limits, and errors in plain words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from gradsim_runtime.text_checks import is_visible
from gradsim_serving.options import HttpOptions
from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Policy


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these keys and values; an ``object_pairs_hook`` for ``json.loads``.

    Raises:
        RequestError: ``repeated_key``: a key is there twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        ((key, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise RequestError(f"the key {key[:40]!a} is there more than once; send it once", code="repeated_key")
    return content


MAX_CODE_CHARACTERS = 40

BODY_FORM = 'must be an object such as {"texts": ["..."], "language": null}'
_TEXT_FORM = "a string"
_LANGUAGE_FORM = 'null, a code such as "hau", or a list with a code or null for each text'
_POLICY_FORM = 'null, "best", "soft", "reject" or "fallback"'
_ENTRY_FORM = 'a code such as "hau", or null'
_KINDS = {bool: "a boolean", int: "a number", float: "a number", dict: "an object", list: "a list", str: "a string"}


def explain(errors: Sequence[Mapping[str, Any]], *, max_texts: int, max_characters: int) -> tuple[str, str, int | None]:
    """Return code, message and text index for the first of pydantic's errors."""
    error = errors[0]
    kind, where = error["type"], error["loc"]
    field = where[0] if where else None
    index = next((part for part in where if isinstance(part, int)), None)
    if field == "texts":
        return _explain_texts(error, index, max_texts, max_characters)
    if field == "language":
        return _explain_language(errors)
    if field == "policy":
        return "invalid_policy", f"policy is {_value(error['input'])}; it must be {_POLICY_FORM}", None
    if field is not None and kind == "extra_forbidden":
        return "unknown_field", f"there is no field {str(field)[:40]!a}; allowed: texts, language, policy", None
    return "invalid_request", f"the body {BODY_FORM}", None


def _explain_texts(
    error: Mapping[str, Any], index: int | None, max_texts: int, max_characters: int
) -> tuple[str, str, int | None]:
    kind = error["type"]
    if index is not None:
        text = f"text {index}"
        explained = {
            "empty_text": ("empty_text", f"{text} is empty: it has no visible character"),
            "string_too_short": ("empty_text", f"{text} is empty: it has no visible character"),
            "string_too_long": ("text_too_long", f"{text} is longer than {max_characters} characters"),
            "string_unicode": ("invalid_text", f"{text} holds a lone surrogate, which is no character of Unicode"),
        }.get(kind, ("invalid_text", f"{text} must be {_TEXT_FORM}, not {_kind(error.get('input'))}"))
        return *explained, index
    explained = {
        "missing": ("invalid_request", 'the field "texts" is missing'),
        "too_short": ("no_texts", "texts is empty: send 1 or more"),
        "too_long": ("too_many_texts", f"texts holds more than {max_texts} texts; send several requests"),
    }.get(kind, ("invalid_request", f"texts must be a list of strings, not {_kind(error.get('input'))}"))
    return *explained, None


def _explain_language(errors: Sequence[Mapping[str, Any]]) -> tuple[str, str, int | None]:
    """Explain the entry of the list that is wrong, else the whole: pydantic names an error for each form it tried."""
    for error in errors:
        index = next((part for part in error["loc"] if isinstance(part, int)), None)
        if index is not None:
            return "invalid_language", f"language {index} is {_value(error['input'])}; it must be {_ENTRY_FORM}", index
    return "invalid_language", f"language is {_value(errors[0]['input'])}; it must be {_LANGUAGE_FORM}", None


def _value(value: object) -> str:
    """Name a wrong value as JSON, in ASCII; a long string is cut, of lists and objects only the kind is named."""
    if isinstance(value, str) and len(value) > MAX_CODE_CHARACTERS:
        return f"{json.dumps(value[:MAX_CODE_CHARACTERS])}... ({len(value)} characters)"
    return _kind(value) if isinstance(value, list | dict) else json.dumps(value)[:100]


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "null")


def visible(text: str) -> str:
    """Refuse a text without a visible character."""
    if is_visible(text):
        return text
    raise PydanticCustomError("empty_text", "the text is empty")


Code = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_CODE_CHARACTERS,
        description="ISO 639-3, or an alias that /languages lists; script and region, as in en-US, are ignored",
    ),
]


class Texts(BaseModel):
    """Texts to answer, and their languages where the caller knows them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: list[str]
    language: Annotated[
        Code | list[Code | None] | None,
        Field(description="of all texts, or of each; null: identify it"),
    ] = None
    policy: Annotated[
        Policy | None,
        Field(
            description="what to do with a text whose language is not sure: best, the likeliest group answers; soft, "
            "the two likeliest answer together; reject, an error; fallback, the bundle's fallback group answers; null: "
            "what the bundle says"
        ),
    ] = None


def texts_schema(options: HttpOptions) -> type[Texts]:
    """Return the schema with this service's limits."""
    longest = None if options.cut_texts else options.max_characters
    cut = f"; what is beyond {options.max_characters} characters is cut off" if options.cut_texts else ""
    text = Annotated[
        str,
        Field(max_length=longest, min_length=1, description=f"has a visible character{cut}"),
        AfterValidator(visible),
    ]
    texts: Any = Annotated[
        list[text],
        Field(min_length=1, max_length=options.max_texts, description="answered in this order"),
    ]
    return create_model("Texts", __base__=Texts, __doc__=Texts.__doc__, texts=(texts, ...))


_KEYS = tuple(f'"{name}"'.encode() for name in Texts.model_fields)


def _may_repeat_a_key(body: bytes, fields: int) -> bool:
    """Say whether a body of so many fields could have a key twice, which pydantic's parser accepts.

    Each key has a colon; most bodies have no other. Of those that have more, in texts, few have something like a key.
    """
    if body.count(b":") <= fields:
        return False
    for key in _KEYS:
        if body.count(key) > 1:
            return True
    return b"\\u006" in body or b"\\u007" in body  # a key could hide in escapes, which no writer has for ASCII letters


class RequestParser:
    """Parses the bodies of requests.

    Args:
        options: Their limits.
    """

    def __init__(self, options: HttpOptions) -> None:
        self.schema = texts_schema(options)
        self._options = options

    def parse(self, body: bytes) -> tuple[Texts, frozenset[int]]:
        """Return the request, and which texts were cut to the limit.

        Raises:
            RequestError: The body is no such request.
        """
        try:
            asked = self.schema.model_validate_json(body)
            if _may_repeat_a_key(body, len(asked.model_fields_set)):
                asked = self._parse_in_python(body)
        except ValidationError:
            asked = self._parse_in_python(body)
        if not self._options.cut_texts:
            return asked, frozenset()
        return asked, self._cut(asked)

    def _parse_in_python(self, body: bytes) -> Texts:
        """Parse with Python's own reader, slower but with exact errors, and with repeated keys refused."""
        if not body.strip():
            raise RequestError(f"the body is empty; it {BODY_FORM}", code="invalid_request")
        try:
            content = json.loads(body.decode("utf-8-sig", "surrogatepass"), object_pairs_hook=unique_keys)
        except UnicodeDecodeError as error:
            message = f"the body is not UTF-8: byte {error.start} is wrong"
            raise RequestError(message, code="invalid_encoding") from error
        except json.JSONDecodeError as error:
            message = f"the body is not JSON: {error.msg} at character {error.pos}"
            raise RequestError(message, code="malformed_json") from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits; lists in lists in lists
            raise RequestError("the body cannot be read as JSON", code="malformed_json") from error
        try:
            return self.schema.model_validate(content)
        except ValidationError as error:
            code, message, index = explain(
                error.errors(include_url=False),
                max_texts=self._options.max_texts,
                max_characters=self._options.max_characters,
            )
            raise RequestError(message, code=code, index=index) from None

    def _cut(self, asked: Texts) -> frozenset[int]:
        """Cut long texts where they stand; return which."""
        limit = self._options.max_characters
        long = frozenset(index for index, text in enumerate(asked.texts) if len(text) > limit)
        for index in long:
            asked.texts[index] = asked.texts[index][:limit]
            try:
                visible(asked.texts[index])
            except PydanticCustomError:
                message = f"text {index} has no visible character among its first {limit}"
                raise RequestError(message, code="empty_text", index=index) from None
        return long
