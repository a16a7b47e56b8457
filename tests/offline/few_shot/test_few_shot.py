"""The whole command: what each regime trains on, what chooses, what is kept, and what the tables say."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments.few_shot.gradients import texts_for
from gradsim_offline.experiments.few_shot.plan import SecondStep
from gradsim_offline.experiments.few_shot.shots import draw, scored
from gradsim_offline.tasks.text_classification import PLUGIN as task
from gradsim_offline.training import fine_tune as fine_tuning
from gradsim_offline.training.batching import Row
from gradsim_offline.training.task import load_task
from gradsim_offline.training.trained import open_trained

from ..program import gradsim
from .conftest import REGIMES, SOURCE, TARGETS


@pytest.fixture
def trained(monkeypatch):
    """What was trained, a dictionary each."""
    found, tune = [], fine_tuning.fine_tune

    def watch(data, members, served, directory, *, context, settings, new_head, **rest):
        found.append(
            {
                "name": directory.name,
                "train": {code: list(data.split(code, "train")) for code in members},
                "seen": {
                    split: {c: n for c, n in data.counts(split).items() if n} for split in ("train", "dev", "test")
                },
                "served": tuple(served),
                "encoder": context.encoder.rpartition("/")[2],
                "settings": settings,
                "seed": context.seed,
                "new_head": new_head,
            }
        )
        tune(data, members, served, directory, context=context, settings=settings, new_head=new_head, **rest)

    monkeypatch.setattr(fine_tuning, "fine_tune", watch)
    return found


def read(out):
    return json.loads((out / "few-shot.json").read_text(encoding="utf-8"))


def answers(out, name, seed=0):
    """Return the kept answers of a model, language to label indices; each language is answered in one split."""
    path = out / f"seed-{seed}" / "predictions" / name / "predictions.json"
    by_split = json.loads(path.read_text(encoding="utf-8"))["answers"]
    return {code: kept for by_language in by_split.values() for code, kept in by_language.items()}


def test_what_each_regime_trains_on_and_what_chooses(words, begun, trained, dataset):
    code, _, said = gradsim(*words(begun, seeds=1, shots=1))
    assert code == 0, said
    models = {found["name"]: found for found in trained}
    assert list(models) == [
        "source",
        *(f"ord-fs-1-{code}" for code in TARGETS),
        *(f"{name}-1" for name in REGIMES[2:]),
    ]
    shots, source = draw(dataset, TARGETS, 1, 0), list(dataset.split(SOURCE, "train"))
    mixed = {SOURCE: source, **shots}
    assert models["source"]["train"] == {SOURCE: source}
    assert models["mix-ft-1"]["train"] == shots
    assert models["ord-fs-1-hau"]["train"] == {"hau": shots["hau"]}
    assert all(models[f"{name}-1"]["train"] == mixed for name in REGIMES[3:])  # the oracle: exactly the shots
    for name, found in models.items():
        second = name.startswith(("ord", "mix"))
        assert found["served"] == (() if second else (SOURCE,))
        assert found["seen"]["dev"] == ({} if second else {SOURCE: 9})
        assert found["seen"]["test"] == {}
        assert set(found["seen"]["train"]) == set(found["train"])
        assert (found["encoder"], found["new_head"]) == (("source", False) if second else ("encoder", True))
        options = {"alpha": 1.0, "targets": list(TARGETS)}
        surgery = name.startswith("gradient")
        assert found["settings"].strategy == ("surgery" if surgery else "mixed")
        assert found["settings"].strategy_options == (options if surgery else {})
    second, first = models["mix-ft-1"]["settings"], models["source"]["settings"]
    assert second.learning_rate == pytest.approx(first.learning_rate / 10)
    assert (second.epochs, second.batch_size, second.minimum_steps) == (2, 4, 0)


def test_seeds_have_other_shots_and_nothing_is_trained_again(words, copied, trained):
    before = read(copied)
    code, _, said = gradsim(*words(copied))
    assert (code, trained) == (0, []), said
    assert read(copied) == before
    code, _, said = gradsim(*words(copied, seeds=3, regimes="mix-ft"))
    assert code == 0, said
    assert {found["seed"] for found in trained} == {2}
    assert [found["name"] for found in trained] == ["source", "mix-ft-1", "mix-ft-2"]
    assert read(copied)["scores"]["1"]["mix-ft"]["hau"]["seeds"][:2] == before["scores"]["1"]["mix-ft"]["hau"]["seeds"]
    assert not list(copied.glob("seed-*/train"))


def test_an_interrupted_run_goes_on_to_the_same_end(words, begun, finished, trained, monkeypatch):
    command, tune = words(begun, seeds=1, shots=1), fine_tuning.fine_tune

    def interrupted(*arguments, **rest):
        if len(trained) == 3:
            raise KeyboardInterrupt
        tune(*arguments, **rest)

    monkeypatch.setattr(fine_tuning, "fine_tune", interrupted)
    assert gradsim(*command)[0] == 130
    monkeypatch.setattr(fine_tuning, "fine_tune", tune)
    code, _, said = gradsim(*command)
    assert code == 0, said
    names = ["source", *(f"ord-fs-1-{code}" for code in TARGETS), "mix-ft-1", "naive-mix-1", "gradient-mix-1"]
    assert [found["name"] for found in trained] == names
    assert all(answers(begun, name) == answers(finished[0], name) for name in names)


def test_dev_texts_of_targets_choose_nothing(words, data, tmp_path, begun, finished):
    garbage = tmp_path / "garbage"
    for path in data.rglob("*.tsv"):
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.parent.name == "hau" and path.stem == "dev":
            lines = [lines[0], *("gibberish " + line.rpartition("\t")[0] + "\tneutral" for line in lines[1:])]
        (garbage / path.parent.name).mkdir(parents=True, exist_ok=True)
        (garbage / path.parent.name / path.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, _, said = gradsim(*words(begun, seeds=1, shots=1, data_dir=garbage))
    assert code == 0, said
    for name in ("source", "ord-fs-1-hau", "mix-ft-1", "naive-mix-1", "gradient-mix-1"):
        assert answers(begun, name) == answers(finished[0], name)


def test_the_second_step_keeps_the_head(words, copied, finished):
    code, _, said = gradsim(*words(copied, seeds=1, shots=1, regimes="ord-fs,mix-ft", shot_learning_rate=1e-12))
    assert code == 0, said
    source = answers(copied, "source")
    assert answers(copied, "mix-ft-1") == source
    assert answers(copied, "ord-fs-1-hau") == {"hau": source["hau"]}


def test_gradient_mix_that_is_never_operated_on_is_naive_mix(words, copied):
    code, _, said = gradsim(*words(copied, seeds=1, shots=1, regimes="naive-mix,gradient-mix", alpha=0))
    assert code == 0, said
    assert answers(copied, "gradient-mix-1") == answers(copied, "naive-mix-1")
    assert "–" in (copied / "few-shot.md").read_text(encoding="utf-8")


def test_scores_averages_and_tests(finished, dataset):
    out, shown, content = finished
    assert [regime["name"] for regime in content["regimes"]] == list(REGIMES)
    assert content["splits"] == {"eng": "test", "hau": "test", "tur": "dev"}
    texts, splits = scored(dataset, dataset.languages)
    for regime, model in (("naive-mix", "naive-mix-2"), ("ord-fs", "ord-fs-2-hau"), ("zero-shot", "source")):
        for seed in (0, 1):
            gold = [example.gold for example in texts.split("hau", splits["hau"])]
            given = [dataset.labels[i] for i in answers(out, model, seed)["hau"]]
            expected = task.scores(gold, given, dataset.labels)["weighted_f1"]
            assert content["scores"]["2"][regime]["hau"]["seeds"][seed] == pytest.approx(expected)
    for key in ("1", "2"):
        for name, found in content["scores"][key].items():
            values = np.array([found[code]["seeds"] for code in TARGETS])  # [targets, seeds]: the source is not in
            plain, weighted = (content["averages"][key][name][average] for average in ("plain", "weighted"))
            assert plain["seeds"] == pytest.approx(values.mean(axis=0))
            assert plain["sd"] == pytest.approx(np.std(values.mean(axis=0), ddof=1))
            assert weighted["mean"] == pytest.approx(np.average(values, axis=0, weights=(10, 6)).mean())
    assert content["scores"]["1"]["ord-fs"][SOURCE] == content["scores"]["1"]["zero-shot"][SOURCE]
    assert len(content["tests"]) == 2 * 2 * 10  # K, averages, pairs
    for words_of_it in ("K = 2: weighted_f1", "Against naive-mix", "gradient-mix", "source eng"):
        assert words_of_it in shown
        assert words_of_it in (out / "few-shot.md").read_text(encoding="utf-8")
    latex = (out / "few-shot.tex").read_text(encoding="utf-8")
    assert r"\textbf{" in latex
    assert r"weighted\_f1" in latex
    assert all((out / name).is_file() for name in content["figures"])
    assert len(content["figures"]) == 2 * 2  # two regimes train one model for all


def test_gradient_similarities_are_those_of_autograd(words, begun, dataset):
    code, _, said = gradsim(*words(begun, "--keep-models", seeds=1, shots=1, regimes="naive-mix"))
    assert code == 0, said
    found = np.array(read(begun)["gradients"]["similarity"]["head.out"]["naive-mix"])
    device = torch.device("cpu")
    model = begun / "seed-0" / "train" / "naive-mix-1"
    opened = open_trained(model, dataset.labels, task=task, maximum_length=32, device=device)
    opened.model.eval()
    last = [layer for layer in opened.model.modules() if isinstance(layer, torch.nn.Linear)][-1]
    vectors = []
    texts = texts_for(dataset, SOURCE, draw(dataset, TARGETS, 1, 0), 0)
    for own in (texts[code] for code in dataset.languages):
        rows: list[Row] = task.encode(opened.reader, own, dataset.labels, language=0, seed=0)
        loss = opened.model(**task.collate(rows, opened.pad_id)(range(len(rows)), 0, 0)).loss
        vectors.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, [last.weight, last.bias])]))
    expected = torch.nn.functional.cosine_similarity(torch.stack(vectors)[:, None], torch.stack(vectors)[None], dim=-1)
    assert found == pytest.approx(expected.numpy(), abs=1e-4)


@pytest.mark.slow
def test_tagged_sentences(words, tmp_path):
    changes = {"data": "demo-entities", "data_dir": None, "languages": "eng,hau", "source": "eng", "shots": 2}
    changes |= {"regimes": "ord-fs,gradient-mix"}
    code, shown, said = gradsim(*words(tmp_path / "ner", **changes, seeds=1), "--set", "pretraining.epochs=0")
    assert code == 0, said
    content = read(tmp_path / "ner")
    metric = load_task("token_classification").metric(("O", "B-LOC"))
    assert (content["metric"], content["tagged"], content["tests"]) == (metric, True, [])
    assert content["texts"]["target"] == {"2": 2}
    assert "sentences of each target" in shown
    assert "One seed" in shown


def test_the_page_holds_the_tables_and_the_heat_maps(finished):
    out, shown, content = finished
    page = (out / "few-shot.html").read_text(encoding="utf-8")
    assert "and .html" in shown
    for cell in content["averages"]["1"].values():
        assert f"{100 * cell['plain']['mean']:.2f}" in page
    drawn = {name.partition("/")[2].removesuffix(".svg") for name in content["figures"] if name.endswith(".svg")}
    assert drawn and all(f'aria-labelledby="{name}-title' in page for name in drawn)
    assert "<script" not in page and "<img" not in page and "<b>" in page


def test_a_directory_of_mini_gets_minis_rate_and_another_does_not(tiny_mini, tiny_xlmr, tmp_path):
    def rate(model):
        settings = Settings.model_validate({"model": str(model), "training": {"learning_rate": 2e-3}})
        return SecondStep().training(settings).learning_rate

    assert rate("mini") == rate(tiny_mini) == pytest.approx(2e-4)
    assert rate(tiny_xlmr) == rate("a-name-on-the-hub") == 2e-3
    (tmp_path / "config.json").write_text("[")
    assert rate(tmp_path) == 2e-3  # found to be broken where it is opened


@pytest.mark.slow
def test_processes_give_the_same(finished, words, tmp_path):
    code, _, said = gradsim(*words(tmp_path / "run"), "--jobs", 2, "--job-cpus", 1)
    assert code == 0, said
    found = json.loads((tmp_path / "run" / "few-shot.json").read_text(encoding="utf-8"))
    assert (found["scores"], found["tests"]) == (finished[2]["scores"], finished[2]["tests"])
