"""What cannot be is said in one line, before anything is trained."""

from __future__ import annotations

import pytest

from ..program import gradsim


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shots": "0,5"}, "--shots 0,5: name numbers from 1 up"),
        ({"shots": "one"}, "--shots one: name numbers from 1 up"),
        ({"shots": ","}, "name numbers from 1 up"),
        ({"shots": "30"}, "--shots 30 needs more training texts than there are: hau has"),
        ({"source": "fra"}, "unknown source language 'fra'"),
        ({"targets": "fra"}, "unknown target language 'fra'"),
        ({"targets": "hau,eng"}, "eng is the source language"),
        ({"targets": "en"}, "eng is the source language"),
        ({"languages": "eng"}, "there is no target"),
        ({"regimes": "naive-mx"}, "unknown regime 'naive-mx'"),
        ({"regimes": ","}, "name at least one of zero-shot"),
        ({"seeds": 0}, "--seeds 0: it takes at least one"),
        ({"alpha": 1.5}, "--alpha 1.5"),
        ({"alpha": "nan"}, "--alpha nan"),
        ({"heatmap_shots": 3}, "--heatmap-shots 3: it is one of --shots 1,2"),
        ({"adapt": "tapt-group"}, "adapting.mode = tapt-group"),
    ],
)
def test_invalid_options_are_one_message(words, tmp_path, changes, message):
    code, shown, said = gradsim(*words(tmp_path / "run", **changes))
    assert (code, shown) == (1, "")
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("setting", ["training.strategy=pcgrad", "training.fraction=0.5"])
def test_what_a_regime_decides_cannot_be_set(words, tmp_path, setting):
    code, _, said = gradsim(*words(tmp_path / "run"), "--set", setting)
    assert code == 1
    assert setting.partition("=")[0] in said


@pytest.mark.parametrize("settings", [("training.ensemble=3",), ("training.ensemble=2", "training.distil=true")])
def test_ensembles_are_refused_and_not_passed_over(words, tmp_path, settings):
    flags = [word for setting in settings for word in ("--set", setting)]
    code, _, said = gradsim(*words(tmp_path / "run"), *flags)
    assert code == 1 and len(said.strip().splitlines()) == 1
    assert settings[0].replace("=", " = ") in said and ("training.distil" in said) == (len(settings) == 2)
    assert "few-shot trains single models" in said


def test_the_source_may_be_named_by_another_code_of_it(words, copied):
    code, _, said = gradsim(*words(copied, source="en", targets="ha,tr"))
    assert code == 0, said
    assert "resumes" not in said
