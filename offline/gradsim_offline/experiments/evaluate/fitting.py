"""Whether a data set can be judged by a bundle's answers: the same task, and no label that the bundle does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.experiments.evaluate.answers import Target
from gradsim_shared.errors import DataError, SettingsError
from gradsim_shared.excerpts import cut, listing, quoted
from gradsim_shared.nearest import nearest


def check_fits(target: Target, dataset: Dataset, split: Split) -> None:
    """Check that what the annotators gave is something that the bundle could answer.

    Raises:
        SettingsError: The data set is for another task.
        DataError: It has a label that the bundle does not know.
    """
    if dataset.task != target.task:
        raise SettingsError(
            f"{target.title} is for {target.task}, the data set {dataset.name} for {dataset.task}; "
            "name a bundle and a data set of one task"
        )
    for code, label, count in unknown_labels(target, dataset, split):
        guesses = nearest(label, target.labels, limit=1)
        meant = f"did you mean {cut(guesses[0])}? " if guesses else ""
        raise DataError(
            f"{dataset.name}: {split} of {code} has the label {quoted(label)} ({count} x), which {target.title} does "
            f"not know; {meant}it knows {listing(target.labels)}"
        )


def unknown_labels(target: Target, dataset: Dataset, split: Split) -> Iterator[tuple[str, str, int]]:
    """Yield language, label and how often it stands there, for each label that the bundle does not know."""
    for code in dataset.languages:
        golds = (example.gold for example in dataset.split(code, split))
        counts = Counter(label for gold in golds for label in ((gold,) if isinstance(gold, str) else gold))
        yield from ((code, label, count) for label, count in counts.items() if label not in target.labels)
