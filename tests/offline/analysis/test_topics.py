"""Topic similarity with real tiny encoders, against one word at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from gradsim_offline.experiments.analyse.keywords import Keyword, mean_pooled, topic_similarity
from gradsim_shared.errors import ModelError

CPU = torch.device("cpu")


def found_for(words):
    return tuple(Keyword(word, weight) for word, weight in words.items())


def test_a_word_vector_is_the_mean_over_its_tokens_whatever_is_beside_it(tiny_xlmr):
    words = ["government", "ba", "a much longer keyword than the others"]
    model, tokenizer = AutoModel.from_pretrained(tiny_xlmr).eval(), AutoTokenizer.from_pretrained(tiny_xlmr)
    found = mean_pooled(words, str(tiny_xlmr), 64, CPU)
    for word, vector in zip(words, found, strict=True):
        with torch.inference_mode():
            alone = model(**tokenizer(word, return_tensors="pt")).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(vector, alone.numpy(), atol=1e-5)


def test_similarity_is_the_cosine_of_weighted_centroids(tiny_xlmr):
    languages = {"aaa": {"sun": 0.9, "moon": 0.1}, "bbb": {"moon": 0.5, "sea": 0.3}}
    found = topic_similarity(
        {code: found_for(words) for code, words in languages.items()},
        encoder=str(tiny_xlmr),
        maximum_length=64,
        device=CPU,
    )
    sun, moon, sea = mean_pooled(["sun", "moon", "sea"], str(tiny_xlmr), 64, CPU)
    a, b = 0.9 * sun + 0.1 * moon, (0.5 * moon + 0.3 * sea) / 0.8
    assert found[0, 1] == found[1, 0] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    np.testing.assert_allclose(found.diagonal(), 1)


def test_the_same_keywords_are_the_same_topic_and_none_are_no_number(tiny_mini):
    same = found_for({"labari": 0.6, "kasuwa": 0.2})
    found = topic_similarity(
        {"aaa": same, "bbb": same, "ccc": ()}, encoder=str(tiny_mini), maximum_length=64, device=CPU
    )
    assert found[0, 1] == pytest.approx(1)
    assert np.isnan(found[2]).all()


def test_an_encoder_that_is_not_there_is_one_clear_message(tmp_path):
    with pytest.raises(ModelError, match="holds no model"):
        topic_similarity({"aaa": found_for({"sun": 1.0})}, encoder=str(tmp_path), maximum_length=64, device=CPU)
