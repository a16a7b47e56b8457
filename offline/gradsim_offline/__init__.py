"""The offline toolkit: measure, group, train, export and bundle. Read ``pipeline/build.py`` first.

``from gradsim_offline import build, measure, group, compare, Bundle``: what the commands do, as functions (``api.py``).
"""

from typing import TYPE_CHECKING

from gradsim_shared.privacy import send_no_usage_data

if TYPE_CHECKING:
    from gradsim_offline.api import build, compare, group, measure
    from gradsim_runtime import Bundle

__all__ = ["Bundle", "build", "compare", "group", "measure"]

send_no_usage_data()  # before any library is imported that reads it


def __getattr__(name: str) -> object:
    """Import the functions when they are asked for: whoever imports a part of the toolkit need not have the runtime."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gradsim_offline import api

    return getattr(api, name)
