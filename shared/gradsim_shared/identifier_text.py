"""Text cleaning for the language identifier: the same when it is trained and when it is asked."""

from __future__ import annotations

import re
import unicodedata

from gradsim_shared.normalisation import NEWEST, normalise

# fastText ends a text at a newline or NUL, stops reading at "</s>" and takes "__label__x" for a label.
_RESERVED = re.compile(r"</s>|__label__")
_URL = re.compile(r"https?://\S+")
_MENTION = re.compile(r"(?<!\w)@\w+")
_CONTROL_SURROGATE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def identifier_text(text: str, normalisation: int = NEWEST) -> str:
    r"""Return ``text`` normalised, in lower case on one line, without web addresses and ``@user`` mentions.

    Other forms of letters, such as full-width ones, become the plain ones (NFKC). What is left of white space, control
    characters and lone surrogates becomes single spaces, so that the result can always be encoded as UTF-8 and handed
    to fastText. It is empty when nothing is left, as for ``"@user https://t.co/x\n"``.

    Args:
        text: As it was sent.
        normalisation: The version that the identifier was trained with; 0: neither normalised nor NFKC.
    """
    if normalisation:
        text = normalise(text, normalisation)
        text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    text = text.lower()
    if "http" in text:  # to look first is quicker: most texts have none of these
        text = _URL.sub(" ", text)
    if "@" in text:
        text = _MENTION.sub(" ", text)
    if "</s>" in text or "__label__" in text:
        text = _RESERVED.sub(" ", text)
    if not text.isprintable():
        text = _CONTROL_SURROGATE.sub(" ", text)
    return " ".join(text.split())
