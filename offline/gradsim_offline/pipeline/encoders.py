"""The stages that prepare what trainings start from: an encoder, adapted or on a trunk, or the settings of n-grams."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradsim_offline.core.run_directory import write_json
from gradsim_offline.core.settings import NGRAMS
from gradsim_offline.pipeline.training_setup import TrainingSetup
from gradsim_offline.training.encoders import pretrained
from gradsim_offline.training.encoders.pretrained import Encoder

_READING, _CUT_FILE = "reading", "cut.json"
_HELD_OUT = 200  # texts of a language, at most, on which mini's perplexity is measured


def prepare_encoder(setup: TrainingSetup, adapted: str = "adapt") -> Encoder:
    """Make ``mini``, or look that a named encoder can be found; adapt it to all training texts if that is asked.

    Args:
        setup: Settings, data and run directory.
        adapted: Folder of the adapted encoder.
    """
    encoder = _starting_encoder(setup)
    if setup.settings.model != NGRAMS:
        _try(setup, encoder)
    if setup.settings.model not in ("mini", NGRAMS) and setup.settings.trim_vocabulary:
        from gradsim_offline.pipeline.vocabulary import trimmed_encoder

        common, extra = setup.settings.common_pieces, setup.settings.extra_texts
        encoder = trimmed_encoder(encoder, setup.dataset, setup.run, common=common, extra_texts=extra)
    if setup.settings.adapting.mode == "tapt":
        encoder = _adapted(setup, encoder, adapted)
    blocks = setup.settings.training.trained_blocks
    return encoder if blocks == "all" else _on_trunk(setup, encoder, blocks)


def _starting_encoder(setup: TrainingSetup) -> Encoder:
    settings = setup.settings
    if settings.model == NGRAMS:
        return ngrams_start(setup)
    if settings.model != "mini":
        return pretrained.find(settings.model, setup.run.progress)
    from gradsim_offline.training.encoders import mini
    from gradsim_offline.training.text_folders import data_texts

    def make(directory: Path) -> None:
        texts = data_texts(setup.dataset, _HELD_OUT, settings.seed)
        mini.make(
            {code: [some[i] for i in range(len(some))] for code, some in texts.train.items()},
            directory,
            settings=settings.pretraining,
            context=setup.pretraining_context("encoder"),
            held_out=texts.held_out,
        )

    inputs = {**setup.common, "pretraining": settings.pretraining.model_dump()}
    done = setup.run.stage("encoder", inputs, make, title="mini encoder")
    return Encoder(str(done.directory), done.digest)


def ngrams_start(setup: TrainingSetup) -> Encoder:
    """Return what a linear classifier over n-grams starts from: its settings."""
    from gradsim_offline.training.linear_start import LinearStart

    start = LinearStart(setup.settings.ngrams)
    done = setup.run.stage("ngrams/settings", {"ngrams": start.ngrams.model_dump()}, start.save, title="n-grams")
    return Encoder(str(done.directory), done.digest, kind="ngrams")


def _try(setup: TrainingSetup, encoder: Encoder) -> None:
    """Find before anything is trained what the encoder cannot do; say how many texts are cut."""
    settings = setup.settings

    def read(directory: Path) -> None:
        from gradsim_offline.pipeline.encoder_trial import try_encoder
        from gradsim_offline.training.cut_texts import count_cut

        how: dict[str, Any] = {"task": setup.task, "maximum_length": settings.maximum_length}
        if settings.model != "mini":
            try_encoder(encoder.path, setup.dataset.labels, **how)
        cut, covering = count_cut(setup.dataset, encoder.path, **how)
        write_json(directory / _CUT_FILE, {"cut": cut, "covering": covering})

    inputs = {**setup.common, "data": setup.dataset.fingerprint(), "encoder": encoder.digest, "form": 2}
    done = setup.run.stage(_READING, inputs, read, title="what the encoder reads")
    from gradsim_offline.training.cut_texts import describe_cut

    found = json.loads((done.directory / _CUT_FILE).read_text(encoding="utf-8"))
    if note := describe_cut(found["cut"], setup.dataset, settings.maximum_length, found["covering"]):
        setup.run.progress.note(f"  {note}")


def longer(setup: TrainingSetup) -> dict[str, dict[str, int]]:
    """Return how many texts are longer than a model reads at once, by split and language, without zeros.

    Tagged sentences and contexts of questions are none: they are read in windows; n-grams are read of whole texts. It
    is known when the encoder is there.
    """
    if setup.dataset.read_whole or setup.settings.model == NGRAMS:
        return {}
    found = json.loads((setup.run.directory / _READING / _CUT_FILE).read_text(encoding="utf-8"))
    return dict(found["cut"])


def _adapted(setup: TrainingSetup, encoder: Encoder, adapted: str) -> Encoder:
    inputs = {**setup.common, "adapting": setup.settings.adapting.model_dump(), "encoder": encoder.digest}
    inputs["precision"] = setup.arithmetic.precision

    def adapt(directory: Path) -> None:
        adapt_encoder(setup, encoder, setup.dataset.languages, directory, adapted)

    done = setup.run.stage(adapted, inputs, adapt, title="adapt the encoder to the training texts")
    return Encoder(str(done.directory), done.digest)


def adapt_encoder(setup: TrainingSetup, encoder: Encoder, members: Sequence[str], directory: Path, stage: str) -> None:
    """Train the encoder on, on the members' training texts without their labels."""
    from gradsim_offline.training.adapt import adapt
    from gradsim_offline.training.text_folders import data_texts

    settings = setup.settings
    adapt(
        data_texts(setup.dataset, settings.adapting.held_out, settings.seed).of(members),
        encoder.path,
        directory,
        settings=settings.adapting,
        context=setup.pretraining_context(stage),
    )


def _on_trunk(setup: TrainingSetup, encoder: Encoder, blocks: int) -> Encoder:
    """Return what stands on a trunk, which has read all texts: heads, or upper blocks of the encoder."""
    from gradsim_offline.pipeline.trunk_stage import trunk_of
    from gradsim_offline.training.linear_start import LinearStart

    stage, trunk = trunk_of(setup, encoder, blocks)
    inputs: dict[str, Any] = {"trunk": stage.digest}
    if blocks:

        def save(directory: Path) -> None:
            from gradsim_offline.models.top import save_top

            save_top(encoder.path, directory, trained_blocks=blocks)
            trunk.save(directory)

        done = setup.run.stage("top", {**inputs, "blocks": blocks}, save, title=f"the upper {blocks} blocks")
        return Encoder(str(done.directory), done.digest)
    start = LinearStart(setup.settings.ngrams, trunk)
    done = setup.run.stage(
        "heads", {**inputs, "ngrams": setup.settings.ngrams.model_dump()}, start.save, title="heads over the trunk"
    )
    return Encoder(str(done.directory), done.digest, kind="frozen")
