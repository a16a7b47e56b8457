"""The ranking about a new language, and the bundle that serves it, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

from gradsim_offline.experiments.assign.add import Added
from gradsim_offline.experiments.assign.ranked import By, GroupRanking, RankedGroup
from gradsim_offline.experiments.assign.ways import Ways
from gradsim_offline.report.numbers import MISSING
from gradsim_offline.report.table import Table, print_tables

_NEAREST = 5


def print_ranking(ranking: GroupRanking, console: Console) -> None:
    """Print the groups in their order, and what decides."""
    print_tables([_table(ranking)], console)
    if ranking.split_half is not None:
        near = ", ".join(f"{code} {value:.2f}" for code, value in list(ranking.similarities.items())[:_NEAREST])
        console.print(f"Nearest languages: {near}")
        console.print(f"Noise: the gradients of two halves of the examples agree to {ranking.split_half:.2f}")
    for note in ranking.notes:
        console.print(f"Note: {note}", markup=False)
    best, sure = ranking.best, "decided" if ranking.decided else "undecided"
    other: By = "gradient" if ranking.by == "score" else "score"
    console.print(
        f"{ranking.language} ({ranking.name}) belongs to [bold]{best.id}[/bold]: {' '.join(best.members)} "
        f"({sure}, by {ranking.by})" + (f"; by {other} to {ranking.best_by(other).id}" if ranking.similarities else "")
    )


def print_ways(ways: Ways, code: str, metric: str, console: Console) -> None:
    """Print how the language can be served, what is to be expected, and when to build again."""
    named = {
        "group": f"{ways.group} as it is",
        "alone": f"n-grams of {code} alone",
        "beside": f"{ways.group} with n-grams of {code} beside it",
    }
    rows = [
        (named[each.way], f"{100 * each.score:.1f}", f"{100 * each.interval[0]:.1f} to {100 * each.interval[1]:.1f}")
        for each in ways.judged
    ]
    table = Table(f"{ways.examples} examples of {code}, cross-validated", ("answered by", f"{metric} %", "95 %"), rows)
    print_tables([table], console)
    if ways.parallel:
        console.print(
            f"Note: the examples are translations of texts that {ways.group} was trained on ({ways.stand_out:.0%} "
            "stand out): its scores on them say little. An n-gram model of its languages without them stands for it"
        )
    chosen = ways.chosen
    low, high = (100 * end for end in chosen.interval)
    console.print(
        f"{code} is answered by {named[chosen.way]}; expect {metric} of {100 * chosen.score:.1f} % on other texts, "
        f"the language named (95 %: {low:.1f} to {high:.1f})"
    )
    console.print(_on_rebuilding(ways, code))


def _on_rebuilding(ways: Ways, code: str) -> str:
    """Say from how many examples on a new build pays."""
    enough = ways.rebuild_from()
    if enough is None:
        return f"A build with {code} does not pay yet: its own n-grams stay below {ways.group}"
    if enough > ways.examples:
        return (
            f"From about {_rounded(enough)} texts on a build with {code} may pay: its own n-grams beat "
            f"{ways.group} then"
        )
    return (
        f"A build with {code} among the languages may pay: {ways.examples} of its texts teach n-grams more "
        f"than {ways.group} knows of it"
    )


def _rounded(number: int) -> int:
    """Return a number with two digits that say something."""
    return int(float(f"{number:.2g}"))


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
        columns = ", ".join(f"{name} {100 * value[metric]:.2f}" for name, value in scores if value)
        console.print(f"{metric} of {code} on {split}, in percent: {columns}")
    console.print(f"Bundle {added.manifest.title} in {added.directory}: {code} is served by {language.group}")
    console.print(f"Serve it: gradsim-serve {added.directory}", markup=False)


def _table(ranking: GroupRanking) -> Table:
    rows = [
        (
            group.id,
            " ".join(group.members),
            *(_similarity(group) if ranking.similarities else ()),
            f"{100 * group.score:.1f} ± {100 * group.score_error:.1f}",
            f"{group.score_wins:.0%}",
        )
        for group in ranking.groups
    ]
    gradient = ("collective similarity", "wins") if ranking.similarities else ()
    return Table(
        f"{ranking.examples} examples of {ranking.language} against {ranking.bundle}",
        ("group", "trained on", *gradient, f"{ranking.metric} %", "wins"),
        rows,
        "± one standard error; wins: share of bootstrap draws of the examples, by the column before it; scores are too "
        "high where the examples are translations of training texts (--add looks for them)",
        words=2,
    )


def _similarity(group: RankedGroup) -> tuple[str, str]:
    if group.similarity is None:  # its members came after the joint model
        return MISSING, MISSING
    return f"{group.similarity:.3f} ± {group.similarity_error:.3f}", f"{group.wins:.0%}"


def _mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values)
