"""What users ask of a grouping beside a high score: is it possible at all, and does a grouping keep to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradsim_offline.grouping.objective import GroupingResult, serve_blocks, simple_bound
from gradsim_offline.grouping.problem import Problem
from gradsim_shared.errors import SettingsError

MOST_ALLOWED_SETS = 2000  # 18 languages have 729 at most
SLACK = 1e-9  # relative; sums of training examples are exact to far less


def linked(problem: Problem) -> list[tuple[int, ...]]:
    """Return the languages in sets that one group serves: most are alone, must-links join them."""
    owner = list(range(problem.count))
    for first, second in problem.constraints.must_link:
        old, new = sorted((owner[first], owner[second]), reverse=True)
        owner = [new if unit == old else unit for unit in owner]
    return [tuple(i for i, unit in enumerate(owner) if unit == wanted) for wanted in sorted(set(owner))]


def allowed_sets(problem: Problem) -> list[tuple[int, ...]]:
    """Return the largest sets of languages without a forbidden pair; every group lies inside one of them.

    Without cannot-links that is one set, all languages. These are the maximal independent sets of the graph of
    forbidden pairs, found by taking or leaving one language of a pair (Bron & Kerbosch 1973 list them likewise).

    Raises:
        SettingsError: There are very many: their number can double with every pair.
    """
    forbidden: list[set[int]] = [set() for _ in range(problem.count)]
    for first, second in problem.constraints.cannot_link:
        forbidden[first].add(second)
        forbidden[second].add(first)
    allowed: set[tuple[int, ...]] = set()

    def split(inside: frozenset[int], left: tuple[int, ...]) -> None:
        if len(allowed) > MOST_ALLOWED_SETS:
            raise SettingsError(
                f"cannot_link leaves more than {MOST_ALLOWED_SETS} sets of languages that could be in one group, too "
                "many to prove anything about; choose the solver search, or name fewer pairs"
            )
        if not left:
            if all(forbidden[i] & inside for i in range(problem.count) if i not in inside):
                allowed.add(tuple(sorted(inside)))
            return
        language, *others = left
        split(inside | {language}, tuple(i for i in others if i not in forbidden[language]))
        if forbidden[language] & set(others):
            split(inside, tuple(others))

    free = frozenset(i for i in range(problem.count) if not forbidden[i])
    split(free, tuple(i for i in range(problem.count) if i not in free))
    return sorted(allowed)


def check_constraints(problem: Problem) -> None:
    """Say what contradicts what, before anything long runs.

    Raises:
        SettingsError: No grouping can keep the constraints, by a reason that can be named.
    """
    asked = problem.constraints
    for together in linked(problem):
        for first, second in asked.cannot_link:
            if first in together and second in together:
                raise SettingsError(
                    f"must_link wants one group for {_names(problem, together)}, and cannot_link keeps "
                    f"{_names(problem, (first, second))} apart; drop one of the two"
                )
        if asked.largest_group is not None and len(together) > asked.largest_group:
            raise SettingsError(
                f"must_link wants one group for {_names(problem, together)}, which are {len(together)} languages, and "
                f"largest_group is {asked.largest_group}; raise it, or link fewer"
            )
    if asked.largest_group is not None and asked.largest_group * problem.groups < problem.count:
        raise SettingsError(
            f"{problem.groups} groups of at most {asked.largest_group} members do not cover the {problem.count} "
            f"languages {_names(problem, range(problem.count))}; raise largest_group or the number of groups"
        )
    if asked.budget is not None:
        _check_budget(problem, asked.budget)


def _check_budget(problem: Problem, budget: float) -> None:
    sizes = problem.constraints.sizes
    if len(sizes) != problem.count:
        raise SettingsError(f"a budget needs the training size of each of {problem.count} languages, not {len(sizes)}")
    if budget < sum(sizes) * (1 - SLACK):
        raise SettingsError(
            f"the budget is {budget:g} training texts, and every language is trained at least once: "
            f"{_names(problem, range(problem.count))} have {sum(sizes):g}; raise it (1 times all texts is the least)"
        )


def impossible(problem: Problem) -> SettingsError:
    """Return the error for a problem that no grouping solves."""
    asked = problem.constraints
    reasons = [f"{_names(problem, pair, ' and ')} are never in one group" for pair in asked.cannot_link]
    reasons += [f"{_names(problem, unit, ' and ')} are served by one" for unit in linked(problem) if len(unit) > 1]
    if asked.largest_group is not None:
        reasons.append(f"no group has more than {asked.largest_group} members")
    alone = [i for i, score in enumerate(problem.singletons) if score == float("-inf")]
    if alone:
        known = ": there is only one language" if problem.count == 1 else ""
        reasons.append(f"groups of one are forbidden for {_names(problem, alone)}{known}")
    return SettingsError(
        f"no grouping is possible with at most {problem.groups} groups where {', '.join(reasons) or 'all is covered'}"
    )


def broken(problem: Problem, grouping: GroupingResult) -> str | None:
    """Return what a grouping does not keep to, in words, or ``None``."""
    asked = problem.constraints
    for first, second in asked.must_link:
        if grouping.serving[first] != grouping.serving[second]:
            return f"{_names(problem, (first, second), ' and ')} are served by different groups, against must_link"
    for group in grouping.groups:
        for first, second in asked.cannot_link:
            if first in group and second in group:
                return f"{_names(problem, (first, second), ' and ')} are in one group, against cannot_link"
        if asked.largest_group is not None and len(group) > asked.largest_group:
            return f"the group {_names(problem, group)} is larger than largest_group, {asked.largest_group}"
    if asked.budget is not None:
        total = sum(asked.sizes[i] for group in grouping.groups for i in group)
        if total > asked.budget * (1 + SLACK):
            return f"the groups train on {total:g} texts in all, and the budget is {asked.budget:g}"
    return None


def serve_given(problem: Problem, groups: Sequence[Sequence[int]], solver: str) -> GroupingResult:
    """Return the groups of a solver that knows neither constraints nor overlap, if they happen to keep them.

    The bound holds for all groupings of at most K groups, with overlap, too.

    Raises:
        SettingsError: They do not, the constraints contradict each other, or a language is alone where that is
            forbidden.
    """
    bound = None if len(groups) == problem.groups == 1 else simple_bound(problem.similarity, problem.singletons)
    pairs = [(group, group) for group in groups]
    grouping = serve_blocks(problem.similarity, pairs, problem.singletons, bound=bound)
    return refuse_broken(replace(problem, groups=problem.count), grouping, solver)


def refuse_broken(problem: Problem, grouping: GroupingResult, solver: str) -> GroupingResult:
    """Return the grouping of a solver that knows no constraints, if it happens to keep them.

    Raises:
        SettingsError: It does not, or the constraints contradict each other.
    """
    check_constraints(problem)
    reason = broken(problem, grouping)
    if reason is not None:
        raise SettingsError(
            f"the solver {solver} does not look at constraints, and its groups break one: {reason}; "
            "choose the solver exact, or drop the constraint"
        )
    return grouping


def _names(problem: Problem, languages: Sequence[int], between: str = " ") -> str:
    return between.join(problem.languages[i] for i in languages)
