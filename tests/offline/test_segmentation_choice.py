"""The segmentation rule that is chosen for a data set, by hand-made sentences and by real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradsim_offline.core import versions
from gradsim_offline.core.dataset import Dataset, Example, TaggedSentence
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import Settings
from gradsim_offline.datasets.sources import masakhaner, ud
from gradsim_offline.pipeline import segmentation as segmentation_choice
from gradsim_offline.pipeline.segmentation import agreement, choose, written
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import DataError
from gradsim_shared.normalisation import NEWEST
from gradsim_shared.segmentation import join, locate


def sentence(words: str, text: str | None = None) -> TaggedSentence:
    split = tuple(words.split("|"))
    return TaggedSentence(join(split) if text is None else text, split, ("O",) * len(split))


def dataset(**languages: list[TaggedSentence]) -> Dataset:
    return Dataset("mine", "token_classification", ("O",), {code: {"train": mine} for code, mine in languages.items()})


@pytest.mark.parametrize(
    ("sentences", "rule"),
    [
        ([sentence("2|,|173|watu|Covid|-|19|,|‘yan|ng'|.")], "letters"),
        ([sentence("2,173|people|,|pro|-|Iran|'|quoted|'", "2,173 people, pro-Iran 'quoted'")], "words"),
        ([sentence("I|do|n't|.", "I don't.")], "words-split-clitics"),
        ([sentence("magyar-orosz|film|.", "magyar-orosz film.")], "words-keep-hyphens"),
        ([sentence("5|kr.|og|dr.phil.|.", "5 kr. og dr.phil..")], "words-keep-dots"),
        ([sentence("Lagos.|a-b,|(c", "Lagos. a-b, (c")], "spaces"),
        ([sentence("日|本|語|。", "日本語。")], "letters"),  # all divide it so: the one that divides most
    ],
)
def test_the_rule_that_divides_as_the_data_does(sentences: list[TaggedSentence], rule: str) -> None:
    choice = choose(dataset(eng=sentences))
    assert choice.rule == rule
    assert choice.agreement == {"eng": 1.0}


def test_every_language_counts_the_same() -> None:
    hyphens = [sentence("a-b", "a-b")]
    split = [sentence("a|-|b", "a-b")]
    choice = choose(dataset(eng=hyphens, fin=hyphens, hun=split * 50))
    assert choice.rule == "words-keep-hyphens"
    assert choice.agreement == {"eng": 1.0, "fin": 1.0, "hun": 0.0}


def test_agreement_is_the_f1_of_spans() -> None:
    text = "do not-go"
    known = locate(["do", "not-go"], text)
    assert known is not None
    assert agreement("words", [(text, known)]) == pytest.approx(2 * 1 / (4 + 2))  # do, not, -, go
    assert agreement("spaces", [(text, known)]) == 1.0


def test_marks_that_are_not_seen_do_not_count() -> None:
    marked = sentence("\u200fSan\u00adnu|,|Ka\u200eno|.", "\u200fSan\u00adnu\u200b,  Ka\u200eno\ufeff.")
    assert choose(dataset(eng=[marked])).agreement == {"eng": 1.0}


def test_sentences_are_taken_from_the_whole_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation_choice, "SENTENCES", 2)
    apart, whole = sentence("a|-|b", "a-b"), sentence("a-b", "a-b")
    assert choose(dataset(eng=[whole, apart, apart, whole, apart, apart])).rule == "words-keep-hyphens"


def test_a_text_that_does_not_hold_its_words_is_passed_over() -> None:
    lost = sentence("do|not", "don't")
    assert choose(dataset(eng=[lost, sentence("a-b", "a-b")], fin=[lost])).agreement == {"eng": 1.0}
    with pytest.raises(DataError, match=r"^mine: in no training sentence do the words stand in the text"):
        choose(dataset(eng=[lost]))


def test_labelled_texts_have_no_words_to_agree_with() -> None:
    texts = Dataset("mine", "text_classification", ("a",), {"eng": {"train": [Example("a b", "a")]}})
    with pytest.raises(DataError, match="in no training sentence"):
        choose(texts)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("So|far|,|he|said|:|“|No|(|2|,|173|)|.|”", "So far, he said: “No (2,173).”"),
        ('He|said|"|no|way|"|,|and|"|yes|"|.', 'He said "no way", and "yes".'),
        ("dai|-|dai|,|50|%|of|$|3|.|5", "dai-dai, 50% of $3.5"),
        ("ነው|።|AT|&|T|#|tag|@|me|!|!", "ነው። AT & T #tag @me!!"),
        (".|a", ". a"),
        ("日|本|語|。", "日本語。"),
    ],
)
def test_written_as_people_write(words: str, text: str) -> None:
    split = words.split("|")
    assert written(split) == text
    assert locate(split, text) is not None


@pytest.mark.parametrize(
    ("source", "languages", "rule", "least"),
    [
        (masakhaner, ["amh", "hau", "luo", "yor"], "letters", 0.999),
        (ud, ["eng"], "words-split-clitics", 0.985),
        (ud, ["hin"], "words", 0.995),
        (ud, ["bul", "dan", "est", "hun", "tam"], "words-keep-dots", 0.99),
    ],
)
def test_real_data(data_root: Path, source: object, languages: list[str], rule: str, least: float) -> None:
    load = source.load  # type: ignore[attr-defined]
    folder = data_root / source.__name__.rsplit(".", 1)[-1]  # type: ignore[attr-defined]
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    choice = choose(load(folder, languages))
    assert choice.rule == rule
    assert min(choice.agreement.values()) >= least, choice.agreement


def test_another_text_normalisation_chooses_again(tagged, tmp_path, counting, monkeypatch):
    notes = counting()
    for _ in range(2):
        run = RunDirectory(tmp_path, notes)
        Pipeline(Settings(device="cpu"), tagged, load_task(tagged.task), run).segmentation()
        monkeypatch.setattr(versions, "NEWEST", NEWEST + 1)
    assert "how text is split into words (changed: versions)" in notes.notes
