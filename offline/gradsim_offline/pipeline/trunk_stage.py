"""The stages before heads over a frozen encoder are trained: the trunk is exported, and reads all texts once."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.run_directory import RunDirectory, StageResult
from gradsim_offline.models.trunk import export_trunk, pooled_blocks, read_trunk
from gradsim_offline.training.encoders.pretrained import Encoder
from gradsim_offline.training.linear_start import Trunk
from gradsim_offline.training.trunk_outputs import OUTPUTS_FOLDER
from gradsim_offline.training.trunk_texts import TrunkTexts
from gradsim_shared.errors import DataError
from gradsim_shared.group_model import served_precision
from gradsim_shared.normalisation import normalise

_FORM = 1  # of a trunk: raise it with what is exported
_COMPARED = 100  # training texts on which the forms of a trunk are compared
_KEPT_FREE = 2**28  # bytes of the disk that kept outputs leave


def trunk_of(
    encoder: Encoder,
    dataset: Dataset,
    run: RunDirectory,
    *,
    common: Mapping[str, Any],
    maximum_length: int,
    whole: bool,
) -> tuple[StageResult, Trunk]:
    """Export an encoder as a trunk, a stage, and let it read all texts; return the stage and where things lie.

    Args:
        encoder: To be frozen.
        dataset: The examples; of dev and test no labels are looked at.
        run: The run directory.
        common: What every training depends on.
        maximum_length: Tokens that it reads at once.
        whole: Keep it in 32 bits.

    Raises:
        GradsimError: It cannot be exported, or the disk is too small.
    """
    train = {code: [normalise(e.text) for e in dataset.split(code, "train")] for code in dataset.languages}

    def export(directory: Path) -> None:
        share = max(1, _COMPARED // len(train))
        texts = list(chain.from_iterable(some[:share] for some in train.values()))
        export_trunk(
            encoder.path,
            directory,
            blocks=pooled_blocks(encoder.path),
            texts=texts,
            maximum_length=maximum_length,
            whole=whole,
        )

    inputs = {**common, "encoder": encoder.digest, "whole": whole, "form": _FORM}
    done = run.stage("trunk", inputs, export, title="trunk: the frozen encoder")
    entry = read_trunk(done.directory)
    name, form = next(iter(entry.precisions.items()))
    size = (done.directory / served_precision(entry).file).stat().st_size / 1e6
    run.progress.note(
        f"  {entry.width} numbers a text; {name}, {size:.0f} MB; cosine with the encoder {form.cosine:.4f}"
    )
    outputs = run.directory / OUTPUTS_FOLDER / hashlib.sha256(done.digest.encode()).hexdigest()[:16]
    for other in outputs.parent.glob("*"):
        if other != outputs:  # of a trunk that is no more
            shutil.rmtree(other, ignore_errors=True)
    _read_all(TrunkTexts.open(done.directory, outputs, maximum_length), train, dataset, run)
    return done, Trunk(done.directory, outputs)


def _read_all(texts: TrunkTexts, train: Mapping[str, Sequence[str]], dataset: Dataset, run: RunDirectory) -> None:
    """Compute what the trunk says of train and dev texts, and is not kept yet."""
    everything = list(chain.from_iterable(train.values()))
    for code in dataset.languages:
        everything += [normalise(example.text) for example in dataset.split(code, "dev")]
    ids = texts.ids(everything)
    missing = texts.kept.missing(ids)
    if not missing:
        return
    needed = missing * texts.kept.width * 2
    free = shutil.disk_usage(run.directory).free
    if needed + _KEPT_FREE > free:
        raise DataError(
            f"the outputs of the frozen encoder take {needed / 1e6:.0f} MB for {missing} texts, and {run.directory} "
            f"has {free / 1e6:.0f} MB left; free some, or choose another --out"
        )
    run.progress.note(f"the trunk reads {missing} texts; its outputs are kept: {needed / 1e6:.1f} MB", heading=True)
    with run.progress.bar("texts", missing) as advance:
        texts.kept.of(ids, advance)
