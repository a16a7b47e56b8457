"""The few-shot regimes: what each starts from, on what it trains, and whether gradients are operated on.

Xu & Murray, Findings of NAACL 2022. The source language has all its training texts, each target K shots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradsim_shared.errors import SettingsError
from gradsim_shared.nearest import unknown


@dataclass(frozen=True)
class Regime:
    """A way to use the shots.

    Attributes:
        name: On the command line and in the tables.
        description: One line for people.
        second_step: It goes on from the source model and trains on shots alone; else it starts from the encoder and
            trains on the source's texts, too.
        shots: Whether it sees the shots.
        apart: A model for each target, on this target's shots alone; else one model for all.
        surgery: Whether the source's and the shots' gradients are operated on, with the shots as oracle data.
    """

    name: str
    description: str
    second_step: bool = False
    shots: bool = True
    apart: bool = False
    surgery: bool = False

    def strategy(self, targets: Sequence[str], alpha: float) -> dict[str, Any]:
        """Return the training settings that name the strategy; without surgery: plain training."""
        if not self.surgery:
            return {"strategy": "mixed", "strategy_options": {}}
        return {"strategy": "surgery", "strategy_options": {"alpha": alpha, "targets": list(targets)}}


ZERO_SHOT = Regime("zero-shot", "the source's texts alone", shots=False)
ORD_FS = Regime("ord-fs", "the source model, trained on for each target on its shots", second_step=True, apart=True)
MIX_FT = Regime("mix-ft", "the source model, trained on once on the shots of all targets", second_step=True)
NAIVE_MIX = Regime("naive-mix", "one training on the source's texts and all shots")
GRADIENT_MIX = Regime("gradient-mix", "naive-mix with surgery: no step may harm a random target's shots", surgery=True)
REGIMES = {
    regime.name: regime for regime in (ZERO_SHOT, ORD_FS, MIX_FT, NAIVE_MIX, GRADIENT_MIX)
}  # in the order of the tables
DEFAULT = tuple(name for name in REGIMES if name != ZERO_SHOT.name)


def choose(names: Sequence[str]) -> tuple[Regime, ...]:
    """Return the regimes of these names in the order of the tables; the baseline ``zero-shot`` is always among them.

    Args:
        names: As on the command line.

    Raises:
        SettingsError: One is unknown, or none is named.
    """
    if not names:
        raise SettingsError(f"--regimes: name at least one of {', '.join(REGIMES)}")
    for name in names:
        if name not in REGIMES:
            raise SettingsError("--regimes: " + unknown("regime", name, REGIMES))
    return tuple(regime for regime in REGIMES.values() if regime.name in (ZERO_SHOT.name, *names))
