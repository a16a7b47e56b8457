"""What people should see of their data before a model is trained on it: languages, labels, and what looks wrong."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from gradsim_offline.core.dataset import SPLITS, AnyExample, Dataset, Example, MultiLabelExample, QuestionExample
from gradsim_offline.core.progress import Progress
from gradsim_offline.datasets.hold_out import FEWEST
from gradsim_shared.excerpts import cut, listing
from gradsim_shared.iob import is_iob
from gradsim_shared.segments import Sent, segments

_LINE = 2000  # characters of languages or labels, at most
_LONGEST = 40  # of a label
_SHORT = 100  # characters of a text to try a model with, at most
_SIGN = re.compile(r"\W(?=\d)")  # tells -1 from 1 and 1.5 from 15

Counts = Mapping[str, Counter[str]]
"""How often each label stands in the training texts, by language."""


def announce(dataset: Dataset, progress: Progress) -> None:
    """Write what a data set holds, a line for each thing: before anything is trained on it."""
    for line in lines(dataset):
        progress.note(line)


def lines(dataset: Dataset) -> Iterator[str]:
    """Yield the languages, the labels, labels that may be misspelt, and the data set's own notes, a line each."""
    counts = _counts(dataset)
    total = sum(counts.values(), Counter[str]())
    sizes = {split: dataset.counts(split) for split in SPLITS}
    each = [f"{code} {'/'.join(str(sizes[split][code]) for split in SPLITS)}" for code in dataset.languages]
    whole = "/".join(str(sum(sizes[split].values())) for split in SPLITS)
    number = _number(len(each), "language")
    yield f"{dataset.name}: {number}, {whole} texts (train/dev/test): {listing(each, _LINE)}"
    kind = "entity type" if is_iob(dataset.labels) else "tag" if dataset.tagged else "label"
    often = [f"{_shown(label)} ({count})" for label, count in total.most_common()]
    if dataset.asks:
        contexts = {each.text[1] for code in dataset.languages for each in dataset.split(code, "train")}
        yield f"questions about {_number(len(contexts), 'context')} in train"
    else:
        yield f"{_number(len(total), kind)} in train: {listing(often, _LINE)}"
    texts = [each for code in dataset.languages for each in dataset.split(code, "train")]
    sets = [each for each in texts if isinstance(each, MultiLabelExample)]
    if sets:
        bare = sum(not each.labels for each in sets)
        yield f"{total.total() / len(sets):.1f} labels to a text; {_number(bare, 'text')} without any"
    alike = [" and ".join(f"{_shown(label)} ({total[label]})" for label in group) for group in _alike(total)]
    if alike:
        why = "differ in capitals, spaces or signs only, each learnt by itself"
        yield f"warning: {kind}s that {why}: {listing(alike, _LINE)}"
    single = [f"{_shown(label)} ({code}, {counts[code][label]})" for label, code in _of_one_language(counts)]
    if single:
        yield f"warning: {kind}s of one language only: {listing(single, _LINE)}"
    few = [f"{code} ({count})" for code, count in sizes["train"].items() if count < FEWEST]
    if few:
        yield (
            f"fewer than {FEWEST} training texts: {listing(few, _LINE)}: too few to tell which languages help, and a "
            "score may be off by tens of points; add texts, or leave the language out and `assign` it later"
        )
    yield from dataset.notes


def short_text(dataset: Dataset) -> Sent | None:
    """Return the first short text, pair or question, of one line, to try a model with; ``None``: none."""
    for split in reversed(SPLITS):
        for code in dataset.languages:
            for example in dataset.split(code, split):
                most = 5 * _SHORT if dataset.asks else _SHORT
                if all(len(part) <= most and part.isprintable() for part in segments(example.text)):
                    return example.text
    return None


def _counts(dataset: Dataset) -> Counts:
    entities = is_iob(dataset.labels)
    return {
        code: Counter(label for each in dataset.split(code, "train") for label in _labels(each, entities=entities))
        for code in dataset.languages
    }


def _labels(example: AnyExample, *, entities: bool) -> Iterable[str]:
    """Return an example's label, its tags, or the type of each entity."""
    if isinstance(example, Example):
        return (example.label,)
    if isinstance(example, MultiLabelExample):
        return example.labels
    if isinstance(example, QuestionExample):
        return ()
    return (tag[2:] for tag in example.tags if tag[0] == "B") if entities else example.tags


def _alike(labels: Iterable[str]) -> list[list[str]]:
    """Return labels that are the same but for capitals, white space and punctuation, in groups of two or more."""
    groups: dict[str, list[str]] = {}
    for label in sorted(labels):
        groups.setdefault(_plain(label), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def _plain(label: str) -> str:
    folded = unicodedata.normalize("NFKC", label).casefold()
    signs = {match.start() for match in _SIGN.finditer(folded)}
    kept = [each for place, each in enumerate(folded) if place in signs or unicodedata.category(each)[0] not in "PZC"]
    return "".join(kept) or folded


def _of_one_language(counts: Counts) -> list[tuple[str, str]]:
    """Return labels that only one of several languages has, with that language."""
    languages = Counter(label for labels in counts.values() for label in labels)
    single = [(label, code) for code, labels in counts.items() for label in sorted(labels) if languages[label] == 1]
    return single if len(counts) > 1 else []


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _shown(label: str) -> str:
    return cut(label, _LONGEST) if label.isprintable() and " " not in label else cut(repr(label), _LONGEST)
