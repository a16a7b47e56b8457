"""The group that is named for a new language, the evidence beside it, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import cosine_similarity

from gradsim_offline.cli.assign import command
from gradsim_offline.datasets.sources import demo
from gradsim_offline.experiments.assign import bootstrap as _bootstrap
from gradsim_offline.experiments.assign import ranked, ranking
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import GradsimError


def assign(*words):
    """Call the command; return what it prints. Errors come through."""
    return CliRunner().invoke(command, [*map(str, words), "-q"], catch_exceptions=False).output


def options(bundle, data, language="spa", **more):
    given = {"bundle": bundle.directory, "data": data, "language": language, **more}
    return [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]


def sentences(code, split="train"):
    return demo.load(languages=[code]).split(code, split)


@pytest.mark.parametrize("copied", ["hau", "hin"])
def test_copies_of_a_language_go_to_its_group(bundle, write_texts, tmp_path, copied):
    shown = assign(*options(bundle, write_texts("spa", sentences(copied, "dev")), json=tmp_path / "found" / "spa.json"))
    found = json.loads((tmp_path / "found" / "spa.json").read_text(encoding="utf-8"))
    server = next(language.group for language in bundle.manifest.languages if language.code == copied)
    assert next(iter(found["similarities"])) == copied
    assert found["similarities"][copied] == pytest.approx(1, abs=1e-5)
    assert found["group"] == server and f"spa (Spanish) belongs to {server}" in shown
    assert (found["language"], found["examples"], found["metric"]) == ("spa", 40, "weighted_f1")
    for wins in ("wins", "score_wins"):
        assert sum(group[wins] for group in found["groups"]) == pytest.approx(1)
    scores = [group["score"] for group in found["groups"]]
    assert scores == sorted(scores, reverse=True)
    for group in found["groups"]:
        mean = np.mean([found["similarities"][member] for member in group["members"]])
        assert group["similarity"] == pytest.approx(mean)
        assert f"{group['similarity']:.3f} ± {group['similarity_error']:.3f}" in shown
        assert 0 <= group["score"] <= 1 and group["score_error"] > 0
    best = next(group for group in found["groups"] if group["id"] == server)
    assert best["score"] == max(group["score"] for group in found["groups"])


@pytest.fixture
def found_by(bundle, write_texts, tmp_path, monkeypatch):
    """What is found for copies of Hausa, and shown, where the groups' models have the scores that are given."""
    data = write_texts("spa", sentences("hau", "dev"))
    server = next(language.group for language in bundle.manifest.languages if language.code == "hau")

    def find(of_server, of_other, *words):
        scores = np.array([of_server if group.id == server else of_other for group in bundle.manifest.groups])
        monkeypatch.setattr(ranking, "_scores", lambda *_, **__: (scores, np.stack([scores] * 20)))
        shown = assign(*options(bundle, data, json=tmp_path / "found.json"), *words)
        return json.loads((tmp_path / "found.json").read_text(encoding="utf-8")), shown, server

    return find


def test_the_score_chooses_unless_the_gradient_is_asked_to(found_by):
    found, shown, server = found_by(0.4, 0.6)
    assert found["group"] == found["by_score"] == found["groups"][0]["id"] != server
    assert (found["by"], found["by_gradient"], found["decided"]) == ("score", server, True)
    assert f"belongs to {found['group']}" in shown and f"(decided, by score); by gradient to {server}" in shown
    turned, shown, _ = found_by(0.4, 0.6, "--by", "gradient")
    assert turned["group"] == turned["by_gradient"] == turned["groups"][0]["id"] == server
    assert (turned["by"], turned["by_score"]) == ("gradient", found["group"])
    assert f"by gradient); by score to {found['group']}" in shown and "--by score chooses it" in shown


def test_a_gradient_that_is_sure_of_another_group_is_a_note():
    by_score = ranked.RankedGroup("g1", ("eng",), 0.2, 0.1, 0.05, 0.6, 0.01, 1.0)
    by_gradient = ranked.RankedGroup("g2", ("hau",), 0.7, 0.1, 0.95, 0.5, 0.01, 0.0)
    (note,) = ranked.notes_on_score((by_score, by_gradient))
    assert note == "the gradient disagrees: g2 is the most similar in 95% of the draws; --by gradient chooses it"
    unsure = replace(by_gradient, wins=0.7)
    assert ranked.notes_on_score((by_score, unsure)) == []


def test_where_scores_are_the_same_the_gradient_names_the_group(found_by):
    found, shown, server = found_by(0.5, 0.5)
    assert (found["group"], found["decided"]) == (server, False)
    assert "score the same; of them the gradient names" in shown and "50% of the draws, less than 80%" in shown


def test_the_same_examples_give_the_same_evidence(bundle, write_texts, tmp_path):
    data = write_texts("spa", sentences("tur")[:24])
    for name in ("a", "b"):
        assign(*options(bundle, data, json=tmp_path / f"{name}.json"))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


vectors = st.integers(2, 6).flatmap(lambda n: arrays(np.float64, (n, 5), elements=st.floats(-4, 4, width=16)))


@given(examples=vectors, known=vectors, seed=st.integers(0, 99))
def test_collective_similarity_is_the_mean_cosine(examples, known, seed):
    members = [[0], list(range(len(known)))]
    found = _bootstrap.group_similarities(examples, known, members)
    cosines = cosine_similarity(examples, known)
    np.testing.assert_allclose(found, np.stack([cosines[:, 0], cosines.mean(axis=1)], axis=1), atol=1e-9)
    shares = _bootstrap.wins(found)
    assert shares.sum() == pytest.approx(1) and (shares >= 0).all()
    half = _bootstrap.split_half(examples, 3, np.random.default_rng(seed))
    assert -1 - 1e-9 <= half <= 1 + 1e-9


def test_equal_groups_are_reported_as_undecided():
    draws = np.array([[0.1, 0.2], [0.2, 0.1], [0.3, 0.3], [0.0, 1.0]])
    assert _bootstrap.wins(draws).tolist() == [0.375, 0.625]


def refused(match, *words):
    with pytest.raises(GradsimError, match=match) as caught:
        assign(*words)
    assert "\n" not in str(caught.value)


def test_known_and_unknown_languages_are_refused(bundle, write_texts):
    data = write_texts("spa", sentences("hau")[:12])
    refused("already knows hau .Hausa., served by g", *options(bundle, data, "ha"))
    refused("unknown language code 'xx'", *options(bundle, data, "xx"))
    refused("unknown language 'fra'", *options(bundle, data, "fra"))
    refused("none: there is no such file or directory", *options(bundle, data / "none"))


def test_unread_files_are_named(bundle, write_texts):
    data = write_texts("spa", sentences("hau")[:12])
    (data / "spa" / "more.tsv").write_text("nothing")
    done = CliRunner().invoke(command, [*map(str, options(bundle, data))], catch_exceptions=False)
    assert "files: not read: spa/more.tsv" in done.output
    (data / "spa" / "train.tsv").unlink()
    refused("spa: no train split, nor any other; expected train.tsv.*; found more.tsv", *options(bundle, data))


def test_invalid_examples_are_refused(bundle, write_texts):
    examples = sentences("hau")[:12]
    data = write_texts("spa", examples[:9])
    refused("9 training examples of spa: fewer than 10 .* --force", *options(bundle, data))
    assert "9 examples of spa" in assign(*options(bundle, data), "--force")
    (data / "spa" / "train.tsv").write_text("text\tlabel\nHola.\tpositve\n", encoding="utf-8")
    refused(r"train\.tsv:2: unknown label 'positve'; did you mean positive\?", *options(bundle, data))
    (data / "spa" / "train.tsv").unlink()
    refused("no train split", *options(bundle, data))


def test_columns_of_the_examples_are_named_as_the_message_says(bundle, write_texts):
    data = write_texts("spa", sentences("hau")[:12])
    file = data / "spa" / "train.tsv"
    file.write_text(file.read_text(encoding="utf-8").replace("label", "verdict", 1), encoding="utf-8")
    refused("--label-column NAME", *options(bundle, data))
    assert "12 examples of spa" in assign(*options(bundle, data), "--set", "data_options.label_column=verdict")


def test_a_bundle_without_a_joint_model_has_no_gradients_to_choose(bundle, write_texts, tmp_path):
    from gradsim_offline.bundle.write import write_manifest

    (tmp_path / "bundle").mkdir()
    files = [file for file in bundle.manifest.files if not file.startswith("assignment/")]
    for file in files:
        (tmp_path / "bundle" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bundle" / file).hardlink_to(bundle.path(file))
    write_manifest(tmp_path / "bundle", bundle.manifest.model_copy(update={"assignment": None}), files)
    words = options(open_bundle(tmp_path / "bundle"), write_texts("spa", sentences("hau")[:12]))
    refused("holds no joint model.* leave out --by gradient, or build it with", *words, "--by", "gradient")
    shown = assign(*words)
    assert "12 examples of spa" in shown and "collective similarity" not in shown and "Noise" not in shown


def test_options_of_add_need_add(bundle, write_texts, tmp_path):
    words = options(bundle, write_texts("spa", sentences("hau")[:12]))
    refused("they need --add", *words, "--out", tmp_path / "new")
    refused("--add needs either --out DIR", *words, "--add")
    refused("is the bundle itself: --in-place changes it", *words, "--add", "--out", bundle.directory)
    refused("name a directory that does not exist yet", *words, "--add", "--out", tmp_path)
    refused("unknown group 'g9'", *words, "--add", "--out", tmp_path / "new", "--group", "g9")
    refused("is no version", *words, "--add", "--out", tmp_path / "new", "--bundle-version", "a b")
    assert not (tmp_path / "new").exists()
