"""Reading questions: SQuAD's form, lines and tables; answers that are not where they should be; splits by article."""

from __future__ import annotations

import json

import pytest

from gradsim_offline.datasets.source import load_dataset
from gradsim_shared.errors import DataError, SettingsError

CONTEXT = "Ann lived in  New York, 😀 and Bob in Rome."
GOOD = {"question": "Where?", "context": CONTEXT, "answer_text": "Rome", "answer_start": CONTEXT.index("Rome")}


def squad(*paragraphs):
    return {"version": "1.1", "data": [{"title": f"T{i}", "paragraphs": [one]} for i, one in enumerate(paragraphs)]}


def paragraph(context, answer, start, name="q1"):
    return {
        "context": context,
        "qas": [{"id": name, "question": "Where?", "answers": [{"text": answer, "answer_start": start}]}],
    }


def write(root, rows, form="jsonl", split="train"):
    (root / "eng").mkdir(parents=True, exist_ok=True)
    path = root / "eng" / f"{split}.{form}"
    if form == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    elif form == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        lines = [",".join(GOOD), *(",".join(f'"{value}"' for value in row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def read(root):
    dataset = load_dataset("files", root, None)
    assert (dataset.task, dataset.labels) == ("question_answering", ("start", "end"))
    return dataset.split("eng", "train")


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        ("jsonl", [GOOD]),
        ("csv", [GOOD]),
        ("json", squad(paragraph(CONTEXT, "Rome", CONTEXT.index("Rome")))),
        (
            "jsonl",
            [
                {name: GOOD[name] for name in ("question", "context")}
                | {"answers": {"text": ["Rome"], "answer_start": [37]}}
            ],
        ),
    ],
)
def test_every_form_gives_the_same_example(tmp_path, form, rows):
    (example,) = read(write(tmp_path, rows, form))
    assert (example.text.question, example.text.context) == ("Where?", CONTEXT)
    assert (example.answers, example.starts, example.language) == (("Rome",), (CONTEXT.index("Rome"),), "eng")


def test_several_answers_and_white_space(tmp_path):
    starts = [CONTEXT.index("New") - 2, CONTEXT.index("Rome"), CONTEXT.index("New")]
    row = GOOD | {"answer_text": ["New York", " Rome", "New  York "], "answer_start": starts}
    (example,) = read(write(tmp_path, [row]))
    assert example.answers == ("New York", "Rome") and all(
        CONTEXT[start:].startswith(answer) for start, answer in zip(example.starts, example.answers, strict=True)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answer_start": 3}, "the answer 'Rome' is not at character 3: ' liv' is; it stands at 37"),
        ({"answer_text": "Paris", "answer_start": 99}, "the answer 'Paris' is not at character 99: nothing is"),
        ({"answer_start": "x"}, "answer_start is 'x'; it is a number of characters, from 0"),
        ({"answer_start": -1}, "answer_start is '-1'"),
        ({"answer_text": []}, "answer_text and answer_start are a text and a number, or lists of one length"),
        ({"answer_text": [], "answer_start": []}, "there is no answer"),
        ({"answer_text": " "}, "the answer is empty"),
        ({"context": ""}, "the context is empty"),
        ({"question": "\u200b"}, "the question is empty"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, change, said):
    with pytest.raises(DataError) as caught:
        read(write(tmp_path, [GOOD, GOOD | change]))
    assert f"train.jsonl:2: {said}" in str(caught.value)


def test_of_squads_form_the_question_is_named(tmp_path):
    with pytest.raises(DataError, match=r"train.json, question q7: the answer 'Rome' is not at character 0"):
        read(write(tmp_path, squad(paragraph(CONTEXT, "Rome", 0, "q7")), "json"))
    with pytest.raises(DataError, match=r"not of SQuAD's form \(KeyError: 'qas'\)"):
        read(write(tmp_path, {"data": [{"paragraphs": [{"context": "a"}]}]}, "json"))


def test_a_missing_column_and_other_tasks_are_named(tmp_path):
    rows = [{name: GOOD[name] for name in ("question", "context", "answer_text")}]
    with pytest.raises(DataError, match=r"train.jsonl:1: no column answer_start; questions have question, context, "):
        read(write(tmp_path / "a", rows))
    write(tmp_path / "b", [{"text": "good", "label": "x"}])
    with pytest.raises(DataError, match=r"holds labelled texts and .* questions; a data set is for one task"):
        read(write(tmp_path / "b", [GOOD], split="dev"))
    with pytest.raises(SettingsError, match=r"data_options.text_column: the files are for question_answering"):
        load_dataset("files", write(tmp_path / "c", [GOOD]), None, {"text_column": "question"})


def test_one_table_for_all_languages_is_held_out_by_context(tmp_path):
    path = tmp_path / "table.jsonl"
    rows = [
        GOOD | {"language": code, "question": f"Where {i}?", "context": f"{CONTEXT} {i // 4}"}
        for code in ("eng", "deu")
        for i in range(80)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    dataset = load_dataset("files", path, None)
    for code in ("eng", "deu"):
        contexts = [{each.text.context for each in dataset.split(code, split)} for split in ("train", "dev", "test")]
        assert all(contexts) and sum(map(len, contexts)) == len(set.union(*contexts)) == 20


def test_xquad_is_split_by_article_alike_in_every_language(tmp_path):
    for code, words in (("en", "Rome"), ("de", "Rom")):
        (tmp_path / code).mkdir()
        found = squad(*(paragraph(f"{words} {i}", words, 0) for i in range(16)))
        (tmp_path / code / "test.json").write_text(json.dumps(found), encoding="utf-8")
    dataset = load_dataset("xquad", tmp_path, None)
    for split, count in (("train", 10), ("dev", 2), ("test", 4)):
        numbers = [[each.text.context.split()[1] for each in dataset.split(code, split)] for code in dataset.languages]
        assert numbers[0] == numbers[1] and len(numbers[0]) == count
    assert dataset.split("eng", "train")[0].gold.language is None, "compared as SQuAD does"


def test_tydiqa_without_train_has_its_dev_divided(tmp_path):
    for code, split, count in (("eng", "train", 20), ("eng", "dev", 5), ("fin", "dev", 10)):
        (tmp_path / code).mkdir(exist_ok=True)
        found = squad(*(paragraph(f"Rome {i}", "Rome", 0) for i in range(count)))
        (tmp_path / code / f"{split}.json").write_text(json.dumps(found), encoding="utf-8")
    dataset = load_dataset("tydiqa", tmp_path, None)
    sizes = {code: [len(dataset.split(code, split)) for split in ("train", "dev", "test")] for code in ("eng", "fin")}
    assert sizes == {"eng": [18, 2, 5], "fin": [2, 2, 6]}
    assert any("fin" in note for note in dataset.notes)


@pytest.mark.slow
def test_the_public_data_can_be_read(data_root):
    for name, languages in (("xquad", 12), ("tydiqa", 9)):
        dataset = load_dataset(name, data_root / name, None)
        assert len(dataset.languages) == languages and all(dataset.split(code, "train") for code in dataset.languages)
