"""The trunk: the lower part of an encoder that runs once over texts of several groups, whose models then read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.manifest_models import Trunk
from gradsim_shared.token_model import Session, TokenModel

POOLED_INPUTS = {"features"}
HIDDEN_INPUTS = {"hidden_states", "attention_mask"}


@dataclass(frozen=True, slots=True)
class TrunkOutput:
    """What a trunk says of pieces that ran together.

    Attributes:
        states: ``[pieces, width]``, or ``[pieces, tokens, width]`` with padding; float32.
        mask: ``[pieces, tokens]``: 1 for a token, 0 for padding.
    """

    states: NDArray[np.float32]
    mask: NDArray[np.int64]

    def rows(self, rows: Sequence[int]) -> TrunkOutput:
        """Return that of some pieces, in ascending order; rows that follow each other are a view, no copy."""
        if rows[-1] - rows[0] == len(rows) - 1:
            return TrunkOutput(self.states[rows[0] : rows[-1] + 1], self.mask[rows[0] : rows[-1] + 1])
        return TrunkOutput(self.states[list(rows)], self.mask[list(rows)])

    def inputs(self) -> dict[str, NDArray[np.generic]]:
        """Return it under the names of the groups' inputs."""
        if self.states.ndim == 2:
            return {"features": self.states}
        return {"hidden_states": self.states, "attention_mask": self.mask}


class TrunkModel(TokenModel):
    """The trunk of a bundle. It may be used from several threads.

    Args:
        session: Runs trunk.onnx.
        entry: The trunk's in the manifest.

    Raises:
        BundleError: It asks for inputs that this version does not know.
    """

    def __init__(self, session: Session, entry: Trunk) -> None:
        super().__init__(session, entry, "the trunk")
        self._output, self._width = entry.output, entry.width

    @property
    def inputs_of_groups(self) -> set[str]:
        """What a group's model may ask for."""
        return POOLED_INPUTS if self._output == "pooled" else HIDDEN_INPUTS

    def run(self, ids: Sequence[Sequence[int]]) -> TrunkOutput:
        """Run pieces of texts together.

        Raises:
            ValueError: The outputs are not of the shape that the manifest names.
        """
        output = TrunkOutput(*self.run_padded(ids))
        found, expected = output.states.shape, self._shape(output.mask)
        if found != expected:
            raise ValueError(f"the trunk's outputs have the shape {found}, not {expected}")
        return output

    def blank(self, pieces: int, tokens: int) -> TrunkOutput:
        """Return an output of zeros, to try a group's model with."""
        mask = np.ones((pieces, self.padded(tokens)), np.int64)
        return TrunkOutput(np.zeros(self._shape(mask), np.float32), mask)

    def _shape(self, mask: NDArray[np.int64]) -> tuple[int, ...]:
        pieces, tokens = mask.shape
        return (pieces, self._width) if self._output == "pooled" else (pieces, tokens, self._width)
