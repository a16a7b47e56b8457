"""A build's manifest, S and scores for the pages, and a reader of pages to whom every mistake in HTML is an error."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest

from gradsim_offline.similarity.measured import Measured
from gradsim_shared.manifest import (
    Fallback,
    FileEntry,
    Group,
    Grouping,
    Identifier,
    Language,
    Manifest,
    Parity,
    Precision,
    Provenance,
    Scores,
    Similarity,
)

VOID = {"meta", "link", "br", "hr", "img", "input"}
ATTRIBUTES_THAT_LOAD = {"src", "href", "xlink:href", "action", "data", "poster", "srcset", "background", "formaction"}


NAMES = {"hau": "Hausa", "ibo": "Igbo", "twi": "Twi", "amh": "Amharic"}
SERVED = {"hau": "g1", "ibo": "g1", "twi": "g1", "amh": "g2"}
MEMBERS = {"g1": ["hau", "ibo", "twi"], "g2": ["amh", "hau"]}  # hau is source-only in g2
COUNTS = {"hau": 400, "ibo": 300, "twi": 100, "amh": 200}
F1 = {  # multilingual, group, service
    "hau": (0.7512, 0.7834, 0.7801),
    "ibo": (0.7011, 0.6923, 0.6902),
    "twi": (0.6105, 0.6255, 0.6144),
    "amh": (0.5817, 0.6321, 0.6321),
}


def make_scores(code):
    columns = [{"weighted_f1": f1, "accuracy": f1 + 0.0101} for f1 in F1.get(code, F1["hau"])]
    return Scores(**dict(zip(("multilingual", "group", "service"), columns, strict=True)))


def make_manifest(names=NAMES, served=SERVED, members=MEMBERS, splits=("dev", "test"), **changes):
    groups = [
        Group(
            id=group,
            members=codes,
            tokenizer=f"groups/{group}/tokenizer.json",
            precisions={
                "fp32": Precision(
                    file=f"groups/{group}/model.onnx",
                    parity=Parity(texts=256, max_difference=2.4e-6, label_agreement=1.0),
                    latency_milliseconds=3.21,
                )
            },
            inputs=["input_ids"],
            pad_id=0,
        )
        for group, codes in members.items()
    ]
    files = [file for group in groups for file in (group.tokenizer, group.precisions["fp32"].file)]
    settings = {
        "name": "afrisenti",
        "version": "1.2.0",
        "task": "text_classification",
        "labels": ["negative", "neutral", "positive"],
        "metric": "weighted_f1",
        "maximum_length": 128,
        "languages": [
            Language(
                code=code,
                name=name,
                group=served[code],
                collective_similarity={g: 0.413 if g == served[code] else 0.287 for g in members if code in members[g]},
                counts={"train": 1000, "dev": 50, "test": COUNTS.get(code, 100)} if splits else {"train": 1000},
                scores={split: make_scores(code) for split in splits},
            )
            for code, name in names.items()
        ],
        "groups": groups,
        "similarity": Similarity(measure="gradient"),
        "grouping": Grouping(solver="exact", singleton_score="self", score=1.652, bound=1.652, proven=True),
        "identifier": Identifier(labels={}, threshold=0.4, temperature=1.25, accuracy=dict.fromkeys(splits, 0.9612)),
        "fallback": Fallback(group="g1"),
        "provenance": Provenance(
            created="2026-01-02T03:04:05+00:00",
            data="afrisenti",
            data_fingerprint="ab" * 32,
            model="Davlan/afro-xlmr-large",
            seed=7,
            versions={"torch": "2.13.0"},
            settings={"measuring": {"epochs": 3}, "home": "https://example.org/<a>"},
        ),
        "files": dict.fromkeys([*files, "similarity.json", "identifier.ftz"], FileEntry(sha256="0" * 64, size=0)),
    }
    return Manifest(**{**settings, **changes})


def make_measured(codes=tuple(NAMES), **changes):
    random = np.random.default_rng(0)

    def similarity():
        half = random.uniform(-0.5, 0.8, (len(codes), len(codes)))
        matrix = (half + half.T) / 2
        np.fill_diagonal(matrix, 1)
        return matrix

    epochs = tuple(similarity() for _ in range(3))
    mean = np.mean(epochs, axis=0)
    settings = {
        "measure": "gradient",
        "languages": tuple(codes),
        "matrix": mean,
        "split_half": random.uniform(0.2, 0.9, len(codes)),
        "epochs": epochs,
        "layers": {"head.out": mean},
        "settings": {"fraction": 0.25},
        "seconds": 41.27,
    }
    return Measured(**{**settings, **changes})


def make_evaluated(splits=("dev", "test"), codes=tuple(NAMES), confusion=None):
    columns = ("multilingual", "group", "service")
    averages = {"multilingual": (0.6611, 0.6881), "group": (0.6833, 0.7101), "service": (0.6792, 0.7073)}
    taken = {code: {code: COUNTS.get(code, 100)} for code in codes} if confusion is None else confusion
    interval = {column: [0.6, 0.7] for column in columns} | {"gain": [-0.0123, 0.0456]}
    return {
        "metric": "weighted_f1",
        "scores": {split: {code: make_scores(code).model_dump() for code in codes} for split in splits},
        "averages": {
            split: {column: dict(zip(("plain", "weighted"), averages[column], strict=True)) for column in columns}
            for split in splits
        },
        "intervals": {split: dict.fromkeys(codes, interval) for split in splits},
        "average_intervals": {split: {"plain": interval, "weighted": interval} for split in splits},
        "routing": {"hau": {"g1": 390, "g2": 10}, "amh": {"g2": 200}},
        "identifier": {split: dict.fromkeys(codes, 0.9612) for split in splits},
        "confusion": taken if splits else {},
    }


class Page(HTMLParser):
    """A page as a reader meets it: text, tables, attributes, and whether every tag is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.pieces: list[str] = []
        self.rows: list[list[str]] = []
        self.drawings: list[list[str]] = []  # per SVG: the tags in it
        self.hidden: list[bool] = []  # per SVG: whether it is hidden from readers' aids
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note a tag, its attributes, and where rows, cells and drawings begin."""
        self.tags[tag] += 1
        self.attributes += attrs
        assert tag != "th" or dict(attrs).get("scope") in ("col", "row", "rowgroup"), self.rows[-1:]
        assert tag != "html" or ("lang", "en") in attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if "svg" in self.open:
            self.drawings[-1].append(tag)
        if tag == "svg":
            self.drawings.append([])
            self.hidden.append(("aria-hidden", "true") in attrs)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note a tag that closes itself."""
        assert "svg" in self.open, f"<{tag}/> closes itself in SVG only"
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        """Close the tag that was opened last, and no other."""
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Collect what people read."""
        if "style" in self.open:
            return
        self.pieces.append(data)
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def text(self):
        """All text, spaces made one."""
        return re.sub(r"\s+", " ", " ".join(self.pieces))

    def rows_of(self, start):
        """Find the table rows whose first cell starts so."""
        return [[" ".join(cell.split()) for cell in row] for row in self.rows if row[0].startswith(start)]


def _read(page):
    """Parse a page and check what must hold for every page."""
    found = Page(page)
    assert not found.open, f"not closed: {found.open}"
    assert len(found.ids) == len(set(found.ids)), "an id stands twice"
    assert not re.search("https?://|url\\(|@import", re.sub("<pre>.*?</pre>", "", page, flags=re.DOTALL))
    for name, value in found.attributes:
        if name in ATTRIBUTES_THAT_LOAD:
            assert value == "data:," or value.removeprefix("#") in found.ids, (name, value)
        assert not name.startswith("on")
    assert found.tags["table"] == found.tags["caption"]
    assert not found.tags.keys() & {"script", "img", "iframe", "object", "embed", "form", "base"}
    for tags, hidden in zip(found.drawings, found.hidden, strict=True):
        assert hidden or tags[:2] == ["title", "desc"]
    assert "nan" not in re.findall(r"[a-z]+", found.text)
    return found


@pytest.fixture(scope="session")
def read():
    """A function that parses a page and checks what must hold for every page."""
    return _read
