"""Each language's keywords, by class-based TF-IDF (Table 15), and the similarity of topics that they show."""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from gradsim_offline.core.progress import Progress
from gradsim_offline.similarity.embedding_vectors import embed
from gradsim_shared.errors import DataError

_LINK = re.compile(r"(?:https?://|www\.)\S+")
_USER = re.compile(r"(?<!\w)@\w+")
_WORDS_PER_BATCH = 64
CAUTION = (
    "topic: keywords are not translated; an encoder that has not learned what words of different languages share in "
    "meaning (mini, or an English one) measures shared script and spelling rather than topic. Name a multilingual one "
    "with --encoder"
)
COMMON = 0.05  # share of a language's texts above which a word counts as a function word


@dataclass(frozen=True)
class Keyword:
    """A word and its TF-IDF weight in its language."""

    word: str
    weight: float


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case and NFC.

    A word is two letters or more with their combining marks, of any script; an apostrophe between letters belongs to
    it. Links, ``@user`` names, numbers, emoji and signs are left out; of ``#word`` the word stays.
    """
    plain = unicodedata.normalize("NFC", html.unescape(text).lower())
    return _word().findall(_USER.sub(" ", _LINK.sub(" ", plain)))


def keywords(
    texts: Mapping[str, Iterable[str]], *, top: int = 50, most_texts: float = COMMON
) -> dict[str, tuple[Keyword, ...]]:
    """Return the words of highest TF-IDF per language, best first; equal weights in the order of the alphabet.

    Languages are the documents: tf is how often a word stands in the language's texts, and
    idf = ln((1 + N) / (1 + languages that have it)) + 1, each language's weights scaled to the length 1
    (scikit-learn's ``TfidfVectorizer``). Words that languages share are pulled down. A language's own function
    words are not, because no other language has them: ``most_texts`` leaves them out (1: leaves none out).

    Args:
        texts: Texts of each language.
        top: Words per language, at most.
        most_texts: Words that stand in more than this share of their language's texts are left out there.

    Raises:
        DataError: No text has a word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    documents = [_document([words(text) for text in given], most_texts) for given in texts.values()]
    if not any(documents):
        raise DataError("no words in the texts: keywords need texts with words of two letters or more")
    vectorizer = TfidfVectorizer(analyzer=_as_it_is)
    weights = vectorizer.fit_transform(documents)  # [languages, words], sparse
    vocabulary = vectorizer.get_feature_names_out()
    chosen = {}
    for language, row in zip(texts, weights, strict=True):
        best = sorted(zip(row.indices, row.data, strict=True), key=lambda pair: (-pair[1], vocabulary[pair[0]]))
        chosen[language] = tuple(Keyword(str(vocabulary[i]), float(weight)) for i, weight in best[:top])
    return chosen


def _document(texts: Sequence[Sequence[str]], most_texts: float) -> list[str]:
    """Return all words of a language's texts, without those that stand in too many of them."""
    spread = Counter(word for text in texts for word in set(text))
    most = max(1.0, most_texts * len(texts))  # a word of one text always stays
    return [word for text in texts for word in text if spread[word] <= most]


def _as_it_is(document: Sequence[str]) -> Sequence[str]:
    """Return the words unchanged: an analyzer for texts that are split already."""
    return document


@lru_cache(maxsize=1)
def _word() -> re.Pattern[str]:
    r"""Return the pattern of a word: ``\w`` of the standard library has no combining marks, so they are listed."""
    code_points = map(chr, range(sys.maxunicode + 1))
    marks = "".join(sign for sign in code_points if unicodedata.category(sign).startswith("M"))
    letter = rf"[^\W\d_][{marks}\u200c\u200d]*"
    return re.compile(rf"{letter}(?:['\u2019]?{letter})+")


def topic_similarity(
    best: Mapping[str, Sequence[Keyword]], *, encoder: str, maximum_length: int, device: torch.device
) -> NDArray[np.float64]:
    """Return the cosine of every two languages' keyword centroids, ``[N, N]``, in the order of ``best``.

    The paper translates the keywords into English first. A keyword's vector is the mean of the encoder's last hidden
    states over its tokens; a language's centroid is their mean, weighted by TF-IDF.

    Args:
        best: Keywords of each language; a language without any gets NaN.
        encoder: Name or directory of the encoder.
        maximum_length: Tokens; longer words are cut.
        device: Where to compute.

    Raises:
        ModelError: The encoder cannot be loaded.
    """
    vocabulary = sorted({keyword.word for chosen in best.values() for keyword in chosen})
    vectors = dict(zip(vocabulary, mean_pooled(vocabulary, encoder, maximum_length, device), strict=True))
    width = len(next(iter(vectors.values()), ()))
    centroids = np.full((len(best), width), np.nan)  # [languages, width]
    for i, chosen in enumerate(best.values()):
        if chosen:
            weights = [keyword.weight for keyword in chosen]
            centroids[i] = np.average([vectors[keyword.word] for keyword in chosen], axis=0, weights=weights)
    lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # a centroid of zeros has no direction: NaN
        directions = centroids / lengths
    similarity: NDArray[np.float64] = np.clip(directions @ directions.T, -1, 1)
    return similarity


def mean_pooled(texts: Sequence[str], encoder: str, maximum_length: int, device: torch.device) -> NDArray[np.float64]:
    """Return the mean of the last hidden states over each text's tokens, ``[texts, width]``."""
    vectors: NDArray[np.float64] = embed(
        encoder,
        texts,
        pooling="mean",
        maximum_length=maximum_length,
        batch_size=_WORDS_PER_BATCH,
        device=device,
        progress=Progress(quiet=True),
    ).numpy()
    return vectors
