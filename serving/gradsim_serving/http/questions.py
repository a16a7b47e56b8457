"""The form of a request for answers, made for one service's limits, and how its body is read."""

from __future__ import annotations

import json
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from gradsim_serving.http.options import HttpOptions
from gradsim_serving.http.validation import BODY_FORM, MAX_CODE_CHARACTERS, explain
from gradsim_serving.repeated_keys import object_of
from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Policy

_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})  # not Cn: Python may not know the newest emoji yet


def visible(text: str) -> str:
    """Refuse a text of nothing but spaces, control and format characters."""
    for character in text:
        if unicodedata.category(character) not in _INVISIBLE:
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


def texts_form(options: HttpOptions) -> type[Texts]:
    """Return the form with this service's limits."""
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
    """Say whether a body of so many fields could have a key twice, which the quick reader passes over.

    Each key has a colon; most bodies have no other. Of those that have more, in texts, few have something like a key.
    """
    if body.count(b":") <= fields:
        return False
    for key in _KEYS:
        if body.count(key) > 1:
            return True
    return b"\\u006" in body or b"\\u007" in body  # a key could hide in escapes, which no writer has for ASCII letters


class Questions:
    """Reads the bodies of requests.

    Args:
        options: Their limits.
    """

    def __init__(self, options: HttpOptions) -> None:
        self.form = texts_form(options)
        self._options = options

    def read(self, body: bytes) -> tuple[Texts, frozenset[int]]:
        """Return what is asked, and which texts were cut to the limit.

        Raises:
            RequestError: The body is no such request.
        """
        try:
            asked = self.form.model_validate_json(body)
            if _may_repeat_a_key(body, len(asked.model_fields_set)):
                asked = self._read_again(body)
        except ValidationError:
            asked = self._read_again(body)
        if not self._options.cut_texts:
            return asked, frozenset()
        return asked, self._cut(asked)

    def _read_again(self, body: bytes) -> Texts:
        """Read a body with Python's own reader, which tells of more than that it is no JSON, and of repeated keys."""
        if not body.strip():
            raise RequestError(f"the body is empty; it {BODY_FORM}", code="invalid_request")
        try:
            content = json.loads(body.decode("utf-8-sig", "surrogatepass"), object_pairs_hook=object_of)
        except UnicodeDecodeError as error:
            message = f"the body is not UTF-8: byte {error.start} is wrong"
            raise RequestError(message, code="invalid_encoding") from error
        except json.JSONDecodeError as error:
            message = f"the body is not JSON: {error.msg} at character {error.pos}"
            raise RequestError(message, code="malformed_json") from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits; lists in lists in lists
            raise RequestError("the body cannot be read as JSON", code="malformed_json") from error
        try:
            return self.form.model_validate(content)
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
