"""The stages before what stands on a frozen trunk is trained: it is exported, and reads all texts once."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.run_directory import RunDirectory, StageResult
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.models.trunk import export_trunk, read_trunk
from gradsim_offline.pipeline.training_setup import TrainingSetup
from gradsim_offline.training.encoders.pretrained import Encoder
from gradsim_offline.training.linear_start import Trunk
from gradsim_offline.training.trunk_outputs import OUTPUTS_FOLDER, TrunkOutputs
from gradsim_offline.training.trunk_texts import close_outputs, open_outputs
from gradsim_shared.decoding import Reader
from gradsim_shared.errors import DataError
from gradsim_shared.group_model import served_precision
from gradsim_shared.segments import normalised

_FORM = 2  # of a trunk: raise it with what is exported
_COMPARED = 100  # training texts on which the forms of a trunk are compared
_KEPT_FREE = 2**28  # bytes of the disk that kept outputs leave


def trunk_of(setup: TrainingSetup, encoder: Encoder, trained_blocks: int) -> tuple[StageResult, Trunk]:
    """Export an encoder as a trunk, a stage, and let it read all texts; return the stage and where things lie.

    Args:
        setup: Settings, data and run directory; of dev and test no labels are looked at.
        encoder: To be frozen.
        trained_blocks: Upper ones that are no part of it.

    Raises:
        GradsimError: It cannot be exported, or the disk is too small.
    """
    dataset, run, maximum_length = setup.dataset, setup.run, setup.settings.maximum_length
    whole = setup.settings.exporting.precision == "fp32"

    def export(directory: Path) -> None:
        share = max(1, _COMPARED // len(dataset.languages))
        texts = [normalised(e.text) for code in dataset.languages for e in dataset.split(code, "train")[:share]]
        export_trunk(
            encoder.path,
            directory,
            trained_blocks=trained_blocks,
            texts=texts,
            maximum_length=maximum_length,
            whole=whole,
        )

    inputs = {**setup.common, "encoder": encoder.digest, "blocks": trained_blocks, "whole": whole, "form": _FORM}
    done = run.stage("trunk", inputs, export, title="trunk: the frozen encoder")
    entry = read_trunk(done.directory)
    name, form = next(iter(entry.precisions.items()))
    size = (done.directory / served_precision(entry).file).stat().st_size / 1e6
    run.progress.note(
        f"  {entry.width} numbers a text; {name}, {size:.0f} MB; cosine with the encoder {form.cosine:.4f}; "
        f"{form.latency_milliseconds:.1f} ms for a text of median length on one thread"
    )
    outputs = run.directory / OUTPUTS_FOLDER / hashlib.sha256(done.digest.encode()).hexdigest()[:16]
    for other in outputs.parent.glob("*"):
        if other != outputs:  # of a trunk that is no more
            close_outputs()
            shutil.rmtree(other, ignore_errors=True)
    tokenizer, _ = load_tokenizer(done.directory, maximum_length=maximum_length)
    _read_all(
        open_outputs(done.directory.resolve(), outputs.resolve()),
        setup.task.decoder.Reader(tokenizer, maximum_length),
        dataset,
        run,
        {**setup.common, "trunk": done.digest},
    )
    return done, Trunk(done.directory, outputs)


def _read_all(
    outputs: TrunkOutputs, reader: Reader, dataset: Dataset, run: RunDirectory, inputs: Mapping[str, Any]
) -> None:
    """Compute what the trunk says of train and dev texts, and is not kept yet: a stage, whose folder stays empty."""
    examples = [e for split in ("train", "dev") for code in dataset.languages for e in dataset.split(code, split)]
    ids = reader.read([example.input for example in examples]).ids
    pieces, rows = outputs.missing(ids)

    def read(_: Path) -> None:
        needed, free = rows * outputs.row_bytes, shutil.disk_usage(run.directory).free
        if needed + _KEPT_FREE > free:
            raise DataError(
                f"the outputs of the frozen encoder take {needed / 1e6:.0f} MB for {pieces} texts, and "
                f"{run.directory} has {free / 1e6:.0f} MB left; free some, or choose another --out"
            )
        run.progress.note(f"  the trunk reads {pieces} texts; its outputs are kept: {needed / 1e6:.1f} MB")
        with run.progress.bar("texts", pieces) as advance:
            outputs.of(ids, advance)

    run.stage("trunk-texts", inputs, read, title="texts by the frozen encoder", whole=lambda: not pieces)
