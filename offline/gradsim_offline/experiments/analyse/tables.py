"""An analysis as tables: correlations, stability of S, agreement of groupings, keywords."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradsim_offline.experiments.analyse.groupings import group_names
from gradsim_offline.experiments.analyse.results import REFERENCES, AnalysisResults, Pairing, Seeds, Stability
from gradsim_offline.experiments.analyse.stability import Halves
from gradsim_offline.report.numbers import MISSING
from gradsim_offline.report.table import Table, figure, square
from gradsim_offline.similarity.correlations import Correlation

_SHOWN_KEYWORDS = 12
DETAILS = ("Two halves", "Grouped anew", "Served together", "Keywords")  # tables that the terminal leaves to the file


def tables(results: AnalysisResults) -> list[Table]:
    """Return the tables that are not empty."""
    laid_out = [_correlations(results)]
    laid_out += [_stability(results.stability)] if results.stability else []
    for run in results.stability:
        laid_out += _of_one_run(run, alone=len(results.stability) == 1)
    for seeds in results.seeds:
        laid_out += _over_seeds(seeds)
    laid_out += [_agreement(results)] if results.agreement else []
    laid_out += [_keywords(results)] if results.keywords else []
    return laid_out


def _correlations(results: AnalysisResults) -> Table:
    """Lay out Table 5: every measure against transfer, typology and topic; all pairs where none of them is there."""
    there = [name for name in REFERENCES if name in results.similarities]
    rows: list[tuple[str, ...]] = []
    reasons: list[str] = []
    for pairing in _sorted_to(results.correlations, there):
        correlation = pairing.correlation
        rows.append(
            (
                pairing.first,
                pairing.second,
                str(correlation.pairs),
                figure(correlation.pearson),
                figure(correlation.spearman),
                figure(correlation.within),
                figure(correlation.p, ".2g"),
                figure(correlation.mantel, ".2g"),
            )
        )
        if correlation.reason:
            reasons.append(f"{pairing.first} with {pairing.second} is undefined ({MISSING}): {correlation.reason}")
    missing = [name for name in REFERENCES if name not in results.similarities]
    remark = [
        f"Over pairs of {len(results.languages)} languages: ordered pairs where one of the two is asymmetric, else "
        "unordered ones.",
        "Mean over runs where a measure has several. in rows: Pearson's r of the matrices less their rows' means.",
        f"p takes the pairs for independent, which they are not; believe Mantel's ({results.permutations} relabellings"
        " at most, two-sided). Neither is corrected for the number of comparisons.",
        *reasons,
    ]
    remark += [f"Not measured: {', '.join(missing)}."] if missing else []
    columns = ("measure", "with", "pairs", "Pearson", "Spearman", "in rows", "p", "Mantel p")
    return Table("Correlation of similarity measures", columns, rows, "\n".join(remark), words=2)


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


def _stability(runs: Sequence[Stability]) -> Table:
    rows = []
    for run in runs:
        agreement = run.halves.agreement.pearson if run.halves else None
        rows.append(
            (
                run.name,
                run.origin,
                " ".join(figure(c.pearson, ".2f") for c in run.epochs) or MISSING,
                figure(agreement),
                figure(run.halves.reliability if run.halves else None),
                figure(run.halves.noise if run.halves else None),
                figure(float(np.mean(run.own)) if run.own is not None else None),
                f"{run.interval.width:.3f}" if run.interval else MISSING,
                f"{100 * run.interval.clear:.0f} %" if run.interval else MISSING,
            )
        )
    drawn = ", ".join(sorted({f"{run.interval.drawn_from} matrices" for run in runs if run.interval}))
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
    return Table("Stability of S", columns, rows, remark, words=2)


def _of_one_run(run: Stability, *, alone: bool) -> list[Table]:
    """Return how the halves of a run's data agree, and the groups of its halves and epochs with its own."""
    where = f"{run.name} in {run.origin}"
    halves = [] if run.halves is None else [_by_language(run.languages, run.halves, where)]
    if run.regrouped is None:
        return halves
    regrouped = run.regrouped
    names = group_names(regrouped.groupings)
    rows = tuple(
        (part, figure(index, ".2f"), name)
        for part, index, name in zip(regrouped.parts, regrouped.agreement, names, strict=True)
    )
    anew = Table(
        f"Grouped anew from parts: {where}",
        ("part", "adjusted Rand", "languages by serving group"),
        rows,
        "Adjusted Rand index with the run's groups. Same solver, K and singleton rule; no constraints.",
        words=3,
    )
    share = square(
        f"Served together, percent of {len(regrouped.parts)} parts: {where}",
        run.languages,
        100 * regrouped.together,
        "How often one group serves both languages, over halves and epochs, which overlap.",
        ".0f",
    )
    return [*halves, anew, share] if alone else [*halves, anew]


def _by_language(languages: Sequence[str], halves: Halves, where: str) -> Table:
    """Lay out how each language's two halves agree, and how the S of the halves do, epoch by epoch."""
    rows = [
        (f"epoch {i + 1}", *(figure(float(value), ".2f") for value in cosines), figure(agreement.pearson, ".2f"))
        for i, (cosines, agreement) in enumerate(zip(halves.own, halves.by_epoch, strict=True))
    ]
    rows.append(("row of S", *(figure(value, ".2f") for value in halves.rows), figure(halves.agreement.pearson, ".2f")))
    remark = (
        "epochs: cosine of the gradients of a language's two halves; last, r of the S of the halves. Near 0 or below, "
        "the epoch says little about the language. row of S: r of its row in the final S of either half."
    )
    return Table(f"Two halves of the data: {where}", ("", *languages, "S"), rows, remark)


def _over_seeds(seeds: Seeds) -> list[Table]:
    laid_out = []
    if seeds.correlations:
        rows = (
            ("Pearson r", *_spread([c.pearson for c in seeds.correlations])),
            ("Spearman", *_spread([c.spearman for c in seeds.correlations])),
        )
        remark = f"Every two of {', '.join(seeds.origins)}.{_first_reason(seeds.correlations)}"
        laid_out.append(Table(f"S over runs: {seeds.name}", ("", "mean", "lowest", "highest"), rows, remark))
    if seeds.together is not None:
        title = f"Served together, percent of {seeds.grouped} groupings: {seeds.name}"
        laid_out.append(square(title, seeds.languages, 100 * seeds.together, "", ".0f"))
    return laid_out


def _spread(values: Sequence[float | None]) -> tuple[str, str, str]:
    known = [value for value in values if value is not None]
    return (figure(float(np.mean(known))), figure(min(known)), figure(max(known))) if known else (MISSING,) * 3


def _first_reason(correlations: Sequence[Correlation]) -> str:
    return next((f" Undefined ({MISSING}): {each.reason}." for each in correlations if each.reason), "")


def _agreement(results: AnalysisResults) -> Table:
    rows = tuple((a.first, a.second, figure(a.index), str(a.pairs)) for a in results.agreement)
    remark = (
        "Adjusted Rand index, mean over pairs: 1 the same groups, 0 as by chance. Two methods are compared within a "
        "seed or run where they share one, a method with itself over seeds. A language counts in the group that serves "
        "it."
    )
    return Table("Agreement of groupings", ("grouping", "with", "adjusted Rand", "pairs"), rows, remark, words=2)


def _keywords(results: AnalysisResults) -> Table:
    rows = tuple(
        (code, " ".join(keyword.word for keyword in keywords[:_SHOWN_KEYWORDS]))
        for code, keywords in results.keywords.items()
    )
    remark = "TF-IDF with languages as documents, untranslated; keywords.csv has more, with weights."
    return Table("Keywords", ("language", "best first"), rows, remark, words=2)
