"""The analysis as about ten calls: inputs, correlations, stability, seeds, and agreement of groupings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, combinations_with_replacement

import numpy as np

from gradsim_offline.core.progress import Progress
from gradsim_offline.experiments.analyse.groupings import Regrouped, adjusted_rand, regroup, serving, together
from gradsim_offline.experiments.analyse.inputs import (
    Analysis,
    AnalysisOptions,
    check_untrained,
    language_keywords,
    load_data,
    measured_here,
    topics,
)
from gradsim_offline.experiments.analyse.results import Agreement, AnalysisResults, Matrix, Pairing, Seeds, Stability
from gradsim_offline.experiments.analyse.sources import (
    Similarity,
    SourceGroups,
    by_name,
    common_languages,
    find_sources,
    read_matrix,
    restricted,
)
from gradsim_offline.experiments.analyse.stability import Halves, Interval, bootstrap, over_epochs, over_halves
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.similarity.correlations import FEWEST_LANGUAGES, correlate
from gradsim_shared.errors import DataError, GradsimError


def analyse(options: AnalysisOptions, progress: Progress) -> AnalysisResults:
    """Run every analysis that the inputs allow; the notes say what was left out.

    Raises:
        GradsimError: A run, a file or what was asked for by name cannot be read, or fewer than 3 languages are common.
    """
    for name in options.measures:
        check_untrained(name)
    analysis = Analysis(options, find_sources(options.runs), progress)
    similarities = [*analysis.sources.similarities, *map(read_matrix, options.files)]
    dataset = load_data(analysis)
    words = language_keywords(analysis, dataset)
    similarities += measured_here(analysis, dataset)
    similarities += topics(analysis, words)
    languages = _common(analysis, similarities)
    matrices = by_name(similarities, languages)
    progress.note(f"correlations of {', '.join(matrices)}")
    return AnalysisResults(
        languages,
        matrices,
        {name: tuple(s.origin for s in similarities if s.name == name) for name in matrices},
        options.permutations,
        _correlations(analysis, matrices),
        words,
        tuple(_stabilities(analysis)),
        tuple(_seeds(analysis, similarities)),
        tuple(_agreement(analysis.sources.groupings)),
        tuple(dict.fromkeys(analysis.notes)),
    )


def _common(analysis: Analysis, similarities: Sequence[Similarity]) -> tuple[str, ...]:
    languages = common_languages(similarities)
    every = {code for similarity in similarities for code in similarity.measured.languages}
    if len(languages) < FEWEST_LANGUAGES:
        sets = "; ".join(f"{s.name} of {s.origin}: {' '.join(s.measured.languages)}" for s in similarities)
        raise DataError(
            f"the matrices have {len(languages)} languages in common; correlations need {FEWEST_LANGUAGES} ({sets})"
        )
    if len(every) > len(languages):
        left = " ".join(sorted(every - set(languages)))
        analysis.notes.append(f"correlations are over the {len(languages)} languages of all matrices; left out: {left}")
    return languages


def _correlations(analysis: Analysis, matrices: Mapping[str, Matrix]) -> tuple[Pairing, ...]:
    count, seed = analysis.options.permutations, analysis.options.seed
    return tuple(
        Pairing(
            first,
            second,
            correlate(matrices[first], matrices[second], names=(first, second), permutations=count, seed=seed),
        )
        for first, second in combinations(matrices, 2)
    )


def _stabilities(analysis: Analysis) -> list[Stability]:
    """Assess the stability of every S with kept epochs or gradients."""
    kept = []
    for similarity in analysis.sources.similarities:
        measured, gradients = similarity.measured, similarity.gradients
        halves = over_halves(gradients, measured) if gradients else None
        epochs = over_epochs(measured)
        reliability = measured.reliability if halves is None else halves.tested
        if not epochs and halves is None and reliability is None:
            continue
        analysis.progress.note(f"stability of {similarity.name} in {similarity.origin}")
        interval, regrouped = _interval(analysis, similarity, halves), _regrouped(analysis, similarity, halves)
        kept.append(
            Stability(
                similarity.name,
                similarity.origin,
                measured.languages,
                measured.split_half,
                epochs,
                halves,
                reliability,
                interval,
                regrouped,
            )
        )
    return kept


def _interval(analysis: Analysis, similarity: Similarity, halves: Halves | None) -> Interval | None:
    size = len(similarity.measured.languages)
    epochs = similarity.measured.epochs[similarity.measured.counted]
    drawn = np.array(epochs) if halves is None else halves.matrices.reshape(-1, size, size)
    enough = len(drawn) > 1 and bool(np.isfinite(drawn).all())
    return bootstrap(drawn, draws=analysis.options.draws, seed=analysis.options.seed) if enough else None


def _regrouped(analysis: Analysis, similarity: Similarity, halves: Halves | None) -> Regrouped | None:
    """Group again from halves and epochs, where the run has groups of this S."""
    measured = similarity.measured
    name, origin = similarity.name, similarity.origin
    names = (name,) if similarity.variant else (name, measured.measure)
    groups = [g.groups for g in analysis.sources.groupings if g.origin == origin and g.name in names]
    parts = {} if halves is None else {f"half {i + 1}": m for i, m in enumerate(halves.matrices.mean(axis=1))}
    parts |= {f"epoch {i + 1}": m for i, m in enumerate(measured.epochs)} if len(measured.epochs) > 1 else {}
    if not groups or not parts:
        return None
    solver = groups[0].solver
    if not load_solver(solver).reads_s:
        analysis.notes.append(f"{name} of {origin} was not grouped anew: the solver {solver} does not look at S")
        return None
    try:
        return regroup(parts, measured, groups[0], seed=analysis.options.seed)
    except (GradsimError, ImportError) as error:
        analysis.notes.append(f"{name} of {origin} was not grouped anew: {error}")
        return None


def _seeds(analysis: Analysis, similarities: Sequence[Similarity]) -> list[Seeds]:
    """Compare S and groups of the same measure or method over several runs or seeds."""
    repeated = []
    groupings = analysis.sources.groupings
    for name in dict.fromkeys([*(s.name for s in similarities), *(g.name for g in groupings)]):
        of_it = [s for s in similarities if s.name == name]
        groups = [g for g in groupings if g.name == name]
        if max(len(of_it), len(groups)) < 2:
            continue
        common = common_languages(of_it) if of_it else ()
        matrices = [restricted(s.measured, common) for s in of_it]
        pairs = combinations(matrices, 2) if len(common) >= FEWEST_LANGUAGES else ()
        served = [serving(g.groups) for g in groups]
        shared = tuple(sorted(set.intersection(*map(set, served)))) if served else ()
        origins = tuple(dict.fromkeys([*(s.origin for s in of_it), *(g.origin for g in groups)]))
        share = together(served, shared) if len(served) > 1 and shared else None
        repeated.append(Seeds(name, origins, tuple(correlate(a, b) for a, b in pairs), share, shared, len(served)))
    return repeated


def _agreement(groupings: Sequence[SourceGroups]) -> list[Agreement]:
    """Compare methods within a seed where they share one, and each method with itself over seeds."""
    compared = []
    for first, second in combinations_with_replacement(dict.fromkeys(g.name for g in groupings), 2):
        ours = [g for g in groupings if g.name == first]
        theirs = [g for g in groupings if g.name == second]
        both = list(combinations(ours, 2)) if first == second else [(a, b) for a in ours for b in theirs]
        same_seed = [(a, b) for a, b in both if a.origin == b.origin]
        chosen = both if first == second else same_seed or both
        indices = [adjusted_rand(serving(a.groups), serving(b.groups)) for a, b in chosen]
        if indices:
            compared.append(Agreement(first, second, float(np.mean(indices)), len(indices)))
    return compared
