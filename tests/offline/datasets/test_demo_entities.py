"""The demo's entities: words that stand in the text, tags that give the generator's spans back, the same sentences."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import SPLITS, TaggedSentence
from gradsim_offline.datasets.demo_generator import Sentence, generate, languages
from gradsim_offline.datasets.source import load_source
from gradsim_offline.datasets.sources import demo, demo_entities
from gradsim_offline.pipeline import recipes as resolving
from gradsim_offline.pipeline.segmentation import choose
from gradsim_shared.errors import DataError
from gradsim_shared.segmentation import locate, segment

FINGERPRINT = "6e16aa582d7a3a7e9975eead5fb17632247d5e5b3079b8b116852799c60b1a10"

every_language = pytest.mark.parametrize("code", languages())


def spans_of(example: TaggedSentence) -> list[tuple[int, int, str]]:
    """Rebuild the spans from the tags, by hand: each B- opens one, each I- must go on with one of its type."""
    spans = locate(example.words, example.text)
    assert spans is not None
    found: list[tuple[int, int, str]] = []
    before = "O"
    for (start, end), tag in zip(spans, example.tags, strict=True):
        assert tag in demo_entities.LABELS
        if tag.startswith("B-"):
            found.append((start, end, tag[2:]))
        elif tag.startswith("I-"):
            assert before[2:] == tag[2:], f"{tag} behind {before} in {example}"
            found[-1] = (found[-1][0], end, tag[2:])
        before = tag
    return found


@every_language
def test_tags_give_the_spans_of_the_generator(code: str) -> None:
    dataset = demo_entities.load(languages=[code])
    for split in SPLITS:
        for sentence, example in zip(generate(code)[split], dataset.split(code, split), strict=True):
            assert isinstance(example, TaggedSentence)
            assert example.text == sentence.text
            assert spans_of(example) == list(sentence.entities)


@every_language
def test_words_are_those_that_serving_will_find(code: str) -> None:
    for split in SPLITS:
        for example in demo_entities.load(languages=[code]).split(code, split):
            assert isinstance(example, TaggedSentence)
            found = segment(example.text, demo_entities.SEGMENTATION)
            assert [example.text[start:end] for start, end in found] == list(example.words)


@every_language
def test_every_type_in_every_split(code: str) -> None:
    dataset = demo_entities.load(languages=[code])
    for split in SPLITS:
        tags = Counter(tag for example in dataset.split(code, split) for tag in example.gold)
        assert min(tags[f"B-{kind}"] for kind in ("LOC", "ORG", "PER")) >= 4, (split, tags)


def test_sizes_labels_and_task_are_as_stated() -> None:
    dataset = demo_entities.load()
    assert (dataset.name, dataset.task) == ("demo_entities", "token_classification")
    assert dataset.languages == demo.load().languages
    for split in SPLITS:
        assert dataset.counts(split) == demo.load().counts(split)
    used = {tag for code in dataset.languages for split in SPLITS for x in dataset.split(code, split) for tag in x.gold}
    assert used == set(dataset.labels) - {"I-LOC"}  # every place of the grammars is one word


def test_same_words_and_tags_on_every_machine() -> None:
    assert demo_entities.load().fingerprint() == FINGERPRINT


def test_its_own_rule_is_the_one_that_agrees_best() -> None:
    choice = choose(demo_entities.load())
    assert choice.rule == demo_entities.SEGMENTATION
    assert set(choice.agreement.values()) == {1.0}


def test_case_endings_belong_to_the_name() -> None:
    sentence = Sentence("Ankara'dan haber: Timur Han geldi.", "neutral", ((0, 10, "LOC"), (18, 27, "PER")))
    example = demo_entities.tagged(sentence)
    assert example.words == ("Ankara'dan", "haber", ":", "Timur", "Han", "geldi", ".")
    assert example.tags == ("B-LOC", "O", "O", "B-PER", "I-PER", "O", "O")


@pytest.mark.parametrize("entity", [(0, 6, "LOC"), (7, 10, "LOC")])
def test_an_entity_that_cuts_a_word_is_refused(entity: tuple[int, int, str]) -> None:
    with pytest.raises(ValueError, match=r"is not whole words"):
        demo_entities.tagged(Sentence("Ankara'dan haber", "neutral", (entity,)))


def test_found_by_its_name_on_the_command_line() -> None:
    assert load_source("demo-entities") is demo_entities.PLUGIN
    assert "demo_entities" in plugins.names("datasets")


def test_its_recipe_is_whole() -> None:
    settings = resolving.resolve("demo_entities", {})
    assert (settings.data, settings.model) == ("demo_entities", "mini")


def test_a_directory_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^demo_entities takes no --data-dir; for your own texts use --data files$"):
        demo_entities.load(tmp_path)


def test_unknown_language_names_the_nearest() -> None:
    with pytest.raises(DataError, match=r"unknown language 'swh'\. Did you mean swa\?"):
        demo_entities.load(languages=["swh"])
