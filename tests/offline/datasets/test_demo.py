"""The demo data set: sizes, variety, no overlap between splits, the same sentences everywhere, spans of names."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradsim_offline.core.dataset import SPLITS
from gradsim_offline.datasets.demo_generator import Sentence, generate, grammar, languages
from gradsim_offline.datasets.sources import demo
from gradsim_shared.errors import DataError
from gradsim_shared.scripts import main_scripts

FINGERPRINT = "e2f7da8c0e99896c9ac6554f25aa2307a320d2fa3c8183fc851ccfc1e37d02c3"
NAMED_FOR_THE_CASE = {"Latin": "LATIN", "Cyrillic": "CYRILLIC", "Devanagari": "DEVANAGARI"}

every_language = pytest.mark.parametrize("code", languages())


def sentences_of(code: str) -> list[Sentence]:
    return [sentence for split in SPLITS for sentence in generate(code)[split]]


def test_sizes() -> None:
    dataset = demo.load()
    assert dataset.languages == ("eng", "hau", "hin", "ind", "por", "rus", "spa", "swa", "tur")
    for split, size in {"train": 200, "dev": 40, "test": 60}.items():
        assert set(dataset.counts(split).values()) == {size}  # type: ignore[arg-type]


def test_same_sentences_on_every_machine() -> None:
    assert demo.load().fingerprint() == FINGERPRINT


def test_a_language_is_the_same_alone() -> None:
    alone = demo.load(languages=["swa"])
    assert alone.languages == ("swa",)
    assert alone.examples["swa"] == demo.load().examples["swa"]


def test_families_scripts_and_blocks() -> None:
    assert len({grammar(code)["family"] for code in languages()}) >= 4
    assert len({grammar(code)["script"] for code in languages()}) >= 3
    members = [code for code in languages() if grammar(code)["block"] == "C"]
    assert members == ["hin", "rus", "tur"]


@every_language
def test_script_is_the_stated_one(code: str) -> None:
    texts = [sentence.text for sentence in sentences_of(code)]
    assert main_scripts(texts)[0] == NAMED_FOR_THE_CASE[grammar(code)["script"]]


@every_language
def test_no_sentence_twice_and_every_label_in_every_split(code: str) -> None:
    texts = [sentence.text for sentence in sentences_of(code)]
    assert len(set(texts)) == len(texts) == 300
    for split in SPLITS:
        labels = [sentence.label for sentence in generate(code)[split]]
        assert set(labels) == set(demo.LABELS)
        assert all(0.25 <= labels.count(label) / len(labels) <= 0.4 for label in demo.LABELS)


@every_language
def test_written_tidily(code: str) -> None:
    for sentence in sentences_of(code):
        assert not set(sentence.text) & set("{}^"), sentence
        assert "  " not in sentence.text and sentence.text == sentence.text.strip(), sentence
        first = next(character for character in sentence.text if character.isalpha())
        assert not first.islower(), sentence


@every_language
def test_spans_hold_names(code: str) -> None:
    sentences = sentences_of(code)
    for sentence in sentences:
        for start, end, kind in sentence.entities:
            name = sentence.text[start:end]
            assert name and name == name.strip() and not name[0].islower(), sentence
            assert kind in {"PER", "LOC", "ORG"}
        starts = [start for start, _, _ in sentence.entities]
        assert starts == sorted(starts), sentence
    assert sum(bool(sentence.entities) for sentence in sentences) >= len(sentences) // 2
    assert {kind for sentence in sentences for _, _, kind in sentence.entities} == {"PER", "LOC", "ORG"}


def test_spans_stay_right_behind_an_opening_mark() -> None:
    moved = [sentence for sentence in sentences_of("spa") if "¡" in sentence.text and sentence.entities]
    known = {name for slot, names in grammar("spa")["slots"].items() if slot.startswith("PER") for name in names}
    people = [sentence.text[start:end] for sentence in moved for start, end, kind in sentence.entities if kind == "PER"]
    assert people and set(people) <= known


def test_any_code_of_a_language_will_do() -> None:
    assert demo.load(languages=["pt-BR", "en", "eng", "POR", "Hausa"]).languages == ("eng", "hau", "por")


def test_a_directory_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^demo takes no --data-dir; for your own texts use --data files$"):
        demo.load(tmp_path)


@pytest.mark.parametrize(("code", "meant"), [("haussa", "hau"), ("tur-", "tur")])
def test_an_unknown_language_code_names_the_nearest(code: str, meant: str) -> None:
    with pytest.raises(
        DataError, match=rf"^demo: unknown language '{code}'\. Did you mean {meant}[ ?].*Known: eng, hau"
    ):
        demo.load(languages=["en", code])


def test_unknown_language_names_the_nearest() -> None:
    with pytest.raises(DataError, match=r"unknown language 'swh'\. Did you mean swa\? Known: eng, hau, hin"):
        demo.load(languages=["swh"])
