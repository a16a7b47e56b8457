"""TAPT in a build: the whole set's encoder before everything, or one for each group's members; skipped, resumed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import Settings
from gradsim_offline.pipeline.recipes import changed, resolve
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.tasks import text_classification
from gradsim_offline.training import fine_tune as fine_tuning
from gradsim_offline.training.adapt import ADAPTED
from gradsim_shared.errors import SettingsError

SCHEDULE = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-3}


class Notes(Progress):
    """Keeps what is said."""

    def __init__(self):
        super().__init__(quiet=True)
        self.said = []

    def note(self, text, *, heading=False):
        """Keep it."""
        self.said.append(text)


@pytest.fixture
def work(small, tiny_mini, tmp_path):
    def make(mode, notes=None, folder="run", **adapting):
        settings = Settings(
            model=str(tiny_mini),
            maximum_length=64,
            device="cpu",
            adapting={"mode": mode, **SCHEDULE, **adapting},
            measuring={**SCHEDULE, "minimum_steps": 0},
            training={**SCHEDULE, "minimum_steps": 0},
        )
        return Pipeline(settings, small, text_classification.PLUGIN, RunDirectory(tmp_path / folder, notes or Notes()))

    return make


def weights(directory):
    return load_file(Path(directory) / "model.safetensors")


def test_the_whole_set_is_read_once_before_everything(work, tiny_mini, tmp_path):
    notes = Notes()
    mine = work("tapt", notes)
    encoder = mine.prepare_encoder()
    assert encoder.path == str(tmp_path / "run" / "adapt") and encoder.digest
    found = json.loads((tmp_path / "run" / "adapt" / ADAPTED).read_text())
    assert found["texts"] == {"eng": 17, "hau": 30, "tur": 9} and list(found["perplexity"]) == ["eng", "hau", "tur"]
    assert found["perplexity"]["hau"]["texts"] == 12  # its dev texts
    plain = work("none", folder="plain").prepare_encoder()
    assert plain.path == str(tiny_mini)
    assert mine.measuring_inputs(encoder)["encoder"] == encoder.digest != plain.digest
    other = replace(mine, settings=changed(mine.settings, "measuring.averaged_epochs", 1))
    assert mine.measuring_inputs(encoder) != other.measuring_inputs(encoder)
    for measure in ("transfer", "embedding", "typology", "family", "identity"):  # they read nothing of that section
        one, two = (replace(w, settings=changed(w.settings, "measure", measure)) for w in (mine, other))
        assert one.measuring_inputs(encoder) == two.measuring_inputs(encoder)
    mine.measure(encoder)
    assert mine.train_multilingual(encoder).directory == tmp_path / "run" / "measure"  # both start from it
    again = Notes()
    assert work("tapt", again).prepare_encoder() == encoder
    titles = ("what the encoder reads", "adapt the encoder to the training texts")
    assert again.said == [f"{title}: up to date, skipped" for title in titles]
    assert work("tapt", epochs=2).prepare_encoder().digest != encoder.digest


def test_each_group_starts_from_its_members_texts(work, small, monkeypatch, tmp_path):
    started, tuned = {}, fine_tuning.fine_tune

    def watch(*arguments, context, **rest):
        encoder = context.encoder
        started[arguments[1]] = (weights(encoder), json.loads((Path(encoder) / ADAPTED).read_text())["texts"])
        return tuned(*arguments, context=context, **rest)

    monkeypatch.setattr(fine_tuning, "fine_tune", watch)
    mine = work("tapt-group")
    encoder = mine.prepare_encoder()
    assert encoder == work("none").prepare_encoder()
    pair = mine.train(encoder, ("eng", "hau"), ("eng", "hau"))
    alone = mine.train(encoder, ("tur",), ("tur",))
    assert started["eng", "hau"][1] == {"eng": 17, "hau": 30} and started["tur",][1] == {"tur": 9}
    plain, name = weights(encoder.path), "mini.encoder.word_embeddings.weight"
    assert not torch.equal(started["eng", "hau"][0][name], plain[name])
    assert not torch.equal(started["eng", "hau"][0][name], started["tur",][0][name])
    for done, members in ((pair, {"eng": 17, "hau": 30}), (alone, {"tur": 9})):
        assert json.loads((done.directory / ADAPTED).read_text())["texts"] == members
        assert not (done.directory / "work").exists()  # the adapted encoder is not kept
    monkeypatch.undo()
    assert mine.train(encoder, ("tur",), ("tur",)) == alone
    inputs = [work(mode).store.training_inputs(encoder, ("tur",), ("tur",)) for mode in ("none", "tapt", "tapt-group")]
    assert "adapting" not in inputs[0] and inputs[0] == inputs[1] and inputs[2]["adapting"]["mode"] == "tapt-group"


def test_a_group_model_that_was_interrupted_keeps_its_adapted_encoder(work, monkeypatch):
    mine = work("tapt-group", folder="whole")
    encoder = mine.prepare_encoder()
    whole = mine.train(encoder, ("tur",), ("tur",))

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fine_tuning, "fine_tune", interrupted)
        work("tapt-group", folder="broken").train(encoder, ("tur",), ("tur",))
    notes = Notes()
    broken = work("tapt-group", notes, folder="broken").train(encoder, ("tur",), ("tur",))
    assert not any("perplexity" in note for note in notes.said) and broken.digest == whole.digest


def test_with_tapt_group_the_joint_model_is_not_reused(work):
    mine = work("tapt-group")
    encoder = mine.prepare_encoder()
    mine.measure(encoder)
    assert mine.train_multilingual(encoder).directory.name == "multilingual"


def test_adapting_settings_are_checked():
    assert resolve("mini", {"adapting.mode": "tapt"}).adapting.mode == "tapt"
    with pytest.raises(SettingsError, match=r"adapting.mode = 'dapt'"):
        resolve("mini", {"adapting.mode": "dapt"})
