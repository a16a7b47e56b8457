"""Character n-gram profiles of languages: is a text of any of them (out-of-domain), or of two (code-mixing)?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.manifest_identifier import CodeMixing, Known, Profiles

STEP = 0.05  # nats: what 1 in the table is worth
SHARE_OF_UNSEEN = 0.1  # of a language's probability, spread over all buckets
_LEAST_NGRAMS = 8  # of a text that may be in two languages
_TOGETHER = 8192  # characters of texts that are judged together

_NO_LETTERS = re.compile(r"[\W\d_]+")
_PRIME, _GOLDEN = np.uint64(1_000_003), np.uint64(0x9E37_79B9_7F4A_7C15)  # mix n characters; spread over 64 bits
_WORD = 64


class LanguageProfiles:
    """The table of a bundle, and what it says of texts. It may be asked from several threads.

    The log probability of an n-gram is taken without its context (no chain rule): the mean over a text says how usual
    its n-grams are, not how probable the text is.

    Args:
        table: uint8 [languages, buckets]: (log probability - that of an unseen n-gram) / ``STEP``.
        profiles: What its rows are.
        known: When a text is of none of the languages.
        code_mixing: When it is of two.
    """

    def __init__(
        self, table: NDArray[np.uint8], profiles: Profiles, known: Known | None, code_mixing: CodeMixing | None
    ) -> None:
        self._steps = np.ascontiguousarray(table.T)  # [buckets, languages]: what one n-gram asks for lies together
        self._order = profiles.order
        self._buckets = table.shape[1]
        self._rows = {code: row for row, code in enumerate(profiles.languages)}
        self._known, self._code_mixing = known, code_mixing
        self._scores = np.array(known.scores if known else [])
        self._shares = np.array(known.shares if known else [])

    def judge(self, cleaned: str, language: str) -> tuple[float, bool]:
        """Return what ``judge_all`` says of one text."""
        return self.judge_all([cleaned], [language])[0]

    def judge_all(self, cleaned: Sequence[str], languages: Sequence[str]) -> list[tuple[float, bool]]:
        """Return how surely each text is of any of the languages, 0 to 1, and whether of two at once.

        The first is the share of dev texts that look at least as foreign in the language that they are taken for (a
        conformal p-value, Vovk et al. 2005): a threshold of 0.01 gives up one dev text in a hundred. 1 where nothing
        was calibrated, or where the text has no n-gram.

        Args:
            cleaned: The texts as ``identifier_text`` returns them.
            languages: What each is taken for.
        """
        judgements: list[tuple[float, bool]] = []
        for rows in _parts(cleaned):
            judgements += self._judge(cleaned[rows], languages[rows])
        return judgements

    def mean(self, cleaned: str, language: str) -> tuple[float, int]:
        """Return the mean log probability of a text's n-grams in a language, nats above unseen, and their number."""
        ngrams = buckets_of(cleaned, self._order, self._buckets)
        return (STEP * float(self._steps[ngrams, self._rows[language]].mean()) if len(ngrams) else 0.0), len(ngrams)

    def gain(self, cleaned: str) -> float:
        """Return by how much a cut in two languages explains a text better than one language does.

        It is the largest, over all cuts, of the best language's log probability of the left part, plus that of the
        right part, minus that of the whole; over the square root of the number of n-grams. 0 for very short texts.
        """
        ngrams = buckets_of(cleaned, self._order, self._buckets)
        return self._gains(self._steps.take(ngrams, axis=0), np.array([len(ngrams)]))[0] if len(ngrams) else 0.0

    def _judge(self, cleaned: Sequence[str], languages: Sequence[str]) -> list[tuple[float, bool]]:
        """Judge a few texts together: numpy costs more for each call than for each n-gram."""
        buckets, counts = _all_buckets(cleaned, self._order, self._buckets)
        judgements = [(1.0, False)] * len(cleaned)
        rows = np.flatnonzero(counts).tolist()  # texts with an n-gram
        if not rows or (self._known is None and self._code_mixing is None):
            return judgements
        counts = counts[rows]
        steps = self._steps.take(buckets, axis=0)  # [n-grams of all texts, languages]
        shares = self._known_shares(steps, counts, [languages[row] for row in rows])
        mixed = self._mixed(steps, counts, [cleaned[row] for row in rows])
        for row, share, two in zip(rows, shares, mixed, strict=True):
            judgements[row] = (share, two)
        return judgements

    def _known_shares(
        self, steps: NDArray[np.uint8], counts: NDArray[np.int64], languages: Sequence[str]
    ) -> list[float]:
        """Return the share of dev texts that look at least as foreign as each text."""
        known = self._known
        if known is None:
            return [1.0] * len(languages)
        columns = [self._rows.get(language, 0) for language in languages]
        if len(columns) == 1:
            sums = [int(steps[:, columns[0]].sum())]
        else:
            claimed = steps[np.arange(len(steps)), np.repeat(columns, counts)]  # [n-grams], in the language taken for
            sums = np.add.reduceat(claimed, np.cumsum(counts) - counts, dtype=np.int64).tolist()
        scores = []
        for total, count, language in zip(sums, counts.tolist(), languages, strict=True):
            usual = known.usual.get(language)  # none: a language that was added to the model later
            if usual is None:
                scores.append(np.inf)
                continue
            deviation = (usual.variance + usual.variance_per_ngram / count) ** 0.5
            scores.append((STEP * (total / count) - usual.centre) / deviation)
        shares: list[float] = np.interp(scores, self._scores, self._shares).tolist()
        return [1.0 if score == np.inf else share for score, share in zip(scores, shares, strict=True)]

    def _mixed(self, steps: NDArray[np.uint8], counts: NDArray[np.int64], cleaned: Sequence[str]) -> list[bool]:
        """Say which texts are in two languages."""
        mixing = self._code_mixing
        if mixing is None:
            return [False] * len(cleaned)
        long = [text.count(" ") + 1 >= mixing.words for text in cleaned]
        if not any(long):
            return long
        return [
            enough and gain > mixing.threshold for enough, gain in zip(long, self._gains(steps, counts), strict=True)
        ]

    @staticmethod
    def _gains(steps: NDArray[np.uint8], counts: NDArray[np.int64]) -> list[float]:
        """Return what the best cut of each text gains; ``steps`` [n-grams, languages], of each text ``counts``."""
        left = np.cumsum(np.ascontiguousarray(steps.T), axis=1, dtype=np.int32)  # [languages, n-grams]
        ends = np.cumsum(counts)
        whole = each = left[:, ends - 1]  # [languages, texts]
        if len(counts) > 1:
            before = np.concatenate([np.zeros_like(whole[:, :1]), whole[:, :-1]], axis=1)
            left -= np.repeat(before, counts, axis=1)
            whole = whole - before
            each = np.repeat(whole, counts, axis=1)  # [languages, n-grams]
        best = left.max(axis=0)
        best += np.subtract(each, left, out=left).max(axis=0)
        cut = np.maximum.reduceat(best, ends - counts) - whole.max(axis=0)
        return [
            STEP * float(gained) / float(count) ** 0.5 if count >= _LEAST_NGRAMS else 0.0
            for gained, count in zip(cut.tolist(), counts.tolist(), strict=True)
        ]


def buckets_of(cleaned: str, order: int, buckets: int) -> NDArray[np.int64]:
    """Return the bucket of each character n-gram of a text, [n-grams]; whatever is no letter counts as one space.

    Args:
        cleaned: As ``identifier_text`` returns it.
        order: Characters in an n-gram.
        buckets: How many there are, a power of 2.
    """
    return _all_buckets([cleaned], order, buckets)[0]


def _all_buckets(cleaned: Sequence[str], order: int, buckets: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the buckets of all texts' n-grams, one text after the other, and how many each text has."""
    spaced = [f" {_NO_LETTERS.sub(' ', text).strip()} " for text in cleaned]
    counts = [len(text) - order + 1 if len(text) >= max(order, 3) else 0 for text in spaced]
    whole = "".join(text for text, count in zip(spaced, counts, strict=True) if count)
    if not whole:
        return np.zeros(0, dtype=np.int64), np.array(counts, dtype=np.int64)
    characters = np.frombuffer(whole.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    count = len(characters) - order + 1
    mixed = characters[:count].copy()
    for position in range(1, order):
        mixed *= _PRIME  # modulo 2^64
        mixed ^= characters[position : position + count]
    ngrams, begin = [], 0
    for number in filter(None, counts):  # what stands across two texts is no n-gram
        ngrams.append(mixed[begin : begin + number])
        begin += number + order - 1
    shift = np.uint64(_WORD - (buckets.bit_length() - 1))
    hashes = ngrams[0] if len(ngrams) == 1 else np.concatenate(ngrams)
    hashes *= _GOLDEN
    hashes >>= shift
    return hashes.astype(np.int64), np.array(counts, dtype=np.int64)


def _parts(cleaned: Sequence[str]) -> Iterator[slice]:
    """Yield texts that are judged together: what is computed of them should fit the processor's cache."""
    begin = characters = 0
    for row, text in enumerate(cleaned):
        if characters and characters + len(text) > _TOGETHER:
            yield slice(begin, row)
            begin, characters = row, 0
        characters += len(text)
    if begin < len(cleaned):
        yield slice(begin, len(cleaned))


def count_table(texts: Sequence[Sequence[str]], order: int, buckets: int) -> NDArray[np.uint8]:
    """Count the n-grams of each language's cleaned texts, and return the table of their log probabilities.

    Args:
        texts: Cleaned, per language.
        order: Characters in an n-gram.
        buckets: How many n-grams are told apart, a power of 2.
    """
    table = np.zeros((len(texts), buckets), dtype=np.uint8)
    for row, texts_of_language in enumerate(texts):
        counts = np.zeros(buckets)
        for text in texts_of_language:
            np.add.at(counts, buckets_of(text, order, buckets), 1.0)
        unseen = SHARE_OF_UNSEEN / buckets
        probability = (1 - SHARE_OF_UNSEEN) * counts / max(1.0, counts.sum()) + unseen
        table[row] = np.clip(np.rint(np.log(probability / unseen) / STEP), 0, np.iinfo(np.uint8).max)
    return table
