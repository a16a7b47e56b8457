"""A measured similarity matrix S with its settings and cost, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.run_directory import write_json
from gradsim_offline.similarity.gains import GroupAnswers, read_answers
from gradsim_offline.similarity.reliability import Reliability

SIMILARITY_FILE, ANSWERS_FILE = "similarity.json", "gains.npz"


@dataclass(frozen=True)
class Measured:
    """A similarity matrix.

    Attributes:
        measure: The name of the measure.
        languages: Rows and columns of the matrix.
        matrix: S, ``[N, N]``; ``S[i, j]``: how much training on j is expected to help i.
        split_half: Each language's similarity with itself, between two halves of its own data, ``[N]``; ``None``:
            the measure has no such thing.
        epochs: S of every epoch, ``[epochs, N, N]``; empty when the measure has no epochs.
        layers: S by tracked layer; the first is ``matrix``.
        settings: What it was measured with.
        seconds: Wall time of the measurement.
        reliability: How it repeats between halves of the data; ``None``: the measure has no halves, or one language.
        answers: What every group answers to dev texts, of which F is made; ``None``: the measure looks at pairs only.
    """

    measure: str
    languages: tuple[str, ...]
    matrix: NDArray[np.float64]
    split_half: NDArray[np.float64] | None = None
    epochs: tuple[NDArray[np.float64], ...] = ()
    layers: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    reliability: Reliability | None = None
    answers: GroupAnswers | None = None

    @property
    def counted(self) -> slice:
        """The epochs that S is the mean of; a measure without tracked layers averages all."""
        return counted_epochs(self.settings) if self.layers else slice(None)

    def save(self, path: Path) -> None:
        """Write it as JSON; answers of groups to a file beside it."""
        if self.answers is not None:
            self.answers.save(path.with_name(ANSWERS_FILE))
        write_json(
            path,
            {
                "measure": self.measure,
                "languages": list(self.languages),
                "similarity": self.matrix.tolist(),
                "split_half": None if self.split_half is None else self.split_half.tolist(),
                "epochs": [matrix.tolist() for matrix in self.epochs],
                "layers": {name: matrix.tolist() for name, matrix in self.layers.items()},
                "settings": dict(self.settings),
                "seconds": round(self.seconds, 1),
                "reliability": None if self.reliability is None else asdict(self.reliability),
            },
        )


def counted_epochs(settings: Mapping[str, Any]) -> slice:
    """Return the epochs that ``skipped_epochs`` and ``averaged_epochs`` leave; ``averaged_epochs`` ``None``: all."""
    first, number = settings.get("skipped_epochs", 0), settings.get("averaged_epochs")
    return slice(first, None if number is None else first + number)


def read_measured(path: Path) -> Measured:
    """Read what ``Measured.save`` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Measured(
        content["measure"],
        tuple(content["languages"]),
        np.array(content["similarity"]),
        None if content["split_half"] is None else np.array(content["split_half"]),
        tuple(np.array(matrix) for matrix in content["epochs"]),
        {name: np.array(matrix) for name, matrix in content["layers"].items()},
        content["settings"],
        content["seconds"],
        Reliability(**kept) if (kept := content.get("reliability")) else None,
        read_answers(beside) if (beside := path.with_name(ANSWERS_FILE)).is_file() else None,
    )
