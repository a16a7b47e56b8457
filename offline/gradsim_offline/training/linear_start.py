"""What a linear classifier starts from: the settings of its n-grams, and a trunk whose outputs it reads as well."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from gradsim_offline.core.run_directory import write_json
from gradsim_offline.core.training_settings import NGrams

START_FILE, STANDS_ON_FILE = "linear.json", "stands-on.json"
WIDE_FOLDER = "wide"
"""Of a model over a trunk: the linear model over n-grams whose logits are added."""


@dataclass(frozen=True)
class Trunk:
    """Where a trunk and its outputs lie.

    Attributes:
        directory: Of the trunk.
        outputs: Of what it says of texts.
    """

    directory: Path
    outputs: Path

    def save(self, directory: Path) -> None:
        """Note in a directory of the same run that what lies there stands on the trunk."""
        places = {name: os.path.relpath(path.resolve(), directory.resolve()) for name, path in vars(self).items()}
        write_json(directory / STANDS_ON_FILE, places)


@dataclass(frozen=True)
class LinearStart:
    """What a linear classifier starts from.

    Attributes:
        ngrams: Of the n-grams that it reads.
        trunk: Whose outputs it reads as well; ``None``: it reads n-grams only.
    """

    ngrams: NGrams
    trunk: Trunk | None = None

    def save(self, directory: Path) -> None:
        """Write it to a directory."""
        write_json(directory / START_FILE, self.ngrams.model_dump())
        if self.trunk is not None:
            self.trunk.save(directory)


def is_linear_start(encoder: str | Path) -> bool:
    """Return whether what a training starts from was written by ``LinearStart.save``."""
    return (Path(encoder) / START_FILE).is_file()


def read_linear_start(directory: str | Path) -> LinearStart:
    """Read what ``LinearStart.save`` wrote."""
    ngrams = NGrams.model_validate_json((Path(directory) / START_FILE).read_bytes())
    return LinearStart(ngrams, trunk_below(directory))


def trunk_below(directory: str | Path) -> Trunk | None:
    """Return the trunk that what lies in a directory stands on; ``None``: none."""
    file = Path(directory) / STANDS_ON_FILE
    if not file.is_file():
        return None
    places = json.loads(file.read_text(encoding="utf-8"))
    return Trunk(**{name: (Path(directory) / place).resolve() for name, place in places.items()})
