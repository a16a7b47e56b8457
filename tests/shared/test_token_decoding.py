"""Reading, gathering and decoding words with real tokenizers: windows, first subwords, and where entities are."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradsim_shared.decode import token_classification as task
from gradsim_shared.normalisation import NEWEST, normalise, original_spans
from gradsim_shared.segmentation import RULES, join, segment

pytest.importorskip("tokenizers")
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
POS = ("ADJ", "NOUN", "VERB")
SENTENCES = [
    "Ina kwana a Kano?",
    "She lives in Lagos, near the sea.",
    "O'clock at the market of Addis Abeba",
    "አዲስ አበባ",
] * 5
START, END = 0, 2


def _subwords():
    """Return a Unigram tokenizer as XLM-R's: a mark before each word; control characters are taken away."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\p{C}"), "")])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False)
    made.train_from_iterator(SENTENCES, trainer)
    return made


def _word_pieces():
    """Return a WordPiece tokenizer as BERT's: continued pieces are marked; case is folded."""
    letters = sorted({letter for sentence in SENTENCES for letter in sentence.lower() if letter.strip()})
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *letters, *(f"##{letter}" for letter in letters), "##at", "the"]
    made = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    return made


def _bytes():
    """Return a byte-level BPE tokenizer as RoBERTa's: it has a token for anything."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *letters])}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return made


MADE = {"subwords": _subwords(), "word pieces": _word_pieces(), "bytes": _bytes()}
for one in MADE.values():
    one.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", START), ("</s>", END)]
    )
tokenizers_by_name = pytest.mark.parametrize("name", MADE)
texts = st.text(st.characters(codec="utf-8"), max_size=25)
crowded = st.lists(
    st.sampled_from([*"abKL. ,'\t", "Kano", "  ", "\x00", "\u200d", "\u0301", "👍🏽", "中", "אב", "\u00a0", "🇷🇼"]),
    max_size=15,
).map("".join)
any_text = texts | crowded


versions = st.sampled_from([0, NEWEST])


def words_of(text: str, rule: str = "words", version: int = NEWEST) -> list[str]:
    plain = normalise(text, version)
    return [plain[start:end] for start, end in segment(plain, rule)]


def spans_of(text: str, rule: str = "words", version: int = NEWEST) -> list[tuple[int, int]]:
    return original_spans(segment(normalise(text, version), rule), text, version)


def alone(tokenizer: Tokenizer, word: str) -> list[int]:
    """Return a word's tokens, read by itself."""
    return tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False).ids


def random_outputs(reading, labels, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(scale=3, size=(len(ids), len(labels))).astype(np.float32) for ids in reading.ids]


def answer(texts, reader, labels=LABELS, seed=0):
    reading = reader.read(texts)
    logits = task.gather(reading, random_outputs(reading, labels, seed))
    return task.decode(logits, texts, reading, labels), logits


@tokenizers_by_name
@settings(max_examples=120)
@given(text=any_text, maximum=st.integers(3, 14), version=versions)
def test_every_word_is_judged_once_at_its_first_token_in_a_window_that_fits(name, text, maximum, version):
    tokenizer, words = MADE[name], words_of(text, version=version)
    reading = task.Reader(tokenizer, maximum, "words", version).read([text])
    (layout,) = reading.layout
    assert (layout.count, layout.spans) == (len(words), spans_of(text, version=version))
    assert [piece.number for piece in layout.pieces] == list(range(len(reading.ids)))
    whole = [alone(tokenizer, word) for word in words]
    tokens = [mine[: maximum - 2] for mine in whole]  # a word longer than a window is cut
    assert reading.cut == ([0] if tokens != whole else [])
    judged = [word for piece in layout.pieces for word in piece.words]
    assert judged == [i for i, mine in enumerate(tokens) if mine]
    flat, starts = list(chain.from_iterable(tokens)), np.cumsum([0, *map(len, tokens)])
    for piece in layout.pieces:
        ids = reading.ids[piece.number]
        assert len(ids) <= maximum and (ids[0], ids[-1]) == (START, END)
        for word, position in zip(piece.words, piece.positions, strict=True):
            assert ids[position] == tokens[word][0]
            first = starts[word] - (position - 1)  # the window stands in the sentence
            assert flat[first : first + len(ids) - 2] == ids[1:-1]


@tokenizers_by_name
def test_a_text_that_fits_is_read_as_the_tokenizer_does(name):
    text = "She lives in Lagos, near the sea."
    reading = task.Reader(MADE[name], 500, "words").read([text, text])
    assert reading.ids == [MADE[name].encode(words_of(text), is_pretokenized=True).ids] * 2
    assert [piece.number for layout in reading.layout for piece in layout.pieces] == [0, 1]


def test_a_text_says_that_a_word_of_it_was_cut_when_it_runs_apart_too():
    long_sentence, long_word = "Kano a Kano a Kano", "Kano" + "o" * 20
    reading = task.Reader(MADE["bytes"], 12, "words").read([long_sentence, long_word, "Kano", f"Kano {long_word}"])
    assert reading.cut == [1, 3]
    assert [one.cut for one in task.apart(reading)] == [[], [0], [], [0]]


@settings(max_examples=60)
@given(given_texts=st.lists(any_text, max_size=4), maximum=st.integers(3, 10))
def test_gathered_are_the_outputs_at_the_judged_positions(given_texts, maximum):
    reading = task.Reader(MADE["subwords"], maximum, "words").read(given_texts)
    outputs = [np.array([[number, place, 1] for place in range(len(ids))]) for number, ids in enumerate(reading.ids)]
    found = task.gather(reading, outputs)
    assert len(found) == len(given_texts)
    for layout, logits in zip(reading.layout, found, strict=True):
        assert logits.shape == (layout.count, 3 if outputs else 0)
        places = {
            int(word): (piece.number, int(position))
            for piece in layout.pieces
            for word, position in zip(piece.words, piece.positions, strict=True)
        }
        for word, row in enumerate(logits):
            assert row.tolist() == ([*places[word], 1] if word in places else [0, 0, 0])


def test_a_word_without_a_token_stands_apart_and_is_outside():
    words = ["Kano", "\x00", "Lagos", "\u200d"]
    reader = task.Reader(MADE["subwords"], 64)
    (found,), (logits,) = answer([words], reader)
    assert logits[[0, 2]].any(axis=1).all() and not logits[[1, 3]].any()
    assert len(found.answer) == 4
    reading = reader.read([["\x00"], ["\x00"] * 200])
    assert [list(piece.words) for layout in reading.layout for piece in layout.pieces] == [[], []]
    logits = task.gather(reading, random_outputs(reading, LABELS))
    found = task.decode(logits, [["\x00"], ["\x00"] * 200], reading, LABELS)
    assert [one.answer for one in found] == [("O",), ("O",) * 200]


@tokenizers_by_name
@settings(max_examples=100)
@given(rule=st.sampled_from(sorted(RULES)), text=any_text, seed=st.integers(0, 99), version=versions)
@example(rule="words", text="Sai 👍🏽 Kano,  Kano\tta\u0301 שלום", seed=1, version=0)
@example(rule="words", text="Sai \u200f👍🏽 Ka\u00adno\u200f,  Kano\tta\u0301 שלום", seed=1, version=NEWEST)
def test_entities_are_where_they_say(name, rule, text, seed, version):
    ((found,), (logits,)) = answer([text], task.Reader(MADE[name], 9, rule, version), seed=seed)
    spans = spans_of(text, rule, version)
    assert len(found.answer) == len(spans) == len(logits)
    before = ["O", *found.answer]
    assert all(not b.startswith("I-") or a[2:] == b[2:] for a, b in pairwise(before)), "no I-X but behind B-X or I-X"
    marked = [i for i, tag in enumerate(found.answer) if tag.startswith("B-")]
    assert len(found.prediction.entities) == len(marked)
    for first, entity in zip(marked, found.prediction.entities, strict=True):
        assert text[entity.start : entity.end] == entity.text
        assert entity.type == found.answer[first][2:]
        last = first + 1
        while last < len(spans) and found.answer[last] == f"I-{entity.type}":
            last += 1
        assert (entity.start, entity.end) == (spans[first][0], spans[last - 1][1])
        shifted = np.exp(logits[first:last].astype(float))
        chosen = [LABELS.index(tag) for tag in found.answer[first:last]]
        share = shifted[np.arange(last - first), chosen] / shifted.sum(axis=1)
        assert entity.score == pytest.approx(share.mean(), rel=1e-6)


@settings(max_examples=100)
@given(text=any_text, seed=st.integers(0, 99), version=versions)
def test_words_say_where_they_are_and_take_the_likeliest_tag(text, seed, version):
    ((found,), (logits,)) = answer([text], task.Reader(MADE["bytes"], 12, "words", version), POS, seed)
    assert [(word.start, word.end) for word in found.prediction.words] == spans_of(text, version=version)
    assert all(text[word.start : word.end] == word.text for word in found.prediction.words)
    assert found.answer == tuple(word.tag for word in found.prediction.words)
    assert found.answer == tuple(POS[i] for i in logits.argmax(axis=1)) if len(logits) else not found.answer


@settings(max_examples=100)
@given(text=any_text, seed=st.integers(0, 99), version=versions)
def test_words_that_are_given_get_the_tags_of_the_text(text, seed, version):
    words = words_of(text, version=version)
    reader = task.Reader(MADE["subwords"], 9, "words", version)
    reading = reader.read([text, words])
    half = len(reading.ids) // 2
    assert reading.ids[:half] == reading.ids[half:]
    outputs = random_outputs(reading, LABELS, seed)[:half] * 2
    raw, given_words = task.decode(task.gather(reading, outputs), [text, words], reading, LABELS)
    assert raw.answer == given_words.answer
    joined = join(words)
    for mine, theirs in zip(raw.prediction.entities, given_words.prediction.entities, strict=True):
        assert joined[theirs.start : theirs.end] == theirs.text
        assert (mine.type, mine.score) == (theirs.type, theirs.score)
        mine_seen, theirs_seen = (normalise(one.text, version) for one in (mine, theirs))
        assert "".join(mine_seen.split()) == "".join(theirs_seen.split())


awkward = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(str.strip), max_size=8)


@settings(max_examples=150)
@given(words=awkward, seed=st.integers(0, 99), labels=st.sampled_from([LABELS, POS]))
@example(words=["x", "\u00a0a", "b c", "d\u2003"], seed=0, labels=POS)
@example(words=["\u200d", "中", "\u0301", "文"], seed=0, labels=POS)
def test_given_words_may_be_odd(words, seed, labels):
    (found,), _ = answer([words], task.Reader(MADE["subwords"], 9), labels, seed)
    joined = join(words)
    marked = found.prediction.words if labels is POS else found.prediction.entities
    assert len(found.answer) == len(words)
    assert all(joined[one.start : one.end] == one.text for one in marked)
    assert all(before.end <= after.start for before, after in pairwise(marked))


@pytest.mark.parametrize("empty", ["", "   ", "\t\n\u3000", []])
def test_texts_without_words(empty):
    reader = task.Reader(MADE["subwords"], 9, "words")
    (nothing, something, again), logits = answer([empty, "Kano", empty], reader)
    assert nothing == again == task.Decoded((), task.Entities([])) and len(something.answer) == 1
    assert [mine.shape for mine in logits] == [(0, 5), (1, 5), (0, 5)]
    reading = reader.read([empty])
    assert reading.ids == []
    assert task.decode(task.gather(reading, []), [empty], reading, LABELS) == [nothing]
    assert task.decode(task.gather(reading, []), [empty], reading, POS) == [task.Decoded((), task.Words([]))]
    assert task.decode(task.gather(reader.read([]), []), [], reader.read([]), LABELS) == []


TEXT = "👩‍🏫 Dr.  Ñañez\tlived in\u00a0Addis Abeba, not  ירושלים 中国"


@pytest.mark.parametrize(
    ("words", "kind", "expected"),
    [
        (("Ñañez",), "PER", "Ñañez"),
        (("Addis", "Abeba"), "LOC", "Addis Abeba"),
        (("in", "Addis"), "LOC", "in\u00a0Addis"),
        (("ירושלים",), "LOC", "ירושלים"),
        (("中", "国"), "LOC", "中国"),
        (("👩\u200d🏫",), "PER", "👩\u200d🏫"),
    ],
)
def test_offsets_count_code_points_of_the_text_as_sent(words, kind, expected):
    reader = task.Reader(MADE["subwords"], 64, "words")
    reading = reader.read([TEXT])
    own = words_of(TEXT)
    first = own.index(words[0])
    logits = np.full((len(own), len(LABELS)), -5.0)
    logits[:, 0] = 0
    logits[first, LABELS.index(f"B-{kind}")] = 5
    logits[first + 1 : first + len(words), LABELS.index(f"I-{kind}")] = 5
    (found,) = task.decode([logits], [TEXT], reading, LABELS)
    (entity,) = found.prediction.entities
    assert (entity.type, entity.text, entity.start) == (kind, expected, TEXT.index(expected))
    assert TEXT[entity.start : entity.end] == expected


def test_a_word_longer_than_a_window_and_ten_thousand_words():
    reader = task.Reader(MADE["bytes"], 32, "words")
    reading = reader.read(["Kano " + "x" * 1000 + " Lagos"])
    assert [len(ids) <= 32 for ids in reading.ids] == [True] * len(reading.ids)
    assert [int(word) for piece in reading.layout[0].pieces for word in piece.words] == [0, 1, 2]
    words = ["Kano", "Lagos", "ta"] * 3334
    reading = reader.read([words])
    assert [word for piece in reading.layout[0].pieces for word in piece.words] == list(range(len(words)))
    (found,), _ = answer([words], reader)
    assert len(found.answer) == len(words)


def test_a_tokenizer_that_cuts_and_pads_is_told_not_to():
    tokenizer = Tokenizer.from_str(MADE["subwords"].to_str())
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=99)
    reading = task.Reader(tokenizer, 12, "words").read(["Kano", "Kano ta Lagos ta Kano ta Lagos"])
    assert (
        reading.ids == task.Reader(MADE["subwords"], 12, "words").read(["Kano", "Kano ta Lagos ta Kano ta Lagos"]).ids
    )
    assert len(reading.ids[0]) < 12


@pytest.mark.parametrize("broken", [np.zeros((1, 4)), np.full((1, 5), np.nan), np.full((1, 5), np.inf)])
def test_outputs_that_cannot_be_tags(broken):
    reading = task.Reader(MADE["subwords"], 12).read([["Kano"]])
    with pytest.raises(ValueError, match=r"do not fit 5 labels|not finite"):
        task.decode([broken], [["Kano"]], reading, LABELS)
