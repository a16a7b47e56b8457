"""Hold texts out of a train split: a share of each label, the same draw every time, copies of a text together.

Pairs that share a text, the first or the second, are such copies, and so is what hangs together by several of them;
questions are by their contexts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np

from gradsim_offline.core.dataset import AnyExample, Dataset, Example, MultiLabelExample, Split
from gradsim_offline.datasets.parallel_pairs import linked
from gradsim_shared.segments import Pair, Question, segments

FEWEST = 20
"""A language with fewer train texts keeps all of them."""

_FEWEST_HELD_OUT = 5


def hold_out(dataset: Dataset, split: Split, share: float) -> Dataset:
    """Give languages without a split a share of their train texts as that split, and say so in a note.

    Where most pairs hang together by texts that they share, only the first text counts, and another note says so.

    Of parallel texts, in the same order with the same labels, the same ones are held out in every language: none is
    trained on in another one.

    Args:
        dataset: Is not changed.
        split: ``dev`` or ``test``.
        share: Of the train texts, 0 to 0.5; at least 5 texts are held out; of languages with fewer than 20, none.
    """
    examples = {code: dict(splits) for code, splits in dataset.examples.items()}
    sizes: list[str] = []
    sharing: list[str] = []
    for code, splits in examples.items():
        train = splits.get("train", ())
        if splits.get(split) or len(train) < FEWEST or not share:
            continue
        held = set(_chosen(train, max(round(share * len(train)), _FEWEST_HELD_OUT)))
        splits["train"] = [each for place, each in enumerate(train) if place not in held]
        splits[split] = [train[place] for place in sorted(held)]
        sizes.append(f"{code} {len(held)}")
        of_train, of_held = ({text for e in splits[s] for text in _kept_apart(e)} for s in ("train", split))
        sharing += [] if of_train.isdisjoint(of_held) else [code]
    if not sizes:
        return dataset
    note = f"files: without a {split} split, {share:.0%} of train is held out as {split} ({', '.join(sizes)})"
    way = "; data_options.held_out=0 keeps it in train" if split == "dev" else ""
    notes = [note + way]
    if sharing:
        texts = f"most pairs of {', '.join(sharing)} hang together by the texts that they share"
        notes.append(f"files: {texts}, so what is held out as {split} shares no first text with train, but second ones")
    return replace(dataset, examples=examples, notes=(*dataset.notes, *notes))


def _kept_apart(example: AnyExample) -> Sequence[str]:
    """Return the texts of which no other split holds a copy."""
    return (example.text.context,) if isinstance(example.text, Question) else segments(example.text)


def _chosen(examples: Sequence[AnyExample], number: int) -> list[int]:
    """Return the places of about so many examples, stratified by label; all copies of a text go with the first."""
    contexts = [example.text.context for example in examples if isinstance(example.text, Question)]
    copies = _copies(contexts or linked([examples]))
    if contexts:
        number = max(1, round(number * len(copies) / len(examples)))  # of contexts
    elif isinstance(examples[0].text, Pair):
        small = [places for places in copies if len(places) <= number]
        copies = small if sum(map(len, small)) >= number else _copies([segments(e.text)[0] for e in examples])
        number = max(1, round(number * len(copies) / sum(map(len, copies))))  # of sets
    stratum = _strata(examples)
    strata: dict[str, list[list[int]]] = {}
    for places in copies:
        strata.setdefault(stratum(examples[places[0]]), []).append(places)
    shares = np.array([number * len(sets) / len(copies) for sets in strata.values()])
    quotas = np.floor(shares).astype(int)
    quotas[np.argsort(quotas - shares, kind="stable")[: number - quotas.sum()]] += 1  # the largest remainders
    draw = np.random.default_rng(0)
    drawn = [
        sets[place]
        for sets, quota in zip(strata.values(), quotas, strict=True)
        for place in draw.permutation(len(sets))[: min(quota, len(sets) - 1)]  # a label stays in train
    ]
    return [place for places in drawn for place in places]


def _copies(keys: Sequence[Hashable]) -> list[list[int]]:
    """Return the places of equal keys, in sets."""
    copies: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        copies.setdefault(key, []).append(place)
    return list(copies.values())


def _strata(examples: Sequence[AnyExample]) -> Callable[[AnyExample], str]:
    """Return what gives an example's stratum: its label, of several the rarest; none of other kinds."""
    often = Counter(label for each in examples if isinstance(each, MultiLabelExample) for label in each.labels)

    def stratum(example: AnyExample) -> str:
        if isinstance(example, MultiLabelExample):
            return min(example.labels, key=lambda label: (often[label], label), default="")
        return example.label if isinstance(example, Example) else ""

    return stratum
