"""The report page: what a reader finds on it, that it is well-formed, and that nothing is loaded from elsewhere."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from gradsim_offline.report.costs import stage_seconds
from gradsim_offline.report.drawing import Caption, Text
from gradsim_offline.report.heatmap import TOOLTIP_CELLS, heatmap
from gradsim_offline.report.numbers import MINUS, MISSING, decimal, percent, points, sign, tiny
from gradsim_offline.report.page import drawings, render
from gradsim_offline.similarity.reliability import Reliability
from gradsim_shared.manifest import Grouping

from .conftest import COUNTS, NAMES, SERVED, make_evaluated, make_manifest, make_measured

CONFUSION = {
    "hau": {"hau": 388, "ibo": 8, "unknown": 4},
    "ibo": {"amh": 3, "ibo": 297},
    "twi": {"twi": 100},
    "amh": {"amh": 200},
}


GAINED = f"[{MINUS}1.23 to +4.56]"  # the interval of every gain


@pytest.fixture(scope="module")
def page(read):
    return read(render(make_manifest(), make_measured(), make_evaluated(confusion=CONFUSION), COUNTS))


def test_title_and_tiles(page):
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


def test_grouping_that_is_not_proven_optimal(read):
    grouping = Grouping(solver="search", singleton_score=0.25, score=1.652, bound=1.7, proven=False)
    page = read(render(make_manifest(grouping=grouping), make_measured(), make_evaluated(), COUNTS))
    assert "1.700 \u2013 not proven optimal: a better choice could score up to 0.048 more" in page.text
    assert "A group of one scores 0.250" in page.text


def test_score_of_one_group_of_all(read):
    matrix = np.array([[1, 0.5, 0.1], [0.5, 1, -0.3], [0.1, -0.3, 1]])  # 0.3 + 0.1 - 0.1
    codes = ("hau", "ibo", "twi")
    names, served = {c: NAMES[c] for c in codes}, {"hau": "g1", "ibo": "g1", "twi": "g2"}
    measured = make_measured(codes, matrix=matrix, layers={"head.out": matrix})
    manifest = make_manifest(names, served, {"g1": ["hau", "ibo"], "g2": ["twi"]})
    page = read(render(manifest, measured, make_evaluated(codes=codes), COUNTS))
    assert "all languages in one group would score 0.300" in page.text
    alone = make_manifest(names, SERVED, {"g1": list(codes)})
    for language in alone.languages:
        for scores in language.scores.values():
            scores.multilingual.update(scores.group)
    single = read(render(alone, measured, make_evaluated(codes=codes), COUNTS)).text
    assert "Grouping score" not in single and "Group model" not in single and "What grouping gained" not in single


@pytest.mark.parametrize(("lowest", "sides"), [(0.2, 1), (-0.2, 2)])
def test_the_scale_of_a_heat_map_has_a_negative_side_only_where_values_have(lowest, sides):
    matrix = np.full((3, 3), 0.5)
    matrix[0, 1] = lowest
    drawn = heatmap(matrix, ["a", "b", "c"], ["a", "b", "c"], Caption("map", "Map", ""), tip=lambda i, j: "")
    ends = [shape.written for shape in drawn.shapes if isinstance(shape, Text)][-1 - sides :]
    assert ends == (["0.00", "0.50"] if sides == 1 else [f"{MINUS}0.50", "0.50", "0.00"])


def test_groups_of_noise_are_not_called_proven_and_the_verdict_comes_first(read):
    noise = Reliability(0.1, 0.18, 0.4)
    grouping = Grouping(solver="exact", singleton_score="self", score=1.6, bound=1.6, proven=True, reason="S is noise.")
    manifest = make_manifest(grouping=grouping, verdict=["The bundle holds 2 groups.", "S is noise."])
    page = read(render(manifest, make_measured(reliability=noise), make_evaluated(), COUNTS))
    assert "proven" not in page.text and "Grouping score" not in page.text
    assert "Reliability of S S does not repeat between halves of your data (reliability 0.18, p = 0.4000)" in page.text
    first = page.text.index("The bundle holds 2 groups. S is noise.")
    assert first < page.text.index("Plain mean over languages")


def test_heat_map_is_in_the_order_of_the_groups(read):
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


def test_convergence(read):
    first, second = np.zeros((4, 4)), np.full((4, 4), 0.25)
    second[0, 1] = 0.61
    np.fill_diagonal(second, 99)  # the diagonal does not count
    epochs = (first, second, second)
    page = read(render(make_manifest(), make_measured(epochs=epochs), make_evaluated(), COUNTS))
    assert page.rows_of("1 to 2") == [["1 to 2", "0.280", "0.610"]]
    assert page.rows_of("2 to 3") == [["2 to 3", "0.000", "0.000"]]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "all 3 epochs"),
        ({"averaged_epochs": 2}, "epochs 1 to 2 of 3"),
        ({"skipped_epochs": 1}, "epochs 2 to 3 of 3"),
        ({"skipped_epochs": 1, "averaged_epochs": 1}, "epoch 2 of 3"),
    ],
)
def test_mean_over_some_epochs_only(read, settings, said):
    layers = {"head.out": np.full((4, 4), 0.75)}
    measured = make_measured(matrix=np.full((4, 4), 0.125), layers=layers, settings=settings)
    page = read(render(make_manifest(), measured, make_evaluated(), COUNTS))
    assert f"from the mean of {said}." in page.text
    assert "Hausa from Amharic: 0.125" in page.text  # what the groups were chosen from


def test_scores(page):
    hausa = page.rows_of("Hausa hau")[0]
    assert hausa[:-1] == ["Hausa hau", "g1", "400", "75.12", "78.34", "78.01", f"+3.22 {GAINED}"]
    assert page.rows_of("Igbo ibo")[0][-2] == f"{MINUS}0.88 {GAINED}"
    assert page.rows_of("Plain mean")[0][3:6] == ["66.11", "68.33", "67.92"]
    assert page.rows_of("Weighted by texts")[0][2:7] == ["1000", "68.81", "71.01", "70.73", f"+2.20 {GAINED}"]
    assert page.rows_of("accuracy")[0] == ["accuracy", "76.13", "79.35", "79.02"]
    assert len(page.rows_of("Plain mean")) == 2  # test and, folded, dev
    assert page.rows_of("Hausa hau")[2][2] == "50"  # dev texts


def test_intervals(read):
    page = read(render(make_manifest(), make_measured(), make_evaluated(), COUNTS))
    assert page.rows_of("Hausa hau")[0][-2] == f"+3.22 {GAINED}"
    assert page.rows_of("Plain mean")[0][-2] == f"+2.22 {GAINED}"
    assert "95 % interval 60.00 to 70.00" in page.text
    assert "Hausa, group model: 78.34 (60.00 to 70.00)" in page.text  # of the drawn mark
    assert f"Hausa: +3.22 ({MINUS}1.23 to +4.56)" in page.text
    assert "Hausa answered by g2: 10 of 400 texts, 2.50 %" in page.text


def test_gains_are_drawn_with_the_largest_first(read):
    page = read(render(make_manifest(), make_measured(), make_evaluated(), COUNTS))
    start = page.text.index("largest gain first")
    drawn = [page.text.index(f"{name} \u00b7 ", start) for name in ("Amharic", "Hausa", "Twi", "Igbo")]
    assert drawn == sorted(drawn)


def test_tree_beside_groups(read):
    matrix = np.array([[1, 0.9, 0.2, 0.1], [0.7, 1, 0.2, 0.1], [0.2, 0.2, 1, 0.1], [0.1, 0.1, 0.1, 1]])
    measured = make_measured(matrix=matrix, layers={})
    page = read(render(make_manifest(), measured, make_evaluated(), COUNTS))
    near = {"Hausa \u00b7 hau", "Igbo \u00b7 ibo"}
    found = re.search("Nearest to each other are (.*?) and (.*?), with similarity 0.800", page.text)
    assert found and set(found.groups()) == near
    assert "Hausa \u00b7 hau: source-only in g2" in page.text
    assert "Amharic \u00b7 amh: served by g2" in page.text


CURVE = (
    {"groups": 1, "distinct": 1, "grouping_score": 0.5, "score": 0.6011},
    {"groups": 2, "distinct": 2, "grouping_score": 1.25, "score": 0.6242},
    {"groups": 4, "distinct": 3, "grouping_score": 1.75, "score": 0.6242},
)


def test_curve_over_k(read):
    page = read(render(make_manifest(), make_measured(), make_evaluated(), COUNTS, CURVE))
    tried = [row for row in page.rows if len(row) == 5 and row[0] in ("1", "2", "4")]
    assert tried == [
        ["1", "1", "0.500", "60.11", ""],
        ["2", "2", "1.250", "62.42", "yes"],  # the smaller of two equal ones
        ["4", "3", "1.750", "62.42", ""],
    ]
    assert "K = 1: 60.11" in page.text and "Chosen: K = 2." in page.text
    assert "Dev score of every K that was tried" in page.text
    assert "Dev score of every K" not in read(render(make_manifest(), make_measured(), make_evaluated(), COUNTS)).text


def test_cost(read, tmp_path):
    for name, seconds in (("measure", 12.5), ("train/hau-ibo", 3.0), ("train/amh", 4.0)):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "stage.json").write_text(json.dumps({"inputs": {}, "seconds": seconds}))
    (tmp_path / "group").mkdir()
    (tmp_path / "group" / "stage.json").write_text(json.dumps({"inputs": {}}))  # not finished
    costs = stage_seconds(tmp_path, ["measure", "group", "train/hau-ibo", "train/amh", "never"])
    assert costs == {"measure": 12.5, "train/hau-ibo": 3.0, "train/amh": 4.0}
    page = read(render(make_manifest(), make_measured(), make_evaluated(), COUNTS, costs=costs))
    assert page.rows_of("Train the models") == [["Train the models", "2", "7.0"]]
    assert page.rows_of("Together") == [["Together", "", "19.5"]]
    assert not page.rows_of("Choose the groups")


def test_figures_of_the_page():
    evaluated = make_evaluated(confusion=CONFUSION)
    arguments = (make_manifest(), make_measured(), evaluated, COUNTS, CURVE)
    found = drawings(*arguments)
    assert [drawing.name for drawing in found] == [
        "similarity-1",
        "tree",
        "curve",
        "scores",
        "gains",
        "confusion",
        "routing",
    ]
    page = render(*arguments)
    for drawing in found:
        assert drawing.__html__() in page  # the very same


def test_differences_are_coloured_by_their_sign(page):
    classes = [value for name, value in page.attributes if name == "class"]
    assert "better" in classes
    assert "worse" in classes


def test_identifier(page):
    assert "Accuracy on test 96.12 % of all texts" in page.text
    assert "Threshold 0.40: a group less probable is not sure. The fallback is group g1 (Hausa, Igbo, Twi)" in page.text
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


def test_hostile_names_are_escaped(read):
    hostile = '"><script>alert("1")</script>{{ 7*7 }}'
    names = {**NAMES, "hau": hostile}
    provenance = make_manifest().provenance.model_copy(update={"model": hostile, "settings": {hostile: "</pre>"}})
    manifest = make_manifest(names, name=hostile, labels=["a", hostile], provenance=provenance)
    measured = make_measured(measure=hostile, layers={hostile: np.eye(4)}, settings={hostile: 1})
    evaluated = make_evaluated(confusion={"hau": {"hau": 1, hostile: 1}})
    page = read(render(manifest, measured, evaluated, COUNTS))
    assert page.text.count(hostile) >= 8


def test_no_test_split(read):
    page = read(render(make_manifest(splits=("dev",)), make_measured(), make_evaluated(("dev",)), {}))
    assert "Weighted F1 on dev in percent" in page.text
    assert "the data has no test split" in page.text
    assert "Taken for others, on dev" in page.text
    assert page.rows_of("Hausa hau")[0][2] == "50"


def test_nothing_scored(read):
    page = read(render(make_manifest(splits=()), make_measured(), {}, {}))
    assert "Nothing was scored" in page.text
    assert "Accuracy not measured" in page.text


def test_a_language_without_a_split(read):
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
def test_one_language_in_one_group(read, layers):
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
def test_no_split_half_and_nothing_to_compare(read, epochs, reason):
    measured = make_measured(measure="typology", split_half=None, epochs=epochs, layers={}, settings={})
    page = read(render(make_manifest(), measured, make_evaluated(), COUNTS))
    assert reason in page.text
    assert "halves" not in page.text
    assert "S at typology" in page.text


def test_similarity_of_zero_everywhere(read):
    read(render(make_manifest(), make_measured(matrix=np.zeros((4, 4)), layers={}), make_evaluated(), COUNTS))


def test_no_mix_ups(read):
    page = read(render(make_manifest(), make_measured(), make_evaluated(), COUNTS))
    assert "No text was taken for another language." in page.text


@pytest.mark.parametrize("count", [21, TOOLTIP_CELLS + 1])
def test_many_languages(read, count):
    codes = [f"x{i:02}" for i in range(count)]
    manifest = make_manifest({code: f"Language {code}" for code in codes}, dict.fromkeys(codes, "g1"), {"g1": codes})
    page = read(render(manifest, make_measured(codes), make_evaluated(codes=codes), {}))
    assert "Language x20" in page.text
    assert ("Language x20 from Language x00: " in page.text) == (count <= TOOLTIP_CELLS)


def test_heat_map_colours():
    """Full colour for the largest value off the diagonal, none for what is missing, two colours for two signs."""
    drawing = heatmap(
        np.array([[9, -0.5], [0.25, np.nan]]),
        ["a", "b"],
        ["a", "b"],
        Caption("s", "t", "d"),
        muted=np.array([[True, False], [False, False]]),
        tip=lambda i, j: f"{i}{j}",
    )
    cells = dict(re.findall(r'<title>(\d\d)</title><rect class="(\w+" fill-opacity="[\d.]+)"', drawing.__html__()))
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
