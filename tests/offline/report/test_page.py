"""The report page: what a reader finds on it, that it is well-formed, and that nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest

from gradsim_offline.report._numbers import MINUS, MISSING, decimal, percent, points, sign, tiny
from gradsim_offline.report.page import render
from gradsim_offline.report.plots import TOOLTIP_CELLS, heatmap
from gradsim_offline.similarity._measured import Measured
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
VOID = {"meta", "link", "br", "hr", "img", "input"}
ATTRIBUTES_THAT_LOAD = {"src", "href", "xlink:href", "action", "data", "poster", "srcset", "background", "formaction"}


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


def read(page):
    """Parse a page and check what must hold for every page."""
    found = Page(page)
    assert not found.open, f"not closed: {found.open}"
    assert len(found.ids) == len(set(found.ids)), "an id stands twice"
    assert not re.search("https?://|url\\(|@import", re.sub("<pre>.*?</pre>", "", page, flags=re.DOTALL))
    for name, value in found.attributes:
        if name in ATTRIBUTES_THAT_LOAD:
            assert value == "data:," or value.removeprefix("#") in found.ids, (name, value)
        assert not name.startswith("on")
    assert not found.tags.keys() & {"script", "img", "iframe", "object", "embed", "form", "base"}
    for tags, hidden in zip(found.drawings, found.hidden, strict=True):
        assert hidden or tags[:2] == ["title", "desc"]
    assert "nan" not in re.findall(r"[a-z]+", found.text)
    return found


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
    return {
        "metric": "weighted_f1",
        "scores": {split: {code: make_scores(code).model_dump() for code in codes} for split in splits},
        "averages": {
            split: {column: dict(zip(("plain", "weighted"), averages[column], strict=True)) for column in columns}
            for split in splits
        },
        "identifier": {split: dict.fromkeys(codes, 0.9612) for split in splits},
        "confusion": taken if splits else {},
    }


CONFUSION = {
    "hau": {"hau": 388, "ibo": 8, "unknown": 4},
    "ibo": {"amh": 3, "ibo": 297},
    "twi": {"twi": 100},
    "amh": {"amh": 200},
}


@pytest.fixture(scope="module")
def page():
    return read(render(make_manifest(), make_measured(), make_evaluated(confusion=CONFUSION), COUNTS))


def test_headline(page):
    assert "afrisenti@1.2.0" in page.text
    assert "Text classification in 4 languages, answered by 2 group models" in page.text
    assert "Weighted F1 on test in percent, 4 languages, 1000 texts" in page.text
    for value in ("66.11", "68.81", "68.33", "71.01", "67.92", "70.73", "+2.22", "+2.20", "+1.81"):
        assert value in page.text


def test_groups(page):
    for name, code in NAMES.items():
        assert name in page.text
        assert code in page.text
    (first,), (second,) = page.rows_of("g1")[:1], page.rows_of("g2")[:1]
    assert first[1:] == ["Hausa hau 0.413Igbo ibo 0.413Twi twi 0.413", "none"]
    assert second[1:] == ["Amharic amh 0.413", "Hausa hau 0.287"]
    assert "1.652 \u2013 proven" in page.text
    assert "the diagonal of S" in page.text


def test_a_bound_that_was_not_reached():
    grouping = Grouping(solver="search", singleton_score=0.25, score=1.652, bound=1.7, proven=False)
    page = read(render(make_manifest(grouping=grouping), make_measured(), make_evaluated(), COUNTS))
    assert "1.700 \u2013 not proven optimal: a better choice could score up to 0.048 more" in page.text
    assert "A group of one scores 0.250" in page.text


def test_score_of_one_group_of_all():
    matrix = np.array([[1, 0.5, 0.1], [0.5, 1, -0.3], [0.1, -0.3, 1]])  # 0.3 + 0.1 - 0.1
    codes = ("hau", "ibo", "twi")
    manifest = make_manifest({c: NAMES[c] for c in codes}, SERVED, {"g1": list(codes)})
    measured = make_measured(codes, matrix=matrix, layers={"head.out": matrix})
    page = read(render(manifest, measured, make_evaluated(codes=codes), COUNTS))
    assert "all languages in one group would score 0.300" in page.text


def test_heat_map_is_in_the_order_of_the_groups():
    codes = ("amh", "twi", "ibo", "hau")
    matrix = np.arange(16).reshape(4, 4) / 20
    measured = make_measured(codes, matrix=matrix, layers={"head.out": matrix, "encoder.1": -matrix})
    page = read(render(make_manifest(), measured, make_evaluated(), COUNTS))
    assert [piece for piece in page.pieces if "\u00b7" in piece][:4] == [f"{NAMES[c]} \u00b7 {c}" for c in NAMES]
    assert "Hausa from Amharic: 0.600" in page.text  # row hau, column amh
    assert "Amharic from Hausa: 0.150" in page.text
    assert f"Hausa from Amharic: {MINUS}0.600" in page.text  # the second layer
    assert "Hausa, two halves of its data: " in page.text
    assert "head.out" in page.text
    assert "encoder.1" in page.text


def test_convergence():
    first, second = np.zeros((4, 4)), np.full((4, 4), 0.25)
    second[0, 1] = 0.61
    np.fill_diagonal(second, 99)  # the diagonal does not count
    epochs = (first, second, second)
    page = read(render(make_manifest(), make_measured(epochs=epochs), make_evaluated(), COUNTS))
    assert page.rows_of("1 to 2") == [["1 to 2", "0.280", "0.610"]]
    assert page.rows_of("2 to 3") == [["2 to 3", "0.000", "0.000"]]


def test_scores(page):
    hausa = page.rows_of("Hausa hau")[0]
    assert hausa[:-1] == ["Hausa hau", "g1", "400", "75.12", "78.34", "78.01", "+3.22"]
    assert page.rows_of("Igbo ibo")[0][-2] == f"{MINUS}0.88"
    assert page.rows_of("Plain mean")[0][3:6] == ["66.11", "68.33", "67.92"]
    assert page.rows_of("Weighted by texts")[0][2:7] == ["1000", "68.81", "71.01", "70.73", "+2.20"]
    assert page.rows_of("accuracy")[0] == ["accuracy", "76.13", "79.35", "79.02"]
    assert len(page.rows_of("Plain mean")) == 2  # test and, folded, dev
    assert page.rows_of("Hausa hau")[2][2] == "50"  # dev texts


def test_signs_have_colours(page):
    classes = [value for name, value in page.attributes if name == "class"]
    assert "better" in classes
    assert "worse" in classes


def test_identifier(page):
    assert "Accuracy on test 96.12 % of all texts" in page.text
    assert "Threshold 0.40; where no group is that probable, group g1 answers (Hausa, Igbo, Twi)" in page.text
    assert "Temperature 1.250" in page.text
    assert "Hausa taken for Igbo: 8 of 400 texts, 2.00 %" in page.text
    assert page.rows_of("Hausa") and ["Hausa", "Igbo", "8", "2.00", "yes"] in page.rows_of("Hausa")
    assert ["Hausa", "unknown", "4", "1.00", "no"] in page.rows_of("Hausa")
    assert ["Igbo", "Amharic", "3", "1.00", "no"] in page.rows_of("Igbo")


def test_models_and_provenance(page):
    assert page.rows_of("g2")[1] == [
        "g2",
        "Amharic",
        "fp32",
        "groups/g2/model.onnx",
        "256",
        "2.4e-06",
        "100.00",
        "3.21",
    ]
    for fact in ("2026-01-02T03:04:05+00:00", "ab" * 32, "Davlan/afro-xlmr-large", "torch 2.13.0", '"epochs": 3'):
        assert fact in page.text
    assert "https://example.org/<a>" in page.text  # as text, from the settings


def test_same_arguments_same_page():
    pages = {render(make_manifest(), make_measured(), make_evaluated(), COUNTS) for _ in range(2)}
    assert len(pages) == 1


def test_hostile_names_stay_text():
    hostile = '"><script>alert("1")</script>{{ 7*7 }}'
    names = {**NAMES, "hau": hostile}
    provenance = make_manifest().provenance.model_copy(update={"model": hostile, "settings": {hostile: "</pre>"}})
    manifest = make_manifest(names, name=hostile, labels=["a", hostile], provenance=provenance)
    measured = make_measured(measure=hostile, layers={hostile: np.eye(4)}, settings={hostile: 1})
    evaluated = make_evaluated(confusion={"hau": {"hau": 1, hostile: 1}})
    page = read(render(manifest, measured, evaluated, COUNTS))
    assert page.text.count(hostile) >= 8


def test_no_test_split():
    page = read(render(make_manifest(splits=("dev",)), make_measured(), make_evaluated(("dev",)), {}))
    assert "Weighted F1 on dev in percent" in page.text
    assert "the data has no test split" in page.text
    assert "Taken for others, on dev" in page.text
    assert page.rows_of("Hausa hau")[0][2] == "50"


def test_nothing_scored():
    page = read(render(make_manifest(splits=()), make_measured(), {}, {}))
    assert "Nothing was scored" in page.text
    assert "Accuracy not measured" in page.text


def test_a_language_without_a_split():
    manifest = make_manifest()
    languages = [
        language.model_copy(update={"scores": {}}) if language.code == "twi" else language
        for language in manifest.languages
    ]
    evaluated = make_evaluated(codes=("hau", "ibo", "amh"))
    page = read(render(manifest.model_copy(update={"languages": languages}), make_measured(), evaluated, COUNTS))
    assert "3 languages, 900 texts" in page.text
    assert ["Twi twi", MISSING, MISSING] in page.rows_of("Twi")


@pytest.mark.parametrize("layers", [{}, {"head.out": np.array([[1.0]])}])
def test_one_language_in_one_group(layers):
    names = {"hau": "Hausa"}
    measured = make_measured(("hau",), split_half=None, epochs=(np.eye(1), np.eye(1)), layers=layers)
    page = read(render(make_manifest(names, SERVED, {"g1": ["hau"]}), measured, make_evaluated(codes=("hau",)), COUNTS))
    assert "in 1 language, answered by 1 group model." in page.text
    assert "alone; the figure is the score of a group of one" in page.text
    assert "there is one language only" in page.text
    assert "would score" not in page.text


@pytest.mark.parametrize(
    ("epochs", "reason"), [((), "this measure has no epochs"), ((np.eye(4),), "S was measured in one epoch")]
)
def test_no_split_half_and_nothing_to_compare(epochs, reason):
    measured = make_measured(measure="typology", split_half=None, epochs=epochs, layers={}, settings={})
    page = read(render(make_manifest(), measured, make_evaluated(), COUNTS))
    assert reason in page.text
    assert "halves" not in page.text
    assert "S at typology" in page.text


def test_similarity_of_zero_everywhere():
    read(render(make_manifest(), make_measured(matrix=np.zeros((4, 4)), layers={}), make_evaluated(), COUNTS))


def test_nobody_taken_for_another():
    page = read(render(make_manifest(), make_measured(), make_evaluated(), COUNTS))
    assert "No text was taken for another language." in page.text


@pytest.mark.parametrize("count", [21, TOOLTIP_CELLS + 1])
def test_many_languages(count):
    codes = [f"x{i:02}" for i in range(count)]
    manifest = make_manifest({code: f"Language {code}" for code in codes}, dict.fromkeys(codes, "g1"), {"g1": codes})
    page = read(render(manifest, make_measured(codes), make_evaluated(codes=codes), {}))
    assert "Language x20" in page.text
    assert ("Language x20 from Language x00: " in page.text) == (count <= TOOLTIP_CELLS)


def test_heat_map_colours():
    """Full colour for the largest value off the diagonal, none for what is missing, two colours for two signs."""
    drawing = heatmap(
        np.array([[9, -0.5], [0.25, np.nan]]),
        rows=["a", "b"],
        columns=["a", "b"],
        name="s",
        title="t",
        description="d",
        muted=np.array([[True, False], [False, False]]),
        tip=lambda i, j: f"{i}{j}",
    )
    cells = dict(re.findall(r'<title>(\d\d)</title><rect class="(\w+" fill-opacity="[\d.]+)"', drawing))
    assert cells == {
        "00": 'muted" fill-opacity="1',
        "01": 'negative" fill-opacity="1',
        "10": 'positive" fill-opacity="0.5',
        "11": 'positive" fill-opacity="0',
    }


def test_numbers():
    written = [decimal(value) for value in (0.4127, -0.4127, -0.0001, None, float("inf"))]
    assert written == ["0.413", f"{MINUS}0.413", "0.000", MISSING, MISSING]
    assert [percent(value) for value in (0.81254, 1, None)] == ["81.25", "100.00", MISSING]
    assert [points(value) for value in (0.0125, -0.0125, -0.00001, None)] == ["+1.25", f"{MINUS}1.25", "0.00", MISSING]
    assert [sign(value) for value in (0.1, -0.1, -0.00001, None)] == ["better", "worse", "", ""]
    assert [tiny(value) for value in (2.4e-6, 0, None)] == ["2.4e-06", "0", MISSING]
