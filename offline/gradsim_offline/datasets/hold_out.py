"""Hold texts out of a train split: a share of each label, the same draw every time, copies of a text together.

Pairs with the same first text, as the hypotheses of one premise, and questions with the same context are such copies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gradsim_offline.core.dataset import AnyExample, Dataset, Example, MultiLabelExample, Split
from gradsim_shared.segments import Pair, Question, segments

FEWEST = 20
"""A language with fewer train texts keeps all of them."""

_FEWEST_HELD_OUT = 5


def hold_out(dataset: Dataset, split: Split, share: float) -> Dataset:
    """Give languages without a split a share of their train texts as that split, and say so in a note.

    Of parallel texts, in the same order with the same labels, the same ones are held out in every language: none is
    trained on in another one.

    Args:
        dataset: Is not changed.
        split: ``dev`` or ``test``.
        share: Of the train texts, 0 to 0.5; at least 5 texts are held out; of languages with fewer than 20, none.
    """
    examples = {code: dict(splits) for code, splits in dataset.examples.items()}
    sizes: list[str] = []
    for code, splits in examples.items():
        train = splits.get("train", ())
        if splits.get(split) or len(train) < FEWEST or not share:
            continue
        held = set(_chosen(train, max(round(share * len(train)), _FEWEST_HELD_OUT)))
        splits["train"] = [each for place, each in enumerate(train) if place not in held]
        splits[split] = [train[place] for place in sorted(held)]
        sizes.append(f"{code} {len(held)}")
    if not sizes:
        return dataset
    note = f"files: without a {split} split, {share:.0%} of train is held out as {split} ({', '.join(sizes)})"
    way = "; data_options.held_out=0 keeps it in train" if split == "dev" else ""
    return replace(dataset, examples=examples, notes=(*dataset.notes, note + way))


def _chosen(examples: Sequence[AnyExample], number: int) -> list[int]:
    """Return the places of about so many examples, stratified by label; all copies of a text go with the first."""
    copies: dict[str, list[int]] = {}
    for place, example in enumerate(examples):
        text = example.text
        copies.setdefault(text.context if isinstance(text, Question) else segments(text)[0], []).append(place)
    if isinstance(examples[0].text, Pair):
        number = max(1, round(number * len(copies) / len(examples)))  # of first texts, or contexts
    stratum = _strata(examples)
    strata: dict[str, list[str]] = {}
    for text, places in copies.items():
        strata.setdefault(stratum(examples[places[0]]), []).append(text)
    shares = np.array([number * len(texts) / len(copies) for texts in strata.values()])
    quotas = np.floor(shares).astype(int)
    quotas[np.argsort(quotas - shares, kind="stable")[: number - quotas.sum()]] += 1  # the largest remainders
    draw = np.random.default_rng(0)
    drawn = [
        texts[place]
        for texts, quota in zip(strata.values(), quotas, strict=True)
        for place in draw.permutation(len(texts))[: min(quota, len(texts) - 1)]  # a label stays in train
    ]
    return [place for text in drawn for place in copies[text]]


def _strata(examples: Sequence[AnyExample]) -> Callable[[AnyExample], str]:
    """Return what gives an example's stratum: its label, of several the rarest; none of other kinds."""
    often = Counter(label for each in examples if isinstance(each, MultiLabelExample) for label in each.labels)

    def stratum(example: AnyExample) -> str:
        if isinstance(example, MultiLabelExample):
            return min(example.labels, key=lambda label: (often[label], label), default="")
        return example.label if isinstance(example, Example) else ""

    return stratum
