"""Ask once whether the Hugging Face Hub can be reached; if it cannot, only look at what was downloaded before."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_TIMEOUT_SECONDS = 5.0


def hub_settings(path: str | Path) -> dict[str, bool]:
    """Return what ``from_pretrained`` is told of a model: whether to look at downloaded files only.

    Without it, the libraries ask for each file again and again, for half a minute, with a message each time.
    """
    return {} if Path(path).is_dir() or _hub_answers() else {"local_files_only": True}


@cache
def _hub_answers() -> bool:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=_TIMEOUT_SECONDS).close()  # noqa: S310 - the user's
    except HTTPError:  # any answer will do
        return True
    except (OSError, ValueError):  # no name, no route, no answer in time
        return False
    return True
