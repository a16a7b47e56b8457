"""What is found in the directories of builds and comparisons."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gradsim_offline.experiments.analyse.sources import by_name, common_languages, find_sources, read_matrix
from gradsim_offline.grouping.result import Groups, LanguageGroup
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.errors import DataError

CODES = ("aaa", "bbb", "ccc")


def save(directory, measured):
    directory.mkdir(parents=True)
    measured.save(directory / "similarity.json")


def save_groups(directory):
    directory.mkdir(parents=True)
    Groups("exact", "self", 3.0, 3.0, True, (LanguageGroup("g1", CODES, CODES, {}),)).save(directory / "groups.json")


def measured(measure="gradient", value=0.5, settings=None, codes=CODES):
    return Measured(measure, codes, np.full((len(codes),) * 2, value), None, (), {}, settings or {}, 1.0)


@pytest.fixture
def compared(tmp_path):
    """A comparison as it lies on the disk: two seeds, a measure with two settings, models kept."""
    run = tmp_path / "compare"
    for seed in (0, 1):
        base = run / f"seed-{seed}"
        save(base / "measure" / "gradient-0123abcd", measured(value=0.1 * seed))
        save(base / "measuring" / "gradient-0123abcd", measured(value=0.9))
        (base / "measuring" / "gradient-0123abcd" / "gradients.safetensors").touch()
        for model in ("pretrained", "finetuned"):
            save(
                base / "measure" / f"embedding-{model}",
                measured("embedding", settings={"model": model, "pooling": "mean"}),
            )
        save_groups(base / "group" / "gradient")
        save_groups(base / "group" / "random")
    return run


def test_a_build_is_named_by_its_measure_and_its_bundle_is_not_read(tmp_path):
    run = tmp_path / "build"
    save(run / "measure", measured())
    save_groups(run / "group")
    save(run / "bundle", measured("other"))
    (run / "bundle" / "manifest.json").write_text("{}", encoding="utf-8")
    (run / "encoder").mkdir()
    (run / "encoder" / "config.json").write_text("{}", encoding="utf-8")
    (run / "settings.json").write_text(json.dumps({"data": "demo", "model": "mini"}), encoding="utf-8")
    found = find_sources([run])
    assert [(s.name, s.origin, s.gradients) for s in found.similarities] == [("gradient", "build", None)]
    assert [(g.name, g.origin) for g in found.groupings] == [("gradient", "build")]
    assert found.settings["data"] == "demo"
    assert found.encoder == str(run / "encoder")


def test_a_comparison_holds_seeds_and_variants_of_a_measure(compared):
    found = find_sources([compared])
    names = {(s.name, s.origin) for s in found.similarities}
    assert names == {
        (name, f"compare/seed-{seed}")
        for seed in (0, 1)
        for name in ("gradient", "embedding (model=pretrained)", "embedding (model=finetuned)")
    }
    assert {s.gradients is not None for s in found.similarities if s.name == "gradient"} == {True}
    assert sorted({g.name for g in found.groupings}) == ["gradient", "random"]
    np.testing.assert_allclose(by_name(found.similarities, CODES)["gradient"], 0.05)


def test_variants_of_a_sweep_are_not_counted_as_seeds(compared):
    """A start of its own has an S of its own, in a folder inside the seed's; its settings of measuring are the same."""
    for seed in (0, 1):
        variant = compared / f"seed-{seed}" / "adapting.mode=tapt"
        save(variant / "measure" / "gradient-0123abcd", measured(value=0.7))
        save(variant / "measuring" / "gradient-0123abcd", measured(value=0.9))
        (variant / "measuring" / "gradient-0123abcd" / "gradients.safetensors").touch()
        settings = {"model": "finetuned", "pooling": "mean"}
        save(variant / "measure" / "embedding-finetuned", measured("embedding", settings=settings))
        save_groups(variant / "group" / "gradient+tapt")
    found = find_sources([compared])
    origins = {f"compare/seed-{seed}" for seed in (0, 1)}
    for name in ("gradient", "gradient (adapting.mode=tapt)"):
        mine = [s for s in found.similarities if s.name == name]
        assert len(mine) == 2 and {s.origin for s in mine} == origins and all(s.gradients for s in mine)
        assert {g.origin for g in found.groupings if g.name == name} == origins
        assert {("adapting.mode=tapt" in str(s.gradients)) for s in mine} == {"tapt" in name}
    means = by_name(found.similarities, CODES)
    assert [name for name in means if "tapt" in name] == [
        "embedding (model=finetuned, adapting.mode=tapt)",
        "gradient (adapting.mode=tapt)",
    ]
    np.testing.assert_allclose(means["gradient"], 0.05)
    np.testing.assert_allclose(means["gradient (adapting.mode=tapt)"], 0.7)
    alone = find_sources([compared / "seed-1"])
    assert {s.origin for s in alone.similarities} == {"seed-1"}
    assert {s.name for s in alone.similarities} == {s.name for s in found.similarities}


@pytest.mark.parametrize(
    ("differs", "told"),
    [
        ({"model": "xlm-roberta-base"}, ["model=xlm-roberta-base"]),
        ({"adapting": {"mode": "tapt", "epochs": 10}}, ["adapting.mode=none", "adapting.mode=tapt"]),
        ({"data_options": {"text_column": "review"}}, ["data_options.text_column=review"]),
        ({"pretraining": {"epochs": 2}}, ["pretraining.epochs=12", "pretraining.epochs=2"]),
        ({"seed": 1, "device": "cuda"}, []),
    ],
)
def test_runs_from_another_start_are_no_seeds_of_each_other(tmp_path, differs, told):
    usual = {"data": "demo", "model": "mini", "seed": 0, "pretraining": {"epochs": 12}}
    usual["adapting"] = {"mode": "none", "epochs": 10}
    for name, settings in (("one", usual), ("two", usual | differs)):
        save(tmp_path / name / "measure", measured())
        (tmp_path / name / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    names = [s.name for s in find_sources([tmp_path / "one", tmp_path / "two"]).similarities]
    assert (len(set(names)) == 2) == bool(told)
    assert all(any(part in name for name in names) for part in told)


def test_runs_of_other_settings_are_no_seeds_of_each_other(tmp_path):
    for name, epochs in (("a", 3), ("b", 5), ("c", 5)):
        save(tmp_path / name / "measure", measured(settings={"epochs": epochs}))
    found = find_sources([tmp_path / name for name in "abc"])
    assert [s.name for s in found.similarities] == ["gradient (epochs=3)", "gradient (epochs=5)", "gradient (epochs=5)"]


def test_two_folders_of_one_name_are_told_apart_by_their_paths(tmp_path):
    for name in "ab":
        save(tmp_path / name / "run" / "measure", measured())
    found = find_sources([tmp_path / name / "run" for name in "ab"])
    assert [s.origin for s in found.similarities] == [str(tmp_path / name / "run") for name in "ab"]


def test_each_further_layer_is_a_measure_of_its_own(tmp_path):
    layers = {"head.out": np.full((3, 3), 0.1), "encoder.0": np.full((3, 3), 0.2)}
    save(tmp_path / "run" / "measure", replace(measured(), layers=layers))
    found = find_sources([tmp_path / "run"]).similarities
    assert [s.name for s in found] == ["gradient", "gradient (encoder.0)"]
    np.testing.assert_array_equal(found[1].measured.matrix, layers["encoder.0"])


def test_matrices_are_brought_to_the_same_languages_in_the_same_order(tmp_path):
    matrix = np.arange(16.0).reshape(4, 4)
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps({"languages": ["ccc", "zzz", "aaa", "bbb"], "similarity": matrix.tolist()}), encoding="utf-8"
    )
    mine = read_matrix(path)
    save(tmp_path / "run" / "measure", measured())
    both = [*find_sources([tmp_path / "run"]).similarities, mine]
    assert common_languages(both) == CODES
    assert mine.name == "mine"
    np.testing.assert_array_equal(by_name(both, CODES)["mine"], matrix[np.ix_([2, 3, 0], [2, 3, 0])])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected .*languages.*similarity"),
        ("{}", "expected .*languages.*similarity"),
        ('{"languages": [], "similarity": []}', "no languages; it needs a row and a column for each"),
        ('{"languages": ["aaa"]}', "expected .*languages.*similarity"),
        ('{"languages": ["aaa", "bbb"], "similarity": [[1, 2]]}', '"similarity" is 1 rows; "languages" has 2'),
        ('{"languages": ["aaa", "bbb"], "similarity": [[1, 2], [3]]}', r'similarity\[1\]: 1 values; "languages" has 2'),
        ('{"languages": ["aaa", "bbb"], "similarity": [[1, "x"], [3, 1]]}', "row aaa, column bbb: 'x' is not a number"),
        ('{"languages": ["aaa", "aaa"], "similarity": [[1, 2], [2, 1]]}', "a second column for aaa"),
        ('{"aaa": {"aaa": 1, "bbb": 2}}', "no row for bbb; it needs a row and a column for each of aaa, bbb"),
    ],
)
def test_a_file_that_is_no_matrix_is_one_clear_message(tmp_path, content, message):
    path = tmp_path / "mine.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_matrix(path)


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_tables_and_nested_json_are_the_same_matrix(tmp_path, ending):
    rows = [["", "bbb", "aaa"], ["aaa", "0.2", "1"], [" bbb", "0.9", "-0.4"]]
    path = tmp_path / f"mine.{ending}"
    path.write_text("\n".join((",", "\t")[ending == "tsv"].join(row) for row in rows), encoding="utf-8")
    nested = tmp_path / "nested.json"
    nested.write_text('{"aaa": {"bbb": 0.2, "aaa": 1}, "bbb": {"bbb": 0.9, "aaa": -0.4}}', encoding="utf-8")
    table, plain = (read_matrix(each).measured for each in (path, nested))
    assert table.languages == plain.languages == ("aaa", "bbb")
    np.testing.assert_array_equal(table.matrix, [[1, 0.2], [-0.4, 0.9]])
    np.testing.assert_array_equal(table.matrix, plain.matrix)


def test_an_incomplete_similarity_file_is_refused(tmp_path):
    path = tmp_path / "similarity.json"
    measured(settings={"epochs": 3}).save(path)
    assert read_matrix(path).measured.settings == {"epochs": 3}
    saved = json.loads(path.read_text(encoding="utf-8"))
    for broken in ({"similarity": [[1, 2]]}, {"languages": ["aaa"] * 3}, {"similarity": 3}, {"languages": None}):
        path.write_text(json.dumps({**saved, **broken}), encoding="utf-8")
        with pytest.raises(DataError, match=r"is no similarity matrix .*; measure again"):
            read_matrix(path)
    with pytest.raises(DataError, match=r"nothing\.json is no similarity matrix"):
        read_matrix(tmp_path / "nothing.json")


def test_a_directory_without_a_measurement_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no similarity\.json; give the run directory"):
        find_sources([tmp_path])
    with pytest.raises(DataError, match="is no directory"):
        find_sources([tmp_path / "nowhere"])
