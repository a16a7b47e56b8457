"""``--model auto``: a frozen pre-trained encoder where it can be had, else ``mini``; both stand beside n-grams."""

from __future__ import annotations

from collections.abc import Callable

from gradsim_offline.core.settings import E5_SMALL
from gradsim_offline.models.named_encoders import locate
from gradsim_shared.errors import ModelError


def model_for(task: str, say: Callable[[str], None], *, is_asked: bool = True) -> str:
    """Return the model that ``auto`` stands for; what has to be downloaded is announced and fetched.

    Args:
        task: Of the data: words are tagged by ``mini``, for a frozen encoder has heads for texts only; pairs are read
            by the encoder's upper blocks, which are trained.
        say: Gets a line where something is downloaded, and one that says what was chosen.
        is_asked: Somebody has written ``auto``; else the build's own line of the model says enough.
    """
    if task == "token_classification":
        return "mini"
    try:
        locate(E5_SMALL, lambda line: say(f"model auto: {line}"))
    except ModelError:
        if is_asked:
            say(f"model auto: mini; with {E5_SMALL}, which cannot be had from here, answers are usually better")
        return "mini"
    if is_asked:
        say(f"model auto: {E5_SMALL}; mini and ngrams (--model) are built sooner, and answer ten times as fast")
    return E5_SMALL
