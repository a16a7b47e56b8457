"""The ranking about a new language, and the bundle that serves it, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

from gradsim_offline.experiments.assign.add import Added
from gradsim_offline.experiments.assign.ranking import By, GroupRanking
from gradsim_offline.report.table import Table, print_tables

_NEAREST = 5


def print_ranking(ranking: GroupRanking, console: Console) -> None:
    """Print the groups in their order, and what decides."""
    print_tables([_table(ranking)], console)
    near = ", ".join(f"{code} {value:.2f}" for code, value in list(ranking.similarities.items())[:_NEAREST])
    console.print(f"Nearest languages: {near}")
    console.print(f"Noise: the gradients of two halves of the examples agree to {ranking.split_half:.2f}")
    for note in ranking.notes:
        console.print(f"Note: {note}", markup=False)
    best, sure = ranking.best, "decided" if ranking.decided else "undecided"
    other: By = "gradient" if ranking.by == "score" else "score"
    console.print(
        f"{ranking.language} ({ranking.name}) belongs to [bold]{best.id}[/bold]: {' '.join(best.members)} "
        f"({sure}, by {ranking.by}); by {other} to {ranking.best_by(other).id}"
    )


def print_added(added: Added, code: str, metric: str, console: Console) -> None:
    """Print what the new bundle can do."""
    identified = added.identified
    console.print(
        f"Identifier: {identified.cross_validated:.1%} of the {code} texts known, each by one that has not seen it"
    )
    if identified.before:
        after = {language: identified.after[language] for language in identified.before}
        console.print(
            f"  the other languages on dev, mean: {_mean(identified.before):.2%} before, {_mean(after):.2%} with {code}"
        )
        worst = min(identified.before, key=lambda language: after[language] - identified.before[language])
        console.print(f"  most changed: {worst} {identified.before[worst]:.2%} -> {after[worst]:.2%}")
    language = next(each for each in added.manifest.languages if each.code == code)
    for split, scores in language.scores.items():
        columns = ", ".join(f"{name} {100 * value[metric]:.2f}" for name, value in scores)
        console.print(f"{metric} of {code} on {split}, in percent: {columns}")
    console.print(f"Bundle {added.manifest.title} in {added.directory}: {code} is served by {language.group}")
    console.print(f"Serve it: gradsim-serve {added.directory}", markup=False)


def _table(ranking: GroupRanking) -> Table:
    rows = [
        (
            group.id,
            " ".join(group.members),
            f"{group.similarity:.3f} ± {group.similarity_error:.3f}",
            f"{group.wins:.0%}",
            f"{100 * group.score:.1f} ± {100 * group.score_error:.1f}",
            f"{group.score_wins:.0%}",
        )
        for group in ranking.groups
    ]
    return Table(
        f"{ranking.examples} examples of {ranking.language} against {ranking.bundle}",
        ("group", "trained on", "collective similarity", "wins", f"{ranking.metric} %", "wins"),
        rows,
        "± one standard error; wins: share of bootstrap draws of the examples, by the column before it",
        words=2,
    )


def _mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values)
