"""What a solver of the grouping problem is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradsim_offline.core import plugins
from gradsim_offline.grouping.objective import GroupingResult
from gradsim_offline.grouping.problem import Problem


def _any_number(_languages: int) -> None:
    """Every number of languages will do."""


@dataclass(frozen=True)
class Solver(plugins.Plugin):
    """A way to choose the groups.

    Attributes:
        solve: Solves a problem.
        check: Raises ``SettingsError`` for a number of languages that it cannot group.
        reads_k: Whether the number of groups is a choice.
        reads_s: Whether its groups depend on S.
        reads_gains: Whether it maximises F, what groups gain, where that is known.
        k_from: The solver whose groups choose K on dev texts; empty: itself.
    """

    solve: Callable[[Problem], GroupingResult]
    check: Callable[[int], None] = _any_number
    reads_k: bool = True
    reads_s: bool = True
    reads_gains: bool = False
    k_from: str = ""


def load_solver(name: str) -> Solver:
    """Return the solver of that name.

    Raises:
        SettingsError: There is none.
    """
    return plugins.load("solvers", name, Solver)
