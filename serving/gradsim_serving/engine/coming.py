"""Requests that have come and are not read yet, and how much of them is read at once."""

from __future__ import annotations

from collections import deque

from gradsim_serving.engine.job import Job, Part

TEXTS_AT_ONCE = 128
"""Texts that are identified and tokenised in one go: more would keep the models waiting."""

CHARACTERS_AT_ONCE = 32_768
"""Characters likewise: as many as 128 texts of 256; more only where a single text is longer."""


class Coming:
    """Requests that wait to be read, first come, first served; of a large one, a slice in each round.

    It is not safe to be used from several threads: the engine's lock guards it.
    """

    def __init__(self) -> None:
        self._parts: deque[Part] = deque()
        self.texts = 0

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, job: Job) -> None:
        """Let a request wait."""
        self._push(Part(job, 0, len(job.texts)))

    def take(self, now: float) -> list[Part]:
        """Take what is to be read next: whole requests, or a slice of one that is too large to be read at once.

        What is left of that one waits behind all others, so that it does not keep small requests waiting. Requests
        that nobody wants any more are dropped.
        """
        taken: list[Part] = []
        texts, characters = TEXTS_AT_ONCE, CHARACTERS_AT_ONCE  # that may still be taken
        while self._parts:
            part = self._parts[0]
            if not part.job.wanted(now):
                self._pop()
                continue
            last, size = _room(part, texts, characters)
            if last < part.last and taken:
                break
            self._pop()
            if last < part.last:
                if last == part.first:  # a single text that is too long is read all the same, and nothing with it
                    last, size = part.first + 1, characters
                part, rest = Part(part.job, part.first, last), Part(part.job, last, part.last)
                if rest.first < rest.last:
                    self._push(rest)
            taken.append(part)
            texts -= part.last - part.first
            characters -= size
        return taken

    def _push(self, part: Part) -> None:
        self._parts.append(part)
        self.texts += part.last - part.first

    def _pop(self) -> None:
        part = self._parts.popleft()
        self.texts -= part.last - part.first


def _room(part: Part, texts: int, characters: int) -> tuple[int, int]:
    """Return behind which text of a part so many texts and characters are reached, and the characters up to there."""
    size = 0
    for index in range(part.first, min(part.last, part.first + texts)):
        length = len(part.job.texts[index])
        if size + length > characters:
            return index, size
        size += length
    return min(part.last, part.first + texts), size
