"""Embedding similarity against Hugging Face's models run text by text, and scikit-learn's cosines."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file
from sklearn.metrics.pairwise import cosine_similarity
from transformers import AutoModel, AutoTokenizer

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.training_settings import Training
from gradsim_offline.models import mini as mini_model  # noqa: F401 - registers the architecture
from gradsim_offline.similarity.embedding_vectors import embed, pool
from gradsim_offline.similarity.measures import embedding
from gradsim_offline.similarity.measures.embedding import CENTROIDS_FILE, Options, centroids_of, sample
from gradsim_offline.tasks import text_classification
from gradsim_offline.training.fine_tune import fine_tune
from gradsim_shared.errors import ModelError, SettingsError

CPU = torch.device("cpu")


@pytest.fixture
def measured(measure_context, tmp_path):
    """Measure with an encoder and the settings that are given."""

    def run(encoder, *, train=None, seed=0, dataset=None, **options):
        given = {"dataset": dataset} if dataset else {}
        context = measure_context(encoder, tmp_path, options=Options(**options), train=train, seed=seed, **given)
        return embedding.measure(context)

    return run


def one_by_one(path, texts, pooling):
    """Embed texts without batches and padding, ``[texts, width]``."""
    model, tokenizer = AutoModel.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)
    found = []
    for text in texts:
        ids = torch.tensor([tokenizer(text, truncation=True, max_length=64)["input_ids"]])
        with torch.no_grad():
            output = model(input_ids=ids, attention_mask=torch.ones_like(ids))
        hidden = output.last_hidden_state[0]
        found.append({"mean": lambda h: h.mean(0), "cls": lambda h: h[0]}.get(pooling, lambda _: None)(hidden))
        if pooling == "pooler":
            found[-1] = output.pooler_output[0]
    return torch.stack(found).numpy().astype(np.float64)


def reference(dataset, path, pooling):
    return np.stack(
        [
            one_by_one(path, [example.text for example in dataset.split(code, "train")], pooling).mean(axis=0)
            for code in dataset.languages
        ]
    )


@pytest.mark.parametrize(
    ("encoder", "pooling"),
    [("tiny_mini", "mean"), ("tiny_mini", "pooler"), ("tiny_xlmr", "mean"), ("tiny_xlmr", "cls")],
)
def test_equals_text_by_text_and_scikit_learn(encoder, pooling, measured, small, tmp_path, request):
    path = request.getfixturevalue(encoder)
    found = measured(path, pooling=pooling, batch_size=7)
    centroids = reference(small, path, pooling)
    np.testing.assert_allclose(found.matrix, cosine_similarity(centroids), atol=1e-5)
    np.testing.assert_allclose(load_file(tmp_path / CENTROIDS_FILE)["centroids"], centroids, atol=1e-5)
    assert found.settings["texts"] == {"eng": 17, "hau": 30, "tur": 9}
    assert found.settings["width"] == centroids.shape[1] and found.measure == "embedding"


def test_centring_takes_the_common_direction_off(measured, small, tiny_mini):
    raw = measured(tiny_mini)
    centred = measured(tiny_mini, centred=True)
    centroids = reference(small, tiny_mini, "mean")
    np.testing.assert_allclose(centred.matrix, cosine_similarity(centroids - centroids.mean(axis=0)), atol=1e-4)
    assert np.ptp(centred.matrix) > np.ptp(raw.matrix)


def test_split_half_is_the_cosine_of_two_random_halves(measured, small, tiny_mini, tmp_path):
    found = measured(tiny_mini)
    halves = load_file(tmp_path / CENTROIDS_FILE)["halves"].numpy()
    expected = [cosine_similarity(halves[:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(found.split_half, expected, atol=1e-12)
    texts = sample(small.split("hau", "train"), "hau", Options(), 0)
    first = one_by_one(tiny_mini, texts[::2], "mean").mean(axis=0)
    np.testing.assert_allclose(halves[0, 1], first, atol=1e-5)
    assert sorted(texts) == sorted(example.text for example in small.split("hau", "train"))
    assert texts != [example.text for example in small.split("hau", "train")]


def test_finetuned_embeds_with_the_joint_models_encoder(measured, small, tiny_xlmr, training_context, tmp_path, capfd):
    asked = []

    def train(members, served):
        asked.append((tuple(members), tuple(served)))
        directory = tmp_path / "joint"
        directory.mkdir()
        schedule = Training(epochs=1, batch_size=8, learning_rate=5e-3)
        fine_tune(small, members, served, directory, context=training_context(tiny_xlmr), settings=schedule)
        return directory

    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measured(tiny_xlmr, model="finetuned", train=train)
    assert capfd.readouterr() == ("", "")
    assert asked == [(small.languages, small.languages)]
    classifier = text_classification.load_model(tmp_path / "joint", small.labels).eval()
    classifier.base_model.save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(tiny_xlmr).save_pretrained(tmp_path / "base")
    expected = cosine_similarity(reference(small, tmp_path / "base", "mean"))
    np.testing.assert_allclose(found.matrix, expected, atol=1e-5)
    assert np.abs(found.matrix - measured(tiny_xlmr).matrix).max() > 1e-4
    assert found.settings["model"] == "finetuned"


def test_a_saved_mini_classifier_gives_its_own_encoder(small, tiny_mini, quiet, tmp_path, texts):
    model = text_classification.load_model(tiny_mini, small.labels, new_head=True)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.base_model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(tmp_path / "tuned")
    model.base_model.save_pretrained(tmp_path / "base")
    for name in ("tuned", "base"):
        AutoTokenizer.from_pretrained(tiny_mini).save_pretrained(tmp_path / name)
    settings = {"maximum_length": 64, "batch_size": 5, "device": CPU, "progress": quiet, "pooling": "pooler"}
    before, after = (embed(path, texts[:8], **settings) for path in (tiny_mini, tmp_path / "tuned"))
    np.testing.assert_allclose(after, one_by_one(tmp_path / "base", texts[:8], "pooler"), atol=1e-4)
    assert (after - before).abs().max() > 0.05


def test_a_sample_is_seeded_and_does_not_depend_on_the_other_languages(measured, small, tiny_mini, tmp_path):
    examples = small.split("hau", "train")
    half = sample(examples, "hau", Options(fraction=0.5), 3)
    assert len(half) == 15 and half == sample(examples, "hau", Options(fraction=0.5), 3)
    assert half != sample(examples, "hau", Options(fraction=0.5), 4)
    assert sample(examples, "hau", Options(fraction=0.5, most_texts=4), 3) == half[:4]
    assert len(sample(examples, "hau", Options(fraction=0.001), 3)) == 1
    few = measured(tiny_mini, most_texts=4)
    centroids = load_file(tmp_path / CENTROIDS_FILE)["centroids"]
    fewer = Dataset("two", small.task, small.labels, {code: small.examples[code] for code in ("hau", "tur")})
    again = measured(tiny_mini, dataset=fewer, most_texts=4)
    np.testing.assert_allclose(load_file(tmp_path / CENTROIDS_FILE)["centroids"], centroids[1:], atol=1e-6)
    np.testing.assert_allclose(again.matrix, few.matrix[1:, 1:], atol=1e-6)


def test_a_language_of_one_text_has_split_half_0_not_nan(measured, small, tiny_mini):
    found = measured(tiny_mini, most_texts=1)
    np.testing.assert_array_equal(found.split_half, 0)
    assert np.isfinite(found.matrix).all()


def test_one_language_centred_is_zero_with_a_warning(measured, small, tiny_mini):
    alone = replace(small, examples={"hau": small.examples["hau"]})
    with pytest.warns(UserWarning, match="the embedding of hau is zero: similarity 0"):
        found = measured(tiny_mini, dataset=alone, centred=True)
    assert found.matrix.tolist() == [[0.0]]


def test_a_pooler_that_was_not_saved_is_refused(measured, tiny_xlmr):
    with pytest.raises(SettingsError, match=r"has no trained pooler; use similarity\.pooling=mean"):
        measured(tiny_xlmr, pooling="pooler")
    with pytest.raises(SettingsError, match="has no trained pooler"):
        pool(object(), torch.ones(1, 2), "pooler")
    with pytest.raises(ModelError, match="no hidden states of tokens"):
        pool(object(), torch.ones(1, 2), "mean")


vectors = arrays(np.float64, (9, 3), elements=st.floats(-1e3, 1e3))


@given(vectors=vectors, order=st.permutations(range(3)))
def test_centroids_are_means_and_follow_the_order_of_the_languages(vectors, order):
    counts = [1, 3, 5]
    blocks = np.split(vectors, [1, 4])
    whole, halves = centroids_of(torch.tensor(vectors), counts)
    np.testing.assert_allclose(whole, [block.mean(axis=0) for block in blocks], atol=1e-9)
    np.testing.assert_allclose(halves[0], [block[::2].mean(axis=0) for block in blocks], atol=1e-9)
    np.testing.assert_allclose(halves[1][1:], [block[1::2].mean(axis=0) for block in blocks[1:]], atol=1e-9)
    assert not halves[1][0].any()
    moved = torch.tensor(np.concatenate([blocks[i] for i in order]))
    again, _ = centroids_of(moved, [counts[i] for i in order])
    torch.testing.assert_close(again, whole[list(order)])


def test_settings_are_checked():
    for wrong in ({"model": "plm"}, {"pooling": "max"}, {"fraction": 0}, {"most_texts": 0}, {"batch_size": 0}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            plugins.options("similarity", "embedding", wrong)
