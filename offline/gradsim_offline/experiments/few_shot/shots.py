"""Draw the shots of each target, and restrict the data set to what a regime may see.

The order of the draw depends on the seed and the language alone, so that every regime sees the same shots, and K shots
are the first of any larger K.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradsim_offline.core.dataset import AnyExample, Dataset, Split, TaggedSentence
from gradsim_shared.errors import DataError

_SHOTS_WORD = 23  # keeps the random stream that draws shots apart from the others
_OUTSIDE = "O"  # the tag of a word that is no entity
_JUDGING: tuple[Split, ...] = ("dev", "test")  # what to score on; the last that there is

Shots = Mapping[str, Sequence[AnyExample]]


def draw(dataset: Dataset, targets: Sequence[str], count: int, seed: int) -> Shots:
    """Draw the shots of each target from its training texts.

    Questions: ``count``. Texts with one label: ``count`` of each label (N-way K-shot). Tagged sentences: ``count``
    sentences; in random order, those that bring a type of entity (or a tag, as of parts of speech) that none before had
    come first, until every type that the language has is there; the rest follow as they come.

    Args:
        dataset: All there is.
        targets: Languages to draw for.
        count: K.
        seed: Another seed draws other shots.

    Returns:
        The shots, in the order of the training texts.

    Raises:
        DataError: Languages have fewer; the message names them, and what they lack.
    """
    drawn, lacking = {}, []
    for code in targets:
        examples = dataset.split(code, "train")
        random = np.random.default_rng([seed, dataset.languages.index(code), _SHOTS_WORD])
        order = random.permutation(len(examples)).tolist()
        if dataset.asks:
            chosen, short = order[:count], f"{len(examples)} questions" if len(examples) < count else ""
        elif _tagged(examples):
            chosen, short = _sentences(examples, order, count)
        else:
            chosen, short = _of_each_label(examples, order, count, dataset.labels)
        if short:
            lacking.append(f"{code} has {short}")
        drawn[code] = [examples[i] for i in sorted(chosen)]
    if lacking:
        raise DataError(
            f"--shots {count} needs more training texts than there are: {'; '.join(lacking)}; ask for fewer shots, or "
            "leave out these languages with --targets"
        )
    return drawn


def _tagged(examples: Sequence[AnyExample]) -> bool:
    return any(isinstance(example, TaggedSentence) for example in examples[:1])


def _of_each_label(
    examples: Sequence[AnyExample], order: Sequence[int], count: int, labels: Sequence[str]
) -> tuple[list[int], str]:
    """Return the first ``count`` texts of each label, and what is missing."""
    by_label = {label: [i for i in order if examples[i].gold == label] for label in labels}
    short = [f"{len(indices)} {label!r}" for label, indices in by_label.items() if len(indices) < count]
    return [i for indices in by_label.values() for i in indices[:count]], ", ".join(short)


def _sentences(examples: Sequence[AnyExample], order: Sequence[int], count: int) -> tuple[list[int], str]:
    """Return ``count`` sentences with as many types among them as a pass in random order finds, and what is missing."""
    seen: set[str] = set()
    first = []
    for i in order:
        own = _types(examples[i])
        if own - seen:
            first.append(i)
            seen |= own
    taken = set(first)
    chosen = [*first, *(i for i in order if i not in taken)][:count]
    return chosen, f"{len(examples)} sentences" if len(examples) < count else ""


def _types(example: AnyExample) -> set[str]:
    """Return the types of entities (``B-LOC`` and ``I-LOC`` are one), or the tags, in a sentence."""
    tags = example.tags if isinstance(example, TaggedSentence) else ()
    return {tag.partition("-")[2] or tag for tag in tags if tag != _OUTSIDE}


def visible(dataset: Dataset, source: str | None, shots: Shots) -> Dataset:
    """Return the data set that a training sees: the source's train and dev texts, and the shots as train texts.

    All else is empty, so that no dev or test text of a target can choose anything; the languages stay, because their
    order numbers them.

    Args:
        dataset: All there is.
        source: Its texts are in; ``None``: shots alone.
        shots: Language to examples.
    """
    examples: dict[str, dict[Split, Sequence[AnyExample]]] = {code: {} for code in dataset.languages}
    for code, chosen in shots.items():
        examples[code] = {"train": chosen}
    if source is not None:
        examples[source] = {split: dataset.split(source, split) for split in ("train", "dev")}
    return replace(dataset, examples=examples)


def scored(dataset: Dataset, languages: Sequence[str]) -> tuple[Dataset, dict[str, Split]]:
    """Return the texts to score on: each language's test texts, or its dev texts where it has no test.

    Returns:
        A data set of these alone, and the split that each language's are from.

    Raises:
        DataError: Languages have neither.
    """
    splits = {code: split for code in languages for split in _JUDGING if dataset.split(code, split)}
    none = [code for code in languages if code not in splits]
    if none:
        raise DataError(f"{dataset.name}: {', '.join(none)} has neither test nor dev texts to score on; leave it out")
    examples: dict[str, dict[Split, Sequence[AnyExample]]] = {
        code: {splits[code]: dataset.split(code, splits[code])} if code in splits else {} for code in dataset.languages
    }
    return replace(dataset, examples=examples), splits
