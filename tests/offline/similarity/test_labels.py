"""Class balance as a similarity: shares and overlaps by hand, for texts and for words."""

from __future__ import annotations

import numpy as np
import pytest

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset, Example
from gradsim_offline.datasets.sources import demo_entities
from gradsim_offline.experiments.analyse.inputs import measure_untrained
from gradsim_offline.similarity.measures.labels import label_shares


def dataset_of(**labels):
    examples = {
        code: {"train": [Example(f"{code} {i}", label) for i, label in enumerate(own)]} for code, own in labels.items()
    }
    return Dataset("mine", "text_classification", ("neg", "neu", "pos"), examples)


@pytest.fixture
def texts():
    return dataset_of(hau=["neg"] * 3 + ["pos"], ibo=["neg", "neu", "pos", "pos"], yor=["neu"] * 2)


def test_similarity_is_the_overlap_of_label_shares(texts, quiet):
    np.testing.assert_allclose(label_shares(texts), [[0.75, 0, 0.25], [0.25, 0.25, 0.5], [0, 1, 0]])
    import torch

    how = {"encoder": "", "maximum_length": 8, "seed": 0, "device": torch.device("cpu"), "progress": quiet}
    found = measure_untrained("labels", texts, **how).measured
    np.testing.assert_allclose(found.matrix, [[1, 0.5, 0], [0.5, 1, 0.25], [0, 0.25, 1]])
    assert found.measure == "labels" and found.languages == ("hau", "ibo", "yor")


def test_label_shares_of_tagged_sentences_count_every_tag():
    dataset = demo_entities.load(languages=["hau", "tur"])
    shares = label_shares(dataset)
    for row, code in zip(shares, dataset.languages, strict=True):
        tags = [tag for sentence in dataset.split(code, "train") for tag in sentence.gold]
        np.testing.assert_allclose(row, [tags.count(label) / len(tags) for label in dataset.labels])


def test_it_is_a_measure_and_a_method():
    assert "labels" in plugins.names("similarity") and "labels" in plugins.names("methods")
