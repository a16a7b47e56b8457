"""What was found about a new language, and the bundle that serves it, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from gradsim_offline.experiments.assign.add import Added
from gradsim_offline.experiments.assign.ranking import By, GroupRanking

_NEAREST = 5


def show_evidence(evidence: GroupRanking, console: Console) -> None:
    """Print the groups in their order, and what decides."""
    console.print(_table(evidence))
    near = ", ".join(f"{code} {value:.2f}" for code, value in list(evidence.similarities.items())[:_NEAREST])
    console.print(f"Nearest languages: {near}")
    console.print(f"Noise: the gradients of two halves of the examples agree to {evidence.split_half:.2f}")
    for note in evidence.notes:
        console.print(f"Note: {note}", markup=False)
    best, sure = evidence.best, "decided" if evidence.decided else "undecided"
    other: By = "gradient" if evidence.by == "score" else "score"
    console.print(
        f"{evidence.language} ({evidence.name}) belongs to [bold]{best.id}[/bold]: {' '.join(best.members)} "
        f"({sure}, by {evidence.by}); by {other} to {evidence.best_by(other).id}"
    )


def show_added(added: Added, code: str, metric: str, console: Console) -> None:
    """Print what the new bundle can do."""
    found = added.identified
    console.print(
        f"Identifier: {found.cross_validated:.1%} of the {code} texts known, each by one that has not seen it"
    )
    if found.before:
        after = {language: found.after[language] for language in found.before}
        console.print(
            f"  the other languages on dev, mean: {_mean(found.before):.2%} before, {_mean(after):.2%} with {code}"
        )
        worst = min(found.before, key=lambda language: after[language] - found.before[language])
        console.print(f"  most changed: {worst} {found.before[worst]:.2%} -> {after[worst]:.2%}")
    language = next(one for one in added.manifest.languages if one.code == code)
    for split, scores in language.scores.items():
        columns = ", ".join(f"{name} {100 * value[metric]:.2f}" for name, value in scores)
        console.print(f"{metric} of {code} on {split}, in percent: {columns}")
    console.print(f"Bundle {added.manifest.title} in {added.directory}: {code} is served by {language.group}")
    console.print(f"Serve it: gradsim-serve {added.directory}", markup=False)


def _table(evidence: GroupRanking) -> Table:
    table = Table(title=f"{evidence.examples} examples of {evidence.language} against {evidence.bundle}")
    for column in ("group", "trained on"):
        table.add_column(column)
    for column in ("collective similarity", "wins", f"{evidence.metric} %", "wins"):
        table.add_column(column, justify="right")
    for group in evidence.groups:
        table.add_row(
            group.id,
            " ".join(group.members),
            f"{group.similarity:.3f} ± {group.similarity_error:.3f}",
            f"{group.wins:.0%}",
            f"{100 * group.score:.1f} ± {100 * group.score_error:.1f}",
            f"{group.score_wins:.0%}",
        )
    table.caption = "± one standard error; wins: share of bootstrap draws of the examples, by the column before it"
    return table


def _mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values)
