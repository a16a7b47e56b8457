"""The findings, table by table, in words and figures for people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradsim_offline.experiments.analyse.correlations import Correlation
from gradsim_offline.experiments.analyse.groupings import group_names
from gradsim_offline.experiments.analyse.results import REFERENCES, AnalysisResults, Pairing, Seeds, Stability
from gradsim_offline.experiments.analyse.stability import Halves
from gradsim_offline.report.text_tables import UNDEFINED, Table, figure, square

_SHOWN_KEYWORDS = 12


def tables(findings: AnalysisResults) -> list[Table]:
    """Return the tables that are not empty."""
    found = [_correlations(findings)]
    found += [_stability(findings.stability)] if findings.stability else []
    for one in findings.stability:
        found += _of_one_run(one, alone=len(findings.stability) == 1)
    for seeds in findings.seeds:
        found += _over_seeds(seeds)
    found += [_agreement(findings)] if findings.agreement else []
    found += [_keywords(findings)] if findings.keywords else []
    return found


def _correlations(findings: AnalysisResults) -> Table:
    """Lay out Table 5: every measure against transfer, typology and topic; all pairs where none of them is there."""
    there = [name for name in REFERENCES if name in findings.similarities]
    rows: list[tuple[str, ...]] = []
    reasons: list[str] = []
    for pairing in _sorted_to(findings.correlations, there):
        found = pairing.correlation
        rows.append(
            (
                pairing.first,
                pairing.second,
                str(found.pairs),
                figure(found.pearson),
                figure(found.spearman),
                figure(found.within),
                figure(found.p, ".2g"),
                figure(found.mantel, ".2g"),
            )
        )
        if found.reason:
            reasons.append(f"{pairing.first} with {pairing.second} is undefined ({UNDEFINED}): {found.reason}")
    missing = [name for name in REFERENCES if name not in findings.similarities]
    remark = [
        f"Over pairs of {len(findings.languages)} languages: ordered pairs where one of the two is asymmetric, else "
        "unordered ones.",
        "Mean over runs where a measure has several. in rows: Pearson's r of the matrices less their rows' means.",
        f"p takes the pairs for independent, which they are not; believe Mantel's ({findings.permutations} relabellings"
        " at most, two-sided). Neither is corrected for the number of comparisons.",
        *reasons,
    ]
    remark += [f"Not measured: {', '.join(missing)}."] if missing else []
    columns = ("measure", "with", "pairs", "Pearson", "Spearman", "in rows", "p", "Mantel p")
    return Table("Correlation of similarity measures", columns, tuple(rows), "\n".join(remark))


def _sorted_to(pairings: Sequence[Pairing], references: Sequence[str]) -> list[Pairing]:
    """Return the pairs that hold a reference, by reference, which stands second; all pairs if there is none."""
    if not references:
        return list(pairings)
    turned = []
    for position, reference in enumerate(references):
        for pairing in pairings:
            pair = {pairing.first, pairing.second}
            if reference in pair and not pair & set(references[:position]):
                other = pairing.second if pairing.first == reference else pairing.first
                turned.append(Pairing(other, reference, pairing.correlation))
    return turned


def _stability(found: Sequence[Stability]) -> Table:
    rows = []
    for one in found:
        agreement = one.halves.agreement.pearson if one.halves else None
        rows.append(
            (
                one.name,
                one.origin,
                " ".join(figure(c.pearson, ".2f") for c in one.epochs) or UNDEFINED,
                figure(agreement),
                figure(one.halves.reliability if one.halves else None),
                figure(one.halves.noise if one.halves else None),
                figure(float(np.mean(one.own)) if one.own is not None else None),
                f"{one.interval.width:.3f}" if one.interval else UNDEFINED,
                f"{100 * one.interval.clear:.0f} %" if one.interval else UNDEFINED,
            )
        )
    drawn = ", ".join(sorted({f"{one.interval.drawn_from} matrices" for one in found if one.interval}))
    remark = (
        "epochs: Pearson r of every epoch's S with the final one, the mean of those that measuring.skipped_epochs and "
        "averaged_epochs leave; the rest is about the final S. halves: r of the S of two halves of the data. whole: "
        "reliability of "
        "the S of all data, by Spearman-Brown. noise: standard deviation of an entry of S from the choice of texts. "
        "own: mean split-half similarity of a language with itself.\n"
        f"interval: mean width of the 95 % bootstrap intervals of the entries, drawn from {drawn or 'nothing'} (its "
        "epochs x halves where gradients were kept, else its epochs) of one training; it knows nothing of other seeds, "
        "and epochs share their texts, so take it for a lower limit. not 0: share of the pairs whose interval leaves 0 "
        "out."
    )
    columns = ("measure", "run", "epochs", "halves", "whole", "noise", "own", "interval", "not 0")
    return Table("Stability of S", columns, tuple(rows), remark)


def _of_one_run(one: Stability, *, alone: bool) -> list[Table]:
    """Return how the halves of a run's data agree, and the groups of its halves and epochs with its own."""
    where = f"{one.name} in {one.origin}"
    own = [] if one.halves is None else [_by_language(one.languages, one.halves, where)]
    if one.regrouped is None:
        return own
    found = one.regrouped
    names = group_names(found.groupings)
    rows = tuple(
        (part, figure(index, ".2f"), name)
        for part, index, name in zip(found.parts, found.agreement, names, strict=True)
    )
    anew = Table(
        f"Grouped anew from parts: {where}",
        ("part", "adjusted Rand", "languages by serving group"),
        rows,
        "Adjusted Rand index with the run's groups. Same solver, K and singleton rule; no constraints.",
        words=True,
    )
    share = square(
        f"Served together, percent of {len(found.parts)} parts: {where}",
        one.languages,
        100 * found.together,
        "How often one group serves both languages, over halves and epochs, which overlap.",
        ".0f",
    )
    return [*own, anew, share] if alone else [*own, anew]


def _by_language(languages: Sequence[str], halves: Halves, where: str) -> Table:
    """Lay out how each language's two halves agree, and how the S of the halves do, epoch by epoch."""
    rows = [
        (f"epoch {i + 1}", *(figure(float(value), ".2f") for value in own), figure(agreement.pearson, ".2f"))
        for i, (own, agreement) in enumerate(zip(halves.own, halves.by_epoch, strict=True))
    ]
    rows.append(("row of S", *(figure(value, ".2f") for value in halves.rows), figure(halves.agreement.pearson, ".2f")))
    remark = (
        "epochs: cosine of the gradients of a language's two halves; last, r of the S of the halves. Near 0 or below, "
        "the epoch says little about the language. row of S: r of its row in the final S of either half."
    )
    return Table(f"Two halves of the data: {where}", ("", *languages, "S"), tuple(rows), remark)


def _over_seeds(seeds: Seeds) -> list[Table]:
    found = []
    if seeds.correlations:
        rows = (
            ("Pearson r", *_spread([c.pearson for c in seeds.correlations])),
            ("Spearman", *_spread([c.spearman for c in seeds.correlations])),
        )
        remark = f"Every two of {', '.join(seeds.origins)}.{_first_reason(seeds.correlations)}"
        found.append(Table(f"S over runs: {seeds.name}", ("", "mean", "lowest", "highest"), rows, remark))
    if seeds.together is not None:
        title = f"Served together, percent of {seeds.grouped} groupings: {seeds.name}"
        found.append(square(title, seeds.languages, 100 * seeds.together, "", ".0f"))
    return found


def _spread(values: Sequence[float | None]) -> tuple[str, str, str]:
    known = [value for value in values if value is not None]
    return (figure(float(np.mean(known))), figure(min(known)), figure(max(known))) if known else (UNDEFINED,) * 3


def _first_reason(found: Sequence[Correlation]) -> str:
    return next((f" Undefined ({UNDEFINED}): {one.reason}." for one in found if one.reason), "")


def _agreement(findings: AnalysisResults) -> Table:
    rows = tuple((a.first, a.second, figure(a.index), str(a.pairs)) for a in findings.agreement)
    remark = (
        "Adjusted Rand index, mean over pairs: 1 the same groups, 0 as by chance. Two methods are compared within a "
        "seed or run where they share one, a method with itself over seeds. A language counts in the group that serves "
        "it."
    )
    return Table("Agreement of groupings", ("grouping", "with", "adjusted Rand", "pairs"), rows, remark)


def _keywords(findings: AnalysisResults) -> Table:
    rows = tuple(
        (code, " ".join(keyword.word for keyword in found[:_SHOWN_KEYWORDS]))
        for code, found in findings.keywords.items()
    )
    remark = "TF-IDF with languages as documents, untranslated; keywords.csv has more, with weights."
    return Table("Keywords", ("language", "best first"), rows, remark, words=True)
