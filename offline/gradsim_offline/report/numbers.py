"""Numbers as the report writes them; what is missing or not finite is a dash."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

MINUS = "\u2212"
MISSING = "\u2013"


def decimal(value: float | None, digits: int = 3) -> str:
    """Write a plain number: ``0.413``."""
    if value is None or not math.isfinite(value):
        return MISSING
    return _typeset(f"{value:.{digits}f}")


def percent(share: float | None) -> str:
    """Write a share between 0 and 1 in percent, without the sign: ``81.25``."""
    return MISSING if share is None else decimal(100 * share, 2)


def points(difference: float | None) -> str:
    """Write a difference of two shares in percentage points, with its sign: ``+1.25``."""
    if difference is None or not math.isfinite(difference):
        return MISSING
    text = f"{100 * difference:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else _typeset(text)


def between(interval: Sequence[float] | None, *, signed: bool = False) -> str:
    """Write an interval of shares in percent, or of differences in points: ``66.10 to 70.25``; nothing for none."""
    write = points if signed else percent
    return f"{write(interval[0])} to {write(interval[1])}" if interval else ""


def tiny(value: float | None) -> str:
    """Write a number of any order of magnitude: ``2.4e-06``."""
    if value is None or not math.isfinite(value):
        return MISSING
    return "0" if value == 0 else _typeset(f"{value:.1e}")


def rounded(share: float, *, signed: bool = False) -> str:
    """Write a round share in percent, or difference in points, as short as it can be: ``60``, ``2.5``, ``+10``."""
    value = round(100 * share, 6) + 0.0  # no -0
    return _typeset(f"{value:+g}" if signed and value else f"{value:g}")


def sign(difference: float | None) -> str:
    """Name the sign of a difference as it is written by ``points``: ``better``, ``worse``, or empty for none."""
    text = points(difference)
    return {"+": "better", MINUS: "worse"}.get(text[0], "")


def difference(value: float | None, interval: Sequence[float] | None = None) -> Markup:
    """Write a difference as ``points`` does for the page, in the colour of its sign, with its interval."""
    shown = Markup('<span class="{}">{}</span>').format(sign(value), points(value))
    ends = Markup(' <span class="interval">[{}]</span>').format(between(interval, signed=True))
    return shown + ends if interval else shown


def _typeset(number: str) -> str:
    zero = number.startswith("-") and not number.strip("-0.")  # -0.00
    return number.lstrip("-") if zero else number.replace("-", MINUS, 1) if number[0] == "-" else number
