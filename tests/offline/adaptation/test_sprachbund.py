"""Sprachbunds: clusters and pivots against brute force, centring, representations text by text, the map."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from sklearn.metrics.pairwise import cosine_similarity
from transformers import AutoModel, AutoTokenizer

from gradsim_offline.core.progress import Progress
from gradsim_offline.experiments.sprachbund.clusters import find_sprachbunds, placed, relate, similarities
from gradsim_offline.experiments.sprachbund.language_map import flatten, language_map
from gradsim_offline.experiments.sprachbund.representations import REPRESENTATIONS, RunningMean, represent
from gradsim_offline.models import mini as mini_model  # noqa: F401 - registers the architecture
from gradsim_offline.report.drawing import Text
from gradsim_offline.report.figures import write_figures
from gradsim_offline.training.text_folders import folder_texts
from gradsim_shared.errors import SettingsError

CPU = torch.device("cpu")
CODES = ("deu", "eng", "fra", "hau", "nld", "por", "spa", "yor")


def vectors(count, seed=0, width=6):
    return np.random.default_rng(seed).normal(size=(count, width)) + 3


def average_linkage(similarity, count):
    """Join, again and again, the two clusters whose members are the nearest on average."""
    clusters = [[i] for i in range(len(similarity))]
    while len(clusters) > count:
        one, other = max(
            itertools.combinations(clusters, 2), key=lambda pair: similarity[np.ix_(pair[0], pair[1])].mean()
        )
        clusters = [cluster for cluster in clusters if cluster not in (one, other)] + [one + other]
    return {frozenset(cluster) for cluster in clusters}


@given(count=st.integers(2, 8), groups=st.integers(1, 8), seed=st.integers(0, 500), centred=st.booleans())
@settings(max_examples=60, deadline=None)
def test_clusters_and_pivots_are_those_of_brute_force(count, groups, seed, centred):
    groups, codes = min(groups, count), CODES[:count]
    similarity = similarities(vectors(count, seed), centred=centred)
    clusters = find_sprachbunds(similarity, codes, groups)
    assert {frozenset(codes.index(code) for code in cluster.members) for cluster in clusters} == average_linkage(
        similarity, groups
    )
    assert [cluster.id for cluster in clusters] == [f"g{i}" for i in range(1, groups + 1)]
    assert [cluster.members[0] for cluster in clusters] == sorted(cluster.members[0] for cluster in clusters)
    for cluster in clusters:
        sums = [
            sum(similarity[codes.index(a), codes.index(b)] for b in cluster.members if a != b) for a in cluster.members
        ]
        assert cluster.pivot == cluster.members[int(np.argmax(sums))]
        assert list(cluster.summed.values()) == pytest.approx(sums)


def test_centring_takes_off_what_all_have_in_common():
    raw = vectors(5) + 100
    assert similarities(raw, centred=False).min() > 0.999
    assert np.allclose(similarities(raw, centred=True), cosine_similarity(raw - raw.mean(axis=0)))
    assert np.allclose(similarities(raw, centred=True), similarities(raw - 100, centred=True))
    assert similarities(raw, centred=True).min() < 0
    assert np.allclose(similarities(raw, centred=False), cosine_similarity(raw))


def test_too_many_sprachbunds_and_too_few_languages():
    similarity = similarities(vectors(3), centred=True)
    with pytest.raises(SettingsError, match="--groups 4: 3 languages make at most as many"):
        find_sprachbunds(similarity, CODES[:3], 4)
    with pytest.raises(SettingsError, match="only one language, deu"):
        find_sprachbunds(similarity[:1, :1], CODES[:1], 1)


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_running_mean_is_the_mean(sizes, seed):
    parts = [torch.from_numpy(vectors(size, seed + i)) for i, size in enumerate(sizes)]
    mean = RunningMean()
    for part in parts:
        mean.add(part)
    assert mean.count == sum(sizes)
    assert torch.allclose(mean.value, torch.cat(parts).mean(dim=0), rtol=1e-13, atol=0)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("name", ["tiny_mini", "tiny_xlmr"])
def test_representations_are_those_of_one_text_after_another(folder, lines, quiet, tmp_path, request, name, pooling):
    encoder = request.getfixturevalue(name)
    how = {"pooling": pooling, "maximum_length": 64, "seed": 0, "device": CPU, "progress": quiet}
    represent(str(encoder), folder_texts(folder), tmp_path, batch_size=4, most_texts=None, **how)
    found = load_file(tmp_path / REPRESENTATIONS)["vectors"]
    assert found.dtype == torch.float64
    model, tokenizer = AutoModel.from_pretrained(encoder).eval(), AutoTokenizer.from_pretrained(encoder)
    for vector, texts in zip(found, (lines[code] for code in ("eng", "hau", "tur")), strict=True):
        with torch.inference_mode():
            hidden = [
                model(**tokenizer(text, truncation=True, max_length=64, return_tensors="pt")).last_hidden_state[0]
                for text in texts
            ]
        mine = torch.stack([one[0] if pooling == "cls" else one.mean(dim=0) for one in hidden]).double().mean(dim=0)
        assert torch.allclose(vector, mine, atol=1e-5)
    represent(str(encoder), folder_texts(folder), tmp_path / "some", batch_size=4, most_texts=9, **how)
    some = load_file(tmp_path / "some" / REPRESENTATIONS)["vectors"]
    assert torch.equal(some[2], found[2]) and not torch.equal(some[1], found[1])  # tur has no more than nine


def test_relations_to_families_and_typology():
    similarity = similarities(vectors(8), centred=True)
    blocks = np.array([[a in ("hau",) or b in ("hau",) for b in CODES] for a in CODES])
    clusters = find_sprachbunds(np.where(blocks & ~np.eye(8, dtype=bool), 0.0, 0.9), CODES, 2)
    found = relate(similarity, CODES, clusters, seed=0)
    assert found.families["eng"] == "Indo-European" and found.families["hau"] == "Afro-Asiatic"
    assert set(found.correlations) == {"family", "lineage", "typology"} and found.notes == ()
    same = np.array([[found.families[a] == found.families[b] for b in CODES] for a in CODES], dtype=float)
    upper = np.triu_indices(8, 1)
    assert found.correlations["family"].pearson == pytest.approx(np.corrcoef(similarity[upper], same[upper])[0, 1])
    assert found.correlations["typology"].pairs == 28
    assert -1 <= found.adjusted_rand <= 1
    alike = find_sprachbunds(same, CODES, 3)
    assert relate(same, CODES, alike, seed=0).adjusted_rand == 1
    two = relate(similarity[:2, :2], CODES[:2], find_sprachbunds(similarity[:2, :2], CODES[:2], 1), seed=0)
    assert two.correlations == {} and "nothing to correlate" in two.notes[0]
    nothing = relate(similarity, (*CODES[:7], "xxx"), alike, seed=0)
    assert (nothing.families, nothing.adjusted_rand, nothing.correlations) == ({}, None, {})
    assert len(nothing.notes) == 2 and all("xxx" in note for note in nothing.notes)


@pytest.mark.parametrize("way", ["pca", "tsne"])
def test_the_map_is_reproducible_and_keeps_the_variance(tmp_path, way):
    points = placed(vectors(8), centred=True)
    places, shares = flatten(points, way, seed=0)
    assert places.shape == (8, 2) and np.isfinite(places).all()
    assert np.array_equal(flatten(points, way, seed=0)[0], places)
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    if way == "pca":
        variance = np.linalg.svd(units - units.mean(axis=0))[1] ** 2
        assert shares == pytest.approx(variance[:2] / variance.sum())
    clusters = find_sprachbunds(similarities(vectors(8), centred=True), CODES, 3)
    drawing = language_map(places, shares, CODES, clusters)
    bold = {shape.written for shape in drawing.shapes if isinstance(shape, Text) and shape.style == "block"}
    assert bold == {cluster.pivot for cluster in clusters}
    assert all(
        0 <= shape.x <= drawing.width and 0 <= shape.y <= drawing.height
        for shape in drawing.shapes
        if isinstance(shape, Text)
    )
    svg, png = write_figures(tmp_path, [drawing])
    assert {each.text for each in ET.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}text")} >= set(CODES)
    assert png.read_bytes().startswith(b"\x89PNG")


def test_maps_of_few_languages_are_drawn_or_refused():
    places, shares = flatten(placed(vectors(2), centred=True), "pca", seed=0)
    assert places.shape == (2, 2) and shares == pytest.approx((1, 0), abs=1e-9)
    with pytest.raises(SettingsError, match="--map tsne needs 4 languages, there are 3"):
        flatten(vectors(3), "tsne", seed=0)


def test_an_interrupted_reading_goes_on_with_the_next_language(folder, tiny_xlmr, quiet, tmp_path):
    class Impatient(Progress):
        @contextmanager
        def bar(self, title, total):
            left = iter(range(7))  # eng has five batches

            def advance(_):
                if next(left) == 6:
                    raise KeyboardInterrupt

            yield advance

    how = {"pooling": "cls", "maximum_length": 64, "batch_size": 4, "most_texts": None, "seed": 0, "device": CPU}
    with pytest.raises(KeyboardInterrupt):
        represent(str(tiny_xlmr), folder_texts(folder), tmp_path / "broken", progress=Impatient(quiet=True), **how)
    assert [path.name for path in (tmp_path / "broken" / "work").iterdir()] == ["eng.safetensors"]
    for name in ("broken", "whole"):
        represent(str(tiny_xlmr), folder_texts(folder), tmp_path / name, progress=quiet, **how)
    first, second = (load_file(tmp_path / name / REPRESENTATIONS)["vectors"] for name in ("broken", "whole"))
    assert torch.equal(first, second)
