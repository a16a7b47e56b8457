"""A short text in a language of the bundle, for the command that `gradsim-serve` shows when it is ready."""

from __future__ import annotations

from collections.abc import Collection

EXAMPLES = {
    "hau": "Ina son wannan fim",
    "swa": "Ninapenda filamu hii",
    "pcm": "I like dis film well well",
    "yor": "Mo fẹ́ràn fíìmù yìí",
    "ibo": "Ihe nkiri a dị mma",
    "kin": "Iyi filime ni nziza",
    "eng": "I like this film",
    "por": "Gosto muito deste filme",
    "spa": "Me gusta mucho esta película",
    "fra": "Ce film est très bon",
    "deu": "Dieser Film ist sehr gut",
    "ita": "Questo film è molto bello",
    "tur": "Çok güzel bir film",
    "ind": "Film ini bagus sekali",
    "amh": "ይህ ፊልም በጣም ጥሩ ነው",
    "rus": "Этот фильм очень хороший",
    "hin": "यह फिल्म बहुत अच्छी है",
    "zho": "这部电影很好看",
}
"""ISO 639-3 -> text; the first that a bundle serves is shown."""

GENERIC = "Hello!"


def example(languages: Collection[str]) -> str:
    """Return a text for a bundle that serves these languages."""
    return next((text for code, text in EXAMPLES.items() if code in languages), GENERIC)
