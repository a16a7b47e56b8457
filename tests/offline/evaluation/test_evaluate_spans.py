"""Spans in raw text: gold ones by where the words stand, and F1 over them, counted here by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradsim_offline.core.dataset import TaggedSentence
from gradsim_offline.experiments.evaluate.answers import Answers, ServedLanguage, Target, put_together, spans_of
from gradsim_offline.experiments.evaluate.language_scores import averages, gold_spans, score_spans
from gradsim_shared.routing import Route

NER, POS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER"), ("NOUN", "PUNCT", "VERB")
LAGOS = TaggedSentence("Ada Obi  lives\tin Lagos.", ("Ada", "Obi", "lives", "in", "Lagos", "."), (*"BIOOBO",))
TAGS = {"B": "B-PER", "I": "I-PER", "O": "O"}
SENTENCE = TaggedSentence(LAGOS.text, LAGOS.words, (*(TAGS[tag] for tag in LAGOS.tags[:4]), "B-LOC", "O"))


def test_entities_stand_where_their_words_do():
    assert gold_spans(SENTENCE, iob=True) == {("PER", 0, 7), ("LOC", 18, 23)}
    assert LAGOS.text[18:23] == "Lagos"


def test_words_stand_with_their_tags():
    sentence = TaggedSentence("Dogs bark.", ("Dogs", "bark", "."), ("NOUN", "VERB", "PUNCT"))
    assert gold_spans(sentence, iob=False) == {("NOUN", 0, 4), ("VERB", 5, 9), ("PUNCT", 9, 10)}


def test_words_that_are_not_in_the_text():
    """As in French treebanks: du is written once and read as de and le."""
    sentence = TaggedSentence("du pain", ("de", "le", "pain"), ("NOUN",) * 3)
    assert gold_spans(sentence, iob=False) is None
    found = score_spans([sentence], [{("NOUN", 0, 2)}], POS)
    assert (found.scores, found.left_out) == (None, 1)


@pytest.mark.parametrize(
    ("answered", "right"),
    [
        ({("PER", 0, 7), ("LOC", 18, 23)}, 2),
        ({("PER", 0, 7)}, 1),
        ({("PER", 0, 3), ("PER", 4, 7), ("LOC", 18, 23)}, 1),  # one entity taken for two
        ({("PER", 0, 7), ("LOC", 18, 24)}, 1),  # the full stop taken into the name
        ({("LOC", 0, 7), ("PER", 18, 23)}, 0),
        (set(), 0),
        (None, 0),  # refused
    ],
)
def test_one_span_is_right_if_type_and_both_ends_are(answered, right):
    scores = score_spans([SENTENCE], [answered], NER).scores
    count = len(answered or ())
    assert scores["recall"] == right / 2 and scores["precision"] == (right / count if count else 0)
    assert scores["f1"] == 2 * right / (2 + count)


def test_marks_that_are_not_seen_at_the_ends_of_a_span_do_not_count():
    sentence = TaggedSentence("\u200fAda\u200b lives .", ("\u200fAda\u200b", "lives", "."), ("NOUN", "VERB", "PUNCT"))
    assert gold_spans(sentence, iob=False) == {("NOUN", 1, 4), ("VERB", 6, 11), ("PUNCT", 12, 13)}
    for start, end in ((0, 5), (1, 4)):
        found = {("NOUN", start, end), ("VERB", 6, 11), ("PUNCT", 12, 13)}
        assert score_spans([sentence], [found], POS).scores["f1"] == 1.0


def test_splitting_words_differently_costs_as_in_the_conll_shared_task():
    """Two of the three words that were found are right, of four that there are: F1 = 2 * 2 / (3 + 4)."""
    sentence = TaggedSentence("can't go .", ("ca", "n't", "go", "."), ("VERB", "NOUN", "VERB", "PUNCT"))
    found = {("VERB", 0, 5), ("VERB", 6, 8), ("PUNCT", 9, 10)}
    assert score_spans([sentence], [found], POS).scores["f1"] == pytest.approx(4 / 7)


WORDS = st.lists(st.text("abçदё日", min_size=1, max_size=4), min_size=1, max_size=6)
SENTENCES = st.lists(
    WORDS.flatmap(lambda words: st.tuples(st.just(words), st.lists(st.sampled_from(POS), min_size=len(words)))),
    min_size=1,
    max_size=5,
)


@given(SENTENCES, st.randoms(use_true_random=False))
def test_counts_of_any_sentences(rows, random):
    """With words two spaces apart the gold spans are known; a random part of them is answered, and some wrong ones."""
    sentences, answers, right, answered, true = [], [], 0, 0, 0
    for words, tags in rows:
        sentence = TaggedSentence("  ".join(words), tuple(words), tuple(tags[: len(words)]))
        gold, place = set(), 0
        for word, tag in zip(words, tags, strict=False):
            gold.add((tag, place, place + len(word)))
            place += len(word) + 2
        assert gold_spans(sentence, iob=False) == gold
        kept = {span for span in sorted(gold) if random.random() < 0.5}
        wrong = {(tag, start, end + 1) for tag, start, end in gold - kept}
        sentences.append(sentence)
        answers.append(kept | wrong)
        right, answered, true = right + len(kept), answered + len(kept | wrong), true + len(gold)
    scores = score_spans(sentences, answers, POS).scores
    assert scores["f1"] == pytest.approx(2 * right / (answered + true))
    perfect = [gold_spans(sentence, iob=False) for sentence in sentences]
    assert score_spans(sentences, perfect, POS).scores == {"f1": 1, "precision": 1, "recall": 1}


def test_spans_of_what_a_service_answers():
    entity = {"type": "LOC", "text": "Lagos", "start": 3, "end": 8, "score": 0.9}
    assert spans_of({"entities": [entity], "route": {}}) == {("LOC", 3, 8)}
    assert spans_of({"words": [{"tag": "NOUN", "text": "x", "start": 0, "end": 1, "score": 0.9}]}) == {("NOUN", 0, 1)}
    assert spans_of({"entities": []}) == set()


def test_batches_are_put_together_in_their_order():
    route = Route("hau", 1.0, "g0", None, "identified")
    first = Answers([route], ["p"], ["n"], None, ["no"])
    second = Answers([None, route], [None, "n"], [None, "p"], None)
    whole = put_together([first, second])
    assert whole == Answers([route, None, route], ["p", None, "n"], ["n", None, "p"], None, ["no"])


def test_a_language_is_known_by_its_aliases_but_first_by_its_code():
    swahili, swc = ServedLanguage("swa", "g0", ("sw", "swh", "swc")), ServedLanguage("swc", "g1")
    target = Target("b@1", "text_classification", ("n", "p"), (swahili, swc))
    assert target.serving("swh") == target.serving("swa") == swahili
    assert target.serving("swc") == swc and target.serving("hau") is None


def test_both_averages_leave_out_what_is_not_served():
    shares = {"identifier": 1.0, "routed": 1.0, "unsure": 0.0, "given": None, "raw": None}
    rows = {
        "hau": {"group": "g0", "texts": 1, **shares, "identified": {"weighted_f1": 0.2}},
        "swa": {"group": "g0", "texts": 3, **shares, "identified": {"weighted_f1": 0.6}},
        "hin": {"group": None, "texts": 9, **shares, "identified": {"weighted_f1": 0.9}},
    }
    found = averages(rows, "weighted_f1")
    assert found["identified"] == {"plain": pytest.approx(0.4), "weighted": pytest.approx(0.5)}
    assert set(found) == {"identifier", "routed", "unsure", "identified"}
