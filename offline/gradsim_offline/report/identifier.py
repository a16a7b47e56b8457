"""How well languages are told apart: accuracy, confidence, which are taken for which, and which group answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradsim_offline.report.axes import Scale, frame
from gradsim_offline.report.drawing import Caption, Dot, Drawing, Line
from gradsim_offline.report.groups import by_group, group_blocks, row_label, who
from gradsim_offline.report.heatmap import share_map
from gradsim_offline.report.numbers import percent
from gradsim_offline.report.table import Table
from gradsim_shared.manifest import Manifest

UNKNOWN = "unknown"
_LISTED = 8  # mix-ups that are listed in words
_SIDE, _LEFT, _TOP = 240.0, 56.0, 16.0  # pixels of the reliability figure
_TICKS = {share: f"{100 * share:g}" for share in (0.0, 0.25, 0.5, 0.75, 1.0)}
_SMALLEST, _LARGEST = 2.5, 9.0  # radius of a dot: its area grows with its share of the texts


def accuracy_table(manifest: Manifest, evaluated: Mapping[str, Any]) -> Table:
    """Lay out how often each language's texts were taken for it, by split; no rows where it was not judged."""
    judged = evaluated.get("identifier", {})
    splits = [split for split in ("test", "dev") if judged.get(split)]
    rows = [
        (who(language), *(percent(judged[split].get(language.code)) for split in splits))
        for language in by_group(manifest)
    ]
    columns = ("Language", *(f"Accuracy on {split}, %" for split in splits))
    return Table("Accuracy of the identifier per language", columns, rows if splits else ())


def mix_up_table(manifest: Manifest, evaluated: Mapping[str, Any]) -> Table:
    """Lay out the most frequent mix-ups, by the share of a language's texts that they take."""
    languages = {language.code: language for language in manifest.languages}
    mix_ups = []
    for code, taken in evaluated.get("confusion", {}).items():
        for other, texts in taken.items():
            if other != code and texts and code in languages:
                same = other in languages and languages[other].group == languages[code].group
                name = languages[other].name if other in languages else other
                mix_ups.append((-texts / sum(taken.values()), languages[code].name, name, texts, same))
    rows = [
        (language, taken_for, str(texts), percent(-share), "yes" if same else "no")
        for share, language, taken_for, texts, same in sorted(mix_ups)[:_LISTED]
    ]
    columns = ("Texts in", "taken for", "Texts", "%", "Same group")
    return Table("The most frequent mix-ups", columns, rows, words=2)


def confusion(manifest: Manifest, evaluated: Mapping[str, Any]) -> Drawing | None:
    """Draw which languages were taken for which, as shares of a row; nothing where it was not judged."""
    taken = evaluated.get("confusion", {})
    rows = [language for language in by_group(manifest) if sum(taken.get(language.code, {}).values())]
    if not rows:
        return None
    codes = [language.code for language in rows]
    names = {language.code: language.name for language in manifest.languages}
    columns = [*codes, *sorted({other for code in codes for other in taken[code]} - set(codes))]
    counts = np.array([[taken[code].get(other, 0) for other in columns] for code in codes])  # [languages, taken for]
    return share_map(
        counts,
        [row_label(language) for language in rows],
        [code if code != UNKNOWN else "none" for code in columns],
        Caption(
            "confusion",
            f"Taken for others, on {answered_split(evaluated)}",
            "Row: the language of the texts. Column: what they were taken for, in percent of the row; none means that "
            "the script belongs to no language here. Outlined: mix-ups inside one group, which reach the same model.",
        ),
        tip=lambda i, j: f"{rows[i].name} taken for {names.get(columns[j], columns[j])}",
        muted=np.eye(len(rows), len(columns), dtype=bool),
        blocks=group_blocks(manifest, rows),
    )


def routing(manifest: Manifest, evaluated: Mapping[str, Any]) -> Drawing | None:
    """Draw which group answered the texts of each language, as shares of a row; nothing where it was not judged."""
    answered = evaluated.get("routing", {})
    rows = [language for language in by_group(manifest) if sum(answered.get(language.code, {}).values())]
    if not rows or len(manifest.groups) < 2:
        return None
    columns = [group.id for group in manifest.groups]
    counts = np.array([[answered[row.code].get(group, 0) for group in columns] for row in rows])  # [languages, groups]
    return share_map(
        counts,
        [row_label(language) for language in rows],
        columns,
        Caption(
            "routing",
            f"Which group answered, on {answered_split(evaluated)}",
            "Row: the language of the texts. Column: the group whose model answered, in percent of the row. Grey: the "
            "group that serves the language. What stands elsewhere was answered by another group's model, the fallback "
            "included.",
        ),
        tip=lambda i, j: f"{rows[i].name} answered by {columns[j]}",
        muted=np.array([[row.group == group for group in columns] for row in rows]),
    )


def answered_split(evaluated: Mapping[str, Any]) -> str:
    """Return the split whose texts were identified and answered."""
    return "test" if evaluated.get("scores", {}).get("test") else "dev"


def reliability(manifest: Manifest) -> Drawing | None:
    """Draw accuracy over confidence: rings before, dots after the temperature; nothing where it was not measured."""
    measured = manifest.identifier.reliability
    if "before" not in measured or "after" not in measured:
        return None
    before, after = measured["before"], measured["after"]
    x, y = Scale(0, 1, _LEFT, _LEFT + _SIDE), Scale(0, 1, _TOP + _SIDE, _TOP)
    shapes = frame(x, y, _TICKS, _TICKS, "confidence, %", "accuracy, %")
    shapes.append(Line(((x(0), y(0)), (x(1), y(1))), "axis"))
    for when, bins, style in (("before", before, "hollow"), ("after", after, "dot")):
        for share, confidence, accuracy in zip(bins.share, bins.confidence, bins.accuracy, strict=True):
            words = f"{when}: confidence {percent(confidence)} %, right {percent(accuracy)} %, {percent(share)} % of"
            radius = max(_SMALLEST, _LARGEST * share**0.5)
            shapes += [Dot(x(confidence), y(accuracy), style, radius, f"{words} the texts")] if share else []
    words = "Each dot is the dev texts of one of ten bins of confidence: on the diagonal the identifier is right as "
    words += "often as it says. Rings: before the temperature; dots: after it; larger ones hold more texts. Expected "
    words += f"calibration error {percent(before.expected_calibration_error)} % before, "
    words += f"{percent(after.expected_calibration_error)} % after."
    caption = Caption("reliability", "Confidence and accuracy, on dev", words)
    return Drawing(shapes, _LEFT + _SIDE + 24, _TOP + _SIDE + 46, *caption)
