"""Run the models over texts of one queue: a group's own, or the trunk once and then the model of each group on it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gradsim_serving.bundles.served import Served
from gradsim_serving.engine.job import Job, QueuedText
from gradsim_serving.observing.observer import Observer
from gradsim_shared.decoding import Logits
from gradsim_shared.group_model import GroupModel
from gradsim_shared.manifest import TRUNK
from gradsim_shared.trunk import TrunkModel


@dataclass(slots=True)
class OfGroup:
    """The texts of one group in a batch, and what its model says of them.

    Attributes:
        model: The group's.
        texts: In the order of the queue.
        outputs: Number of a piece to the model's output.
        error: What the model raised; ``None``: nothing.
    """

    model: GroupModel
    texts: list[QueuedText] = field(default_factory=list)
    outputs: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    error: BaseException | None = None


class ModelsRun:
    """One run over texts of one queue.

    Args:
        served: Their bundle.
        texts: At least one; those of several groups that stand on a trunk, or of one group.
        observer: Counts runs.
    """

    def __init__(self, served: Served, texts: Sequence[QueuedText], observer: Observer) -> None:
        self._endpoint, self._texts, self._observer = served.endpoint, texts, observer
        self.groups: dict[str, OfGroup] = {}
        self._ids: list[list[int]] = []  # of each piece
        self._asked: list[list[str]] = []  # groups that answer each piece
        self._pieces: dict[tuple[Job, int], range] = {}  # of each text
        for text in texts:
            of_group = self.groups.setdefault(text.group, OfGroup(served.models[text.group]))
            of_group.texts.append(text)
            if _key(text) not in self._pieces:
                first = len(self._ids)
                self._ids += text.reading.ids
                self._asked += ([] for _ in text.reading.ids)
                self._pieces[_key(text)] = range(first, len(self._ids))
            for piece in self._pieces[_key(text)]:
                self._asked[piece].append(text.group)

    def run(self, chunk_tokens: int, spare_tokens: int) -> bool:
        """Fill the groups' outputs; ``False``: no caller waits any more.

        Args:
            chunk_tokens: Most tokens that run together, padding counted.
            spare_tokens: Padding that costs about as much as one more run.

        Raises:
            Exception: Whatever the trunk raises, or the only group's model.
        """
        name, any_group = next(iter(self.groups.items()))
        model, trunk = any_group.model, any_group.model.trunk
        lengths = [len(ids) for ids in self._ids]
        for number, rows in enumerate(model.chunks(lengths, chunk_tokens, spare_tokens)):
            if number and not any_live(self._texts):  # a long text has many chunks
                return False
            count = len(rows), sum(lengths[row] for row in rows), len(rows) * model.padded(lengths[rows[-1]])
            if trunk is None:
                any_group.outputs |= zip(rows, model.run_chunk([self._ids[row] for row in rows]), strict=True)
            else:
                self._run_trunk(trunk, rows)
            self._observer.batch(self._endpoint, name if trunk is None else TRUNK, *count)
        return True

    def _run_trunk(self, trunk: TrunkModel, pieces: Sequence[int]) -> None:
        """Run the trunk over some pieces, then each group's model over its own; one that fails leaves its error."""
        rank = {name: number for number, name in enumerate(self.groups)}
        rows = sorted(pieces, key=lambda piece: rank[self._asked[piece][0]])  # those of a group follow each other
        output = trunk.run([self._ids[row] for row in rows])
        for name, of_group in self.groups.items():
            places = [place for place, row in enumerate(rows) if name in self._asked[row]]
            if not places or of_group.error is not None:
                continue
            try:
                found = of_group.model.run_top(output.rows(places))
            except BaseException as error:  # whatever a graph raises, panics in Rust too
                of_group.error = error
                continue
            of_group.outputs |= zip((rows[place] for place in places), found, strict=True)
            self._observer.top(self._endpoint, name, len(places))

    def logits(self, of_group: OfGroup) -> list[Logits]:
        """Return the logits of a group's texts, ``[units, labels]`` each, with those of its n-grams.

        Raises:
            Exception: Whatever its model has raised, or that of its n-grams raises.
        """
        if of_group.error is not None:
            raise of_group.error
        readings = [text.reading for text in of_group.texts]
        pieces = [[of_group.outputs[piece] for piece in self._pieces[_key(text)]] for text in of_group.texts]
        gathered = [of_group.model.gather(*pair) for pair in zip(readings, pieces, strict=True)]
        return of_group.model.with_wide(readings, gathered)


def any_live(texts: Iterable[QueuedText]) -> bool:
    """Whether a caller still waits for any of these texts."""
    now = time.monotonic()
    return any(text.job.is_live(now) for text in texts)


def _key(text: QueuedText) -> tuple[Job, int]:
    return text.job, text.index
