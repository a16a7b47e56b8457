"""The whole analysis as about ten calls: what was measured, what goes with what, how stable, and which groups agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, combinations_with_replacement

import numpy as np

from gradsim_offline.core.progress import Progress
from gradsim_offline.experiments.analyse import sources as found
from gradsim_offline.experiments.analyse.agreement import adjusted_rand, serving, together
from gradsim_offline.experiments.analyse.correlations import FEWEST_LANGUAGES, correlate
from gradsim_offline.experiments.analyse.findings import Agreement, Findings, Matrix, Pairing, Seeds, Stability
from gradsim_offline.experiments.analyse.materials import Request, Work, find_keywords, load_data, measured_here, topics
from gradsim_offline.experiments.analyse.regrouping import Regrouped, regroup
from gradsim_offline.experiments.analyse.stability import Halves, Interval, bootstrap, over_epochs, over_halves
from gradsim_offline.experiments.analyse.untrained import check_untrained
from gradsim_offline.grouping.solver import load_solver
from gradsim_shared.errors import DataError, GradsimError


def analyse(request: Request, progress: Progress) -> Findings:
    """Answer what can be answered from what there is; the notes say what was left out.

    Raises:
        GradsimError: A run, a file or what was asked for by name cannot be read, or fewer than 3 languages are common.
    """
    for name in request.measures:
        check_untrained(name)
    work = Work(request, found.find_sources(request.runs), progress)
    similarities = [*work.sources.similarities, *map(found.read_matrix, request.files)]
    dataset = load_data(work)
    words = find_keywords(work, dataset)
    similarities += measured_here(work, dataset)
    similarities += topics(work, words)
    languages = _common(work, similarities)
    matrices = found.by_name(similarities, languages)
    progress.note(f"correlations of {', '.join(matrices)}")
    return Findings(
        languages,
        matrices,
        {name: tuple(s.origin for s in similarities if s.name == name) for name in matrices},
        request.permutations,
        _correlations(work, matrices),
        words,
        tuple(_stabilities(work)),
        tuple(_seeds(work, similarities)),
        tuple(_agreement(work.sources.groupings)),
        tuple(dict.fromkeys(work.notes)),
    )


def _common(work: Work, similarities: Sequence[found.Similarity]) -> tuple[str, ...]:
    languages = found.common_languages(similarities)
    every = {code for similarity in similarities for code in similarity.measured.languages}
    if len(languages) < FEWEST_LANGUAGES:
        sets = "; ".join(f"{s.name} of {s.origin}: {' '.join(s.measured.languages)}" for s in similarities)
        raise DataError(
            f"the matrices have {len(languages)} languages in common; correlations need {FEWEST_LANGUAGES} ({sets})"
        )
    if len(every) > len(languages):
        left = " ".join(sorted(every - set(languages)))
        work.notes.append(f"correlations are over the {len(languages)} languages of all matrices; left out: {left}")
    return languages


def _correlations(work: Work, matrices: Mapping[str, Matrix]) -> tuple[Pairing, ...]:
    count, seed = work.request.permutations, work.request.seed
    return tuple(
        Pairing(
            first,
            second,
            correlate(matrices[first], matrices[second], names=(first, second), permutations=count, seed=seed),
        )
        for first, second in combinations(matrices, 2)
    )


def _stabilities(work: Work) -> list[Stability]:
    """Look at every S of a run that kept its epochs or its gradients."""
    kept = []
    for similarity in work.sources.similarities:
        measured, gradients = similarity.measured, similarity.gradients
        halves = over_halves(gradients, measured) if gradients else None
        epochs = over_epochs(measured)
        if not epochs and halves is None:
            continue
        work.progress.note(f"stability of {similarity.name} in {similarity.origin}")
        interval, regrouped = _interval(work, similarity, halves), _regrouped(work, similarity, halves)
        kept.append(
            Stability(
                similarity.name,
                similarity.origin,
                measured.languages,
                measured.split_half,
                epochs,
                halves,
                interval,
                regrouped,
            )
        )
    return kept


def _interval(work: Work, similarity: found.Similarity, halves: Halves | None) -> Interval | None:
    size = len(similarity.measured.languages)
    epochs = similarity.measured.epochs[similarity.measured.counted]
    drawn = np.array(epochs) if halves is None else halves.matrices.reshape(-1, size, size)
    enough = len(drawn) > 1 and bool(np.isfinite(drawn).all())
    return bootstrap(drawn, draws=work.request.draws, seed=work.request.seed) if enough else None


def _regrouped(work: Work, similarity: found.Similarity, halves: Halves | None) -> Regrouped | None:
    """Group the halves and the epochs anew, where the run has groups of this S."""
    measured = similarity.measured
    name, origin = similarity.name, similarity.origin
    its_own = (name,) if similarity.variant else (name, measured.measure)
    groups = [g.groups for g in work.sources.groupings if g.origin == origin and g.name in its_own]
    parts = {} if halves is None else {f"half {i + 1}": m for i, m in enumerate(halves.matrices.mean(axis=1))}
    parts |= {f"epoch {i + 1}": m for i, m in enumerate(measured.epochs)} if len(measured.epochs) > 1 else {}
    if not groups or not parts:
        return None
    solver = groups[0].solver
    if not load_solver(solver).reads_s:
        work.notes.append(f"{name} of {origin} was not grouped anew: the solver {solver} does not look at S")
        return None
    try:
        return regroup(parts, measured, groups[0], seed=work.request.seed)
    except (GradsimError, ImportError) as error:
        work.notes.append(f"{name} of {origin} was not grouped anew: {error}")
        return None


def _seeds(work: Work, similarities: Sequence[found.Similarity]) -> list[Seeds]:
    """Put together what was found more than once: the same measure or method in several runs or seeds."""
    repeated = []
    groupings = work.sources.groupings
    for name in dict.fromkeys([*(s.name for s in similarities), *(g.name for g in groupings)]):
        of_it = [s for s in similarities if s.name == name]
        groups = [g for g in groupings if g.name == name]
        if max(len(of_it), len(groups)) < 2:
            continue
        common = found.common_languages(of_it) if of_it else ()
        matrices = [found.restricted(s.measured, common) for s in of_it]
        pairs = combinations(matrices, 2) if len(common) >= FEWEST_LANGUAGES else ()
        served = [serving(g.groups) for g in groups]
        shared = tuple(sorted(set.intersection(*map(set, served)))) if served else ()
        origins = tuple(dict.fromkeys([*(s.origin for s in of_it), *(g.origin for g in groups)]))
        share = together(served, shared) if len(served) > 1 and shared else None
        repeated.append(Seeds(name, origins, tuple(correlate(a, b) for a, b in pairs), share, shared, len(served)))
    return repeated


def _agreement(groupings: Sequence[found.FoundGroups]) -> list[Agreement]:
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
