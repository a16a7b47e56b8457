"""Why these groups: who is with whom, how well they agree, and what S looked like while it was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from gradsim_offline.report.charts import curve
from gradsim_offline.report.drawing import Caption, Drawing
from gradsim_offline.report.grouping_drawings import (
    Candidates,
    Grouped,
    blocks,
    chosen,
    label,
    similarity_map,
    similarity_tree,
)
from gradsim_offline.report.heatmap import Block
from gradsim_offline.report.numbers import decimal, percent, points
from gradsim_offline.report.table import Table
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.manifest import Language, Manifest

Change = tuple[str, float, float]  # epochs, mean and largest absolute change of S over pairs of two languages
_SINGLETON_RULES = {
    "self": "its similarity with itself, the diagonal of S",
    "split-half": "the similarity of two halves of its own data",
    "zero": "0",
    "forbid": "not allowed; every group has two members at least",
}


def by_group(manifest: Manifest) -> list[Language]:
    """Return the languages in the order of the groups that serve them."""
    place = {group.id: i for i, group in enumerate(manifest.groups)}
    return sorted(manifest.languages, key=lambda language: place[language.group])


def who(language: Language) -> Markup:
    """Name a language in a table of the page: its name and its code."""
    return Markup("{} <code>{}</code>").format(language.name, language.code)


def row_label(language: Language) -> str:
    """Name a language beside a heat map's row; a long name is cut, its code never."""
    return label(language.name, language.code)


def group_table(manifest: Manifest) -> Table:
    """Lay out whom each group serves and who only helps, with each member's collective similarity there."""
    known = {language.code: language for language in manifest.languages}
    rows = []
    for group in manifest.groups:
        members = [known[code] for code in group.members if code in known]
        served, source_only = (
            _list([member for member in members if (member.group == group.id) == here], group.id)
            for here in (True, False)
        )
        if len(group.members) == 1:
            served += Markup('<span class="note">alone; the figure is the score of a group of one</span>')
        rows.append((group.id, served, source_only))
    columns = ("Group", "Serves", "Source-only members")
    return Table("The groups, with each member's collective similarity", columns, rows, words=3)


def scored_by_s(manifest: Manifest) -> bool:
    """Return whether a grouping score says something: there are several groups, made of an S that is not noise."""
    return len(manifest.groups) > 1 and manifest.grouping.solver != "each" and not manifest.grouping.reason


def _list(members: Sequence[Language], group: str) -> Markup:
    if not members:
        return Markup('<span class="quiet-text">none</span>')
    item = Markup("<li>{} <b>{}</b></li>")
    items = [item.format(who(member), decimal(member.collective_similarity.get(group))) for member in members]
    return Markup('<ul class="members">{}</ul>').format(Markup("").join(items))


def singleton_rule(rule: str | float) -> str:
    """Say in words how a group of one is scored."""
    if isinstance(rule, str):
        return _SINGLETON_RULES.get(rule, rule)
    return decimal(rule)


def together(measured: Measured) -> float | None:
    """Return the grouping score of one group of all languages; ``None`` where there is no pair, or S is not summed."""
    if measured.answers is not None:
        return None
    off = _pairs(measured.matrix)
    return float(off.sum() / (len(measured.matrix) - 1)) if off.size else None


def layers(measured: Measured) -> list[str]:
    """Return the tracked layers, the one that decides first; the measure's name where it tracks none."""
    return list(measured.layers) or [measured.measure]


def heatmaps(manifest: Manifest, measured: Measured) -> list[Drawing]:
    """Draw S at each layer, as ``similarity-1`` and so on; rows and columns in the order of the groups."""
    names = layers(measured)
    matrices = {**measured.layers, names[0]: measured.matrix}  # of the first, what the groups were chosen from
    plots = []
    for number, layer in enumerate(names, start=1):
        plot = similarity_map(
            matrices[layer],
            measured.languages,
            _grouped(manifest),
            name=f"similarity-{number}",
            title=f"Similarity S, {layer}",
            halves=measured.split_half if number == 1 else None,
        )
        plots += [plot] if plot else []
    return plots


def tree(manifest: Manifest, measured: Measured) -> Drawing | None:
    """Draw which languages are near each other by S, with the groups beside; ``None``: there is nothing to join."""
    title = "Languages by similarity, and their groups"
    return similarity_tree(measured.matrix, measured.languages, _grouped(manifest), name="tree", title=title)


def changes(measured: Measured) -> list[Change]:
    """Return how far S moved between epochs; empty where there are fewer than two epochs or languages."""
    moves: list[Change] = []
    for epoch, (before, after) in enumerate(zip(measured.epochs, measured.epochs[1:], strict=False), start=1):
        moved = np.abs(_pairs(after - before))
        if moved.size:
            moves.append((f"{epoch} to {epoch + 1}", float(moved.mean()), float(moved.max())))
    return moves


def change_table(moves: Sequence[Change]) -> Table:
    """Lay out how far S moved."""
    rows = [(epochs, decimal(mean), decimal(largest)) for epochs, mean, largest in moves]
    return Table("Absolute change of S between epochs", ("Epochs", "Mean change", "Largest change"), rows)


def convergence(moves: Sequence[Change]) -> Drawing | None:
    """Draw the mean change over the epochs; nothing where there are fewer than two."""
    if len(moves) <= 1:
        return None
    words = "; ".join(f"epoch {epochs}: {decimal(mean)}" for epochs, mean, _ in moves)
    return curve(
        [mean for _, mean, _ in moves],
        [epochs for epochs, _, _ in moves],
        Caption("convergence", "Mean absolute change of S between epochs", words),
        from_zero=True,
    )


def candidate_table(candidates: Candidates) -> Table:
    """Lay out every K that was tried; where nothing was trained for it, with what it was expected to gain."""
    best = chosen(candidates)
    foreseen = any("probability" in each for each in candidates)
    rows = [
        (
            str(each["groups"]),
            str(each["distinct"]),
            decimal(each["grouping_score"]),
            percent(each["score"]),
            *((points(each["gain"]), percent(each["deviation"]), decimal(each["probability"], 2)) if foreseen else ()),
            "yes" if each is best else "",
        )
        for each in candidates
    ]
    gains = ("Gain, points", "Deviation", "Probability that it pays") if foreseen else ()
    columns = ("K", "Groups that there are", "Grouping score", "Dev score, %", *gains, "Chosen")
    return Table("Every K that was tried", columns, rows)


def group_blocks(manifest: Manifest, order: Sequence[Language]) -> list[Block]:
    """Outline the languages that each group serves, against each other."""
    return blocks(_grouped(manifest), [language.code for language in order], source_only=False)


def _grouped(manifest: Manifest) -> Grouped:
    return Grouped(
        {language.code: language.name for language in manifest.languages},
        {language.code: language.group for language in manifest.languages},
        {group.id: group.members for group in manifest.groups},
    )


def _pairs(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return matrix[~np.eye(len(matrix), dtype=bool)]
