"""A short text in a language of a bundle: in the commands that `gradsim-serve` shows when it is ready, in OpenAPI."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gradsim_shared.segments import Pair, Question, Sent

OPINIONS = {
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
    "arq": "هذا الفيلم شباب بزاف",
    "ary": "هاد الفيلم زوين بزاف",
    "tso": "Ndzi rhandza filimi leyi",
    "twi": "Mepɛ saa sini yi paa",
    "jav": "Film iki apik banget",
    "sun": "Film ieu alus pisan",
    "min": "Film ko rancak bana",
    "ban": "Film niki becik pisan",
    "ara": "هذا الفيلم جميل جدا",
    "amh": "ይህ ፊልም በጣም ጥሩ ነው",
    "rus": "Этот фильм очень хороший",
    "hin": "यह फिल्म बहुत अच्छी है",
    "zho": "这部电影很好看",
}

PEOPLE_AND_PLACES = {  # somebody lives, or is, somewhere
    "swa": "Juma anaishi Nairobi.",
    "hau": "Musa yana zaune a Kano.",
    "pcm": "Musa dey live for Lagos.",
    "yor": "Adé ń gbé ní Ìbàdàn.",
    "ibo": "Chinedu bi na Enugu.",
    "kin": "Mukamana atuye i Kigali.",
    "lug": "Nakato abeera mu Kampala.",
    "luo": "Otieno odak Kisumu.",
    "wol": "Fatou mu ngi dëkk Dakar.",
    "amh": "አበበ በአዲስ አበባ ይኖራል።",
    "zul": "Sipho uhlala eThekwini.",
    "xho": "Sipho uhlala eKapa.",
    "sna": "Tendai anogara muHarare.",
    "nya": "Chisomo amakhala ku Lilongwe.",
    "tsn": "Thabo o nna kwa Gaborone.",
    "twi": "Kofi te Kumasi.",
    "ewe": "Kofi le Lome.",
    "fon": "Koku ɖò Kutɔnu.",
    "bam": "Musa bɛ Bamakɔ.",
    "mos": "Musa bee Waogdgo.",
    "bbj": "Fotso, Bafoussam",
    "eng": "Ada Lovelace lived in London.",
    "deu": "Clara Schumann lebte in Frankfurt.",
    "fra": "Marie Curie a vécu à Paris.",
    "spa": "Frida Kahlo vivió en Coyoacán.",
    "por": "Clarice Lispector viveu no Recife.",
    "ita": "Grazia Deledda visse a Roma.",
    "tur": "Orhan Pamuk İstanbul'da oturuyor.",
    "ind": "Kartini lahir di Jepara.",
    "rus": "Анна Ахматова жила в Ленинграде.",
    "hin": "प्रेमचंद वाराणसी में रहते थे।",
    "zho": "鲁迅住在北京。",
}

EXAMPLES: Mapping[str, Mapping[str, str]] = {"sentiment": OPINIONS}
"""Name of an endpoint -> ISO 639-3 -> text; for endpoints that are not here, texts with names."""

GENERIC = {"sentiment": "Hello!"}


def pair_example(languages: Collection[str]) -> Pair:
    """Return the first of `pair_examples`, in the order of the languages; else one in English."""
    pairs = pair_examples(languages)
    return next((pairs[code] for code in languages if code in pairs), pair_examples(["eng"])["eng"])


def pair_examples(languages: Collection[str]) -> dict[str, Pair]:
    """Return a pair in each language of which there are two texts here."""
    both = OPINIONS.keys() & PEOPLE_AND_PLACES.keys() & set(languages)
    return {code: Pair(PEOPLE_AND_PLACES[code], OPINIONS[code]) for code in OPINIONS if code in both}


def example_of(holds: str, endpoint: str, languages: Collection[str]) -> Sent:
    """Return what an endpoint, named without its slash, may be asked; ``holds``: texts, pairs or questions."""
    if holds == "questions":
        return Question("Where did Ada Lovelace live?", PEOPLE_AND_PLACES["eng"])
    return pair_example(languages) if holds == "pairs" else example(endpoint, languages)


def examples(endpoint: str, languages: Collection[str]) -> dict[str, str]:
    """Return a text in each language, if there is one, for an endpoint that is named without its slash."""
    texts = EXAMPLES.get(endpoint, PEOPLE_AND_PLACES)
    return {code: text for code, text in texts.items() if code in languages}


def example(endpoint: str, languages: Collection[str]) -> str:
    """Return the first of `examples`, or one in another language."""
    return next(iter(examples(endpoint, languages).values()), GENERIC.get(endpoint, "Wangari Maathai"))
