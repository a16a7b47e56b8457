"""Texts with several labels: metrics and one-vs-rest beside scikit-learn, thresholds beside brute force, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.multiclass import OneVsRestClassifier
from tiny_labels import LABELS, texts

from gradsim_offline.bundle.parity import compare
from gradsim_offline.core.dataset import MultiLabelExample
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity.gradient_observer import GradientObserver
from gradsim_offline.similarity.tracking import tracked_layers
from gradsim_offline.tasks.multi_label_classification import PLUGIN as task
from gradsim_offline.training.distilling import divergence
from gradsim_offline.training.ensemble import mean_logits
from gradsim_offline.training.linear import fit
from gradsim_shared.errors import ModelError

SETS = st.lists(st.booleans(), min_size=3, max_size=3)
TWO = st.lists(st.tuples(SETS, SETS), min_size=1, max_size=12)


def named(flags):
    return [tuple(label for label, has in zip(LABELS, row, strict=True) if has) for row in flags]


@given(TWO)
def test_scores_are_those_of_scikit_learn(pairs):
    true, answered = (np.array(each, int) for each in zip(*pairs, strict=True))
    found = task.scores(named(true), named(answered), LABELS)
    for average in ("macro", "micro"):
        assert found[f"{average}_f1"] == pytest.approx(f1_score(true, answered, average=average, zero_division=0))
    assert found["accuracy"] == pytest.approx(accuracy_score(true, answered))
    counts = task.statistics(named(true), named(answered), LABELS)
    assert found[task.metric(LABELS)] == pytest.approx(float(task.metric_from(counts.sum(axis=0), LABELS)))
    assert task.metric_from(np.stack([counts, counts]).sum(axis=1), LABELS) == pytest.approx(found["macro_f1"])


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.45, 0.5, 0.6, 0.9]), st.booleans()), min_size=1, max_size=10))
@settings(max_examples=60)
def test_no_threshold_is_better_than_the_tuned_one(judged):
    chances, true = np.array([c for c, _ in judged]), np.array([t for _, t in judged])
    (found,) = task.tune(chances[:, None], named_one(true), ("food",))
    best = max(f1_score(true, chances >= threshold, zero_division=0) for threshold in [*chances, 0.05, 0.99])
    assert 0 < found < 1 and f1_score(true, chances >= found, zero_division=0) == pytest.approx(best)
    if not true.any():
        assert found == 0.5


def named_one(flags):
    return [("food",) if has else () for has in flags]


def test_each_label_is_told_from_the_rest_as_scikit_learn_does():
    random = np.random.default_rng(0)
    vectors = sparse.csr_array(random.normal(size=(80, 6)))
    gold = (random.normal(size=(80, 3)) + vectors.toarray()[:, :3] > 0.5).astype(np.int64)
    gold[:, 2] = 0  # a label that no text has is not answered, however rarely
    linear = fit(vectors, gold, 3, [2.0], 0)
    expected = OneVsRestClassifier(LogisticRegression(C=2.0, tol=1e-6)).fit(vectors, gold[:, :2])
    np.testing.assert_allclose(expit(linear.logits(vectors))[:, :2], expected.predict_proba(vectors), atol=2e-3)
    assert (expit(linear.logits(vectors))[:, 2] < 0.01).all()
    assert fit(vectors, gold, 3, [0.5, 1.0, 8.0], 0).strength in (0.5, 1.0, 8.0)


@pytest.mark.parametrize("encoder", ["tiny_mini", "tiny_xlmr"])
def test_the_gradients_of_languages_are_those_of_their_texts_alone(encoder, request):
    path = request.getfixturevalue(encoder)
    tokenizer, pad_id = load_tokenizer(path, maximum_length=32)
    torch.manual_seed(0)
    model = task.load_model(path, LABELS, new_head=True).eval()
    reader = task.decoder.Reader(tokenizer, 32)
    rows = []
    for number, code in enumerate(("hau", "swa")):
        examples = [MultiLabelExample(*each) for each in texts(code, "train")[: 3 + 2 * number]]
        rows += task.encode(reader, examples, LABELS, language=number, seed=0)
    lay_out = task.collate(rows, pad_id)
    batch = lay_out(range(len(rows)), 0, 0)
    output = model(**batch)
    expected = F.binary_cross_entropy_with_logits(output.logits, batch["labels"])
    torch.testing.assert_close(output.loss, expected)
    assert model.config.problem_type == "multi_label_classification"
    observer = GradientObserver(model, rows, ["head.out"], 2)
    with observer.watch(range(len(rows))):
        model(**batch).loss.backward()
    halves = observer.half_means()["head.out"]
    (layer,) = tracked_layers(model, ["head.out"])["head.out"].values()
    for number in (0, 1):
        mine = [i for i, row in enumerate(rows) if row.language == number]
        model.zero_grad()
        model(**lay_out(mine, 0, 0)).loss.backward()
        whole = torch.cat([layer.weight.grad, layer.bias.grad[:, None]], dim=1).flatten()
        found = (observer.shares[:, number, None] * halves[:, number]).sum(dim=0)
        torch.testing.assert_close(found, whole, atol=1e-6, rtol=1e-4)


def test_parity_is_judged_at_the_thresholds():
    logits = [np.array([[0.2, -1.5, 3.0]], np.float32)]
    choices = task.choices(np.concatenate(logits), [0.5, 0.2, 0.9])
    assert (choices[:, 1] > choices[:, 0]).tolist() == [True, False, True]
    assert choices[:, 0] == pytest.approx(logit([0.5, 0.2, 0.9]))
    found = compare(logits, logits, name="g1", tolerance=1e-3, choices=task.choices)
    assert (found.max_difference, found.label_agreement) == (0.0, 1.0)
    with pytest.raises(ModelError, match="labels agree on 66"):
        compare([np.array([[-0.2, -1.5, 3.0]])], logits, name="g1", tolerance=1e-3, choices=task.choices)


def test_averages_and_distances_are_each_labels_own():
    logits = torch.tensor([[[2.0, -1.0, 90.0]], [[-3.0, 0.5, -200.0]]])  # [models, texts, labels]
    found = mean_logits(list(logits), "probabilities", several_labels=True)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.double().sigmoid(), logits.double().sigmoid().mean(dim=0))
    teacher, student = logits[0, 0, :2], logits[1, 0, :2]
    p, q = ((each / 2).sigmoid() for each in (teacher, student))
    far = 4 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    torch.testing.assert_close(divergence(teacher, student, 2.0), far)
