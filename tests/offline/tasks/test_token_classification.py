"""Tagging: what is scored, against seqeval and scikit-learn; how sentences become rows and rows a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score

from gradsim_offline.core.dataset import TaggedSentence
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.tasks.token_classification import PLUGIN as task
from gradsim_offline.training.batching import IGNORED, Row, halves

LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
POS = ("ADJ", "NOUN", "VERB")


@st.composite
def answered(draw, labels=LABELS):
    """Gold and predicted tags of some sentences, valid or not; often they agree."""
    tag = st.sampled_from(labels)
    sentence = st.lists(st.tuples(tag, tag, st.booleans()), min_size=1, max_size=8)
    found = draw(st.lists(sentence, min_size=1, max_size=6))
    gold = [tuple(mine for mine, _, _ in words) for words in found]
    return gold, [tuple(mine if same else other for mine, other, same in words) for words in found]


def marked(sentences):
    """Return every entity as (sentence, type, first word, last word): B-X and the I-X right behind it."""
    found = set()
    for number, tags in enumerate(sentences):
        for first, tag in enumerate(tags):
            if tag.startswith("B-"):
                last = first
                while last + 1 < len(tags) and tags[last + 1] == f"I-{tag[2:]}":
                    last += 1
                found.add((number, tag[2:], first, last))
    return found


@given(case=answered())
def test_entity_scores_are_those_of_the_sets_of_entities(case):
    gold, predicted = case
    found = task.scores(gold, predicted, LABELS)
    true, mine = marked(gold), marked(predicted)
    right = len(true & mine)
    assert found["precision"] == pytest.approx(right / len(mine) if mine else 0)
    assert found["recall"] == pytest.approx(right / len(true) if true else 0)
    assert found["entity_f1"] == pytest.approx(2 * right / (len(mine) + len(true)) if mine or true else 0)
    assert list(found) == ["entity_f1", "precision", "recall", "accuracy"]


@given(case=answered())
def test_entity_scores_are_seqevals_strict_ones(case):
    gold, predicted = ([list(tags) for tags in sentences] for sentences in case)
    found = task.scores(*case, LABELS)
    strict = {"mode": "strict", "scheme": IOB2, "average": "micro", "zero_division": 0}
    assert found["entity_f1"] == pytest.approx(f1_score(gold, predicted, **strict))
    assert found["precision"] == pytest.approx(precision_score(gold, predicted, **strict))
    assert found["recall"] == pytest.approx(recall_score(gold, predicted, **strict))


@pytest.mark.parametrize("labels", [LABELS, POS])
@settings(max_examples=50)
@given(data=st.data())
def test_accuracy_is_scikit_learns_over_words(labels, data):
    gold, predicted = data.draw(answered(labels))
    found = task.scores(gold, predicted, labels)
    assert found["accuracy"] == pytest.approx(accuracy_score(*([t for s in c for t in s] for c in (gold, predicted))))
    assert labels is LABELS or list(found) == ["accuracy"]


@pytest.mark.parametrize("labels", [LABELS, POS])
@settings(max_examples=50)
@given(data=st.data())
def test_the_metric_of_any_sentences_is_made_of_their_statistics(labels, data):
    gold, predicted = data.draw(answered(labels))
    rows = task.statistics(gold, predicted, labels)
    assert len(rows) == len(gold) and rows.dtype == np.int64
    chosen = data.draw(st.lists(st.integers(0, len(gold) - 1), min_size=1, max_size=9))  # with repeats, as a bootstrap
    expected = task.scores([gold[i] for i in chosen], [predicted[i] for i in chosen], labels)[task.metric(labels)]
    assert task.metric_from(rows[chosen].sum(axis=0), labels) == pytest.approx(expected, abs=1e-12)
    stacked = np.stack([rows.sum(axis=0), rows[chosen].sum(axis=0)]).astype(float)  # [draws, S]
    np.testing.assert_allclose(task.metric_from(stacked, labels)[1], expected, atol=1e-12)


def test_scores_by_hand():
    gold = [("B-PER", "I-PER", "O", "B-LOC"), ("O", "O")]
    predicted = [("B-PER", "O", "O", "B-LOC"), ("I-LOC", "O")]  # an end is wrong; a lone I- is no entity
    found = task.scores(gold, predicted, LABELS)
    assert found == pytest.approx({"entity_f1": 0.5, "precision": 0.5, "recall": 0.5, "accuracy": 4 / 6})
    nothing = task.scores([("O",)], [("O",)], LABELS)
    assert nothing == {"entity_f1": 0, "precision": 0, "recall": 0, "accuracy": 1}
    assert task.scores([], [], LABELS)["entity_f1"] == 0 and task.scores([], [], POS) == {"accuracy": 0}
    assert task.statistics([], [], LABELS).shape == (0, 3) and task.statistics([], [], POS).shape == (0, 2)


def test_answers_of_another_length_are_refused():
    for labels in (LABELS, POS):
        with pytest.raises(ValueError, match="zip"):
            task.scores([(labels[0],)], [(labels[0], labels[0])], labels)


def test_the_metric_is_the_papers():
    assert task.metric(LABELS) == "entity_f1" and task.metric(POS) == "accuracy"


@pytest.fixture(scope="module", params=["tiny_mini", "tiny_xlmr"])
def encoder(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def reading(encoder):
    """A tokenizer, the id of its padding, and a reader of 24 tokens."""
    tokenizer, pad_id = load_tokenizer(encoder, maximum_length=24)
    return tokenizer, pad_id, task.decoder.Reader(tokenizer, 24)


def test_every_word_is_judged_once_at_its_first_subword(reading, tagged):
    tokenizer, _, reader = reading
    examples = tagged.split("hau", "train")
    rows = task.encode(reader, examples, tagged.labels, language=4, seed=3)
    assert len(rows) > len(examples), "the last is long: several windows"
    assert max(len(row.ids) for row in rows) <= 24 and {row.language for row in rows} == {4}
    judged = [
        (token, label) for row in rows for token, label in zip(row.ids, row.labels, strict=True) if label != IGNORED
    ]
    expected = [
        (tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False).ids[0], tagged.labels.index(tag))
        for example in examples
        for word, tag in zip(example.words, example.tags, strict=True)
    ]
    assert judged == expected
    assert sum(row.units for row in rows) == len(expected)


def test_the_windows_of_a_sentence_are_in_one_half(reading, tagged):
    *_, reader = reading
    examples = tagged.split("hau", "train")
    rows = task.encode(reader, examples, tagged.labels, language=4, seed=3)
    assert rows == task.encode(reader, examples, tagged.labels, language=4, seed=3)
    expected = [
        half
        for example, half in zip(examples, halves(len(examples), language=4, seed=3), strict=True)
        for _ in task.encode(reader, [example], tagged.labels, language=0, seed=0)
    ]
    assert [row.half for row in rows] == expected and set(expected) == {0, 1}


def test_a_word_without_a_token_is_not_judged_and_a_window_of_such_words_is_left_out():
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"a": 1, "?": 0}, "?"))
    tokenizer.normalizer = normalizers.Replace(Regex(r"\p{Cc}"), "")
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    reader = task.decoder.Reader(tokenizer, 8)
    examples = [
        TaggedSentence("", ("a", "\x00", "a"), ("NOUN", "VERB", "ADJ")),
        TaggedSentence("", ("\x00",), ("ADJ",)),
    ]
    rows = task.encode(reader, examples, POS, language=0, seed=0)
    assert rows == [Row((1, 1), (1, 0), 0, rows[0].half)]


def test_a_batch_and_its_loss(reading, encoder, tagged):
    _, pad_id, reader = reading
    rows = task.encode(reader, tagged.split("eng", "train"), tagged.labels, language=0, seed=0)
    chosen = [len(rows) - 1, 0, len(rows) - 4]
    batch = task.collate(rows, pad_id)(chosen, 0, 0)
    width = max(len(rows[i].ids) for i in chosen)
    assert {name: tensor.shape for name, tensor in batch.items()} == dict.fromkeys(
        ("input_ids", "attention_mask", "labels"), (3, width)
    )
    for place, i in enumerate(chosen):
        rest = width - len(rows[i].ids)
        assert batch["input_ids"][place].tolist() == [*rows[i].ids, *[pad_id] * rest]
        assert batch["attention_mask"][place].tolist() == [1] * len(rows[i].ids) + [0] * rest
        assert batch["labels"][place].tolist() == [*rows[i].labels, *[IGNORED] * rest]
    assert (batch["labels"] != IGNORED).sum() == sum(rows[i].units for i in chosen)
    model = task.load_model(encoder, tagged.labels, new_head=True).eval()
    output = model(**batch)
    kept = batch["labels"] != IGNORED
    expected = F.cross_entropy(output.logits[kept], batch["labels"][kept], reduction="sum") / kept.sum()
    torch.testing.assert_close(output.loss, expected)


def test_a_saved_tagger_is_loaded_with_its_head_or_with_a_new_one(encoder, tagged, tmp_path):
    torch.manual_seed(0)
    model = task.load_model(encoder, tagged.labels, new_head=True)
    assert model.config.id2label == dict(enumerate(tagged.labels))
    model.save_pretrained(tmp_path)
    again, anew = task.load_model(tmp_path, tagged.labels), task.load_model(tmp_path, tagged.labels, new_head=True)
    for name, kept in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], kept), name
    heads = [name for name in model.state_dict() if name.startswith("classifier") and name.endswith("weight")]
    assert heads and not any(torch.equal(anew.state_dict()[name], model.state_dict()[name]) for name in heads)
    assert task.load_model(tmp_path, POS, new_head=True).config.num_labels == 3
