"""A similarity matrix of your own, from a CSV or JSON file; any number for every two languages, in both directions."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from pydantic import Field, field_validator

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.section import Section
from gradsim_offline.similarity.matrix_file import read_matrix
from gradsim_offline.similarity.measure import MeasureContext, SimilarityMeasure
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.errors import DataError


class Options(Section):
    """Settings of the measure ``given``."""

    path: str = Field("", description="the file: .csv, .tsv or .json; docs/measures.md shows their forms")
    distances: bool = Field(False, description="the file holds distances d: S is 1 - d")

    @field_validator("path")
    @classmethod
    def _is_there(cls, path: str) -> str:
        if not path:
            raise ValueError("name the file with the matrix: --set similarity.path=FILE")
        if not Path(path).is_file():
            raise ValueError("there is no such file")
        return path


def fingerprint(options: Options) -> str:
    """Return the SHA-256 of the file, so that a changed file is read again."""
    return hashlib.sha256(Path(options.path).read_bytes()).hexdigest()


def measure(context: MeasureContext) -> Measured:
    """Read S; nothing is trained. ``S[i, j]``, row i, column j: what training on j does for i; it may be asymmetric.

    Raises:
        DataError: File, row and column, and what is wrong there.
    """
    started = time.monotonic()
    options, dataset = context.options, context.dataset
    _, matrix = read_matrix(Path(options.path), lambda name: _language(name, dataset), dataset.languages)
    return Measured(
        "given",
        dataset.languages,
        1 - matrix if options.distances else matrix,
        settings={
            "path": Path(options.path).name,  # the folder is nobody's business: settings go into the bundle
            "distances": options.distances,
            "sha256": fingerprint(options),
        },
        seconds=time.monotonic() - started,
    )


def _language(name: str, dataset: Dataset) -> str | None:
    """Return the data set's language that a name stands for, by the data set's own aliases before ISO 639."""
    if name in dataset.languages:
        return name
    for code, aliases in dataset.aliases.items():
        if name in aliases:
            return code if code in dataset.languages else None
    try:
        found = codes.resolve(name)
    except DataError:
        return None
    return found if found in dataset.languages else None


PLUGIN = SimilarityMeasure(measure, fingerprint=fingerprint, options=Options)
