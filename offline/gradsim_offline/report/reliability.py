"""How far the identifier's confidence can be believed: accuracy at each confidence, before and after calibration."""

from __future__ import annotations

from gradsim_offline.report.drawing import Dot, Drawing, Line, Shape, Text
from gradsim_offline.report.numbers import percent
from gradsim_shared.manifest import Manifest
from gradsim_shared.manifest_identifier import Reliability

_SIDE, _LEFT, _TOP = 240.0, 56.0, 16.0  # pixels
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SMALLEST, _LARGEST = 2.5, 9.0  # radius of a dot: its area grows with its share of the texts


def reliability(manifest: Manifest) -> Drawing | None:
    """Draw accuracy over confidence: rings before, dots after the temperature; nothing where it was not measured."""
    found = manifest.identifier.reliability
    if "before" not in found or "after" not in found:
        return None
    shapes: list[Shape] = [Line((_at(0, 0), _at(0, 1), _at(1, 1), _at(1, 0)), "axis", closed=True)]
    shapes.append(Line((_at(0, 0), _at(1, 1)), "axis"))
    for tick in _TICKS:
        (x, foot), (left, y) = _at(tick, 0), _at(0, tick)
        shapes += [
            Text(x, foot + 17, f"{100 * tick:g}"),
            Text(left - 8, y, f"{100 * tick:g}", anchor="end", centred=True),
        ]
    shapes += _dots(found["before"], "hollow", "before") + _dots(found["after"], "dot", "after")
    shapes.append(Text(_LEFT + _SIDE / 2, _TOP + _SIDE + 36, "confidence, %"))
    shapes.append(Text(14, _TOP + _SIDE / 2, "accuracy, %", turned=True))
    return Drawing(
        shapes,
        _LEFT + _SIDE + 24,
        _TOP + _SIDE + 46,
        "reliability",
        "Confidence and accuracy",
        "Each dot is the dev texts of one of ten bins of confidence: on the diagonal the identifier is right as often "
        "as it says. Rings: before the temperature; dots: after it; larger ones hold more texts. Expected calibration "
        f"error {percent(found['before'].expected_calibration_error)} % before, "
        f"{percent(found['after'].expected_calibration_error)} % after.",
    )


def _dots(found: Reliability, style: str, when: str) -> list[Shape]:
    return [
        Dot(
            *_at(confidence, accuracy),
            style,
            max(_SMALLEST, _LARGEST * share**0.5),
            f"{when}: confidence {percent(confidence)} %, right {percent(accuracy)} %, {percent(share)} % of the texts",
        )
        for share, confidence, accuracy in zip(found.share, found.confidence, found.accuracy, strict=True)
        if share
    ]


def _at(confidence: float, accuracy: float) -> tuple[float, float]:
    return _LEFT + _SIDE * confidence, _TOP + _SIDE * (1 - accuracy)
