"""Heads over a frozen encoder: the trunk says what the encoder says, texts are read once, a build hands both over."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, AutoTokenizer

from gradsim_offline.core.training_settings import NGrams
from gradsim_offline.datasets.sources import demo, demo_entities
from gradsim_offline.models.trunk import export_trunk, open_trunk_model, pooled_blocks, read_trunk
from gradsim_offline.training.linear import fit, save
from gradsim_offline.training.linear_features import LinearFeatures
from gradsim_offline.training.linear_start import LinearStart, Trunk
from gradsim_offline.training.task import load_task
from gradsim_offline.training.trained import open_trained
from gradsim_offline.training.trunk_outputs import TrunkOutputs
from gradsim_offline.training.trunk_texts import TrunkTexts
from gradsim_runtime import Bundle
from gradsim_shared.bundle import open_bundle
from gradsim_shared.group_model import served_precision
from gradsim_shared.normalisation import normalise

from ..program import TINY, arguments, gradsim

LANGUAGES = ("eng", "hau", "tur")
LENGTH = 32


@pytest.fixture(scope="module")
def sentences():
    dataset = demo.load(languages=list(LANGUAGES))
    return [normalise(example.text) for code in LANGUAGES for example in dataset.split(code, "train")[:20]]


def exported(encoder, texts, directory, **options):
    directory.mkdir(parents=True, exist_ok=True)
    return export_trunk(encoder, directory, texts=texts, maximum_length=LENGTH, **options)


@pytest.fixture(scope="module")
def trunk(tiny_xlmr, sentences, tmp_path_factory):
    """A trunk in 32 bits, and what it says of texts."""
    directory = tmp_path_factory.mktemp("trunk") / "trunk"
    exported(tiny_xlmr, sentences, directory, whole=True)
    return Trunk(directory, directory.parent / "outputs")


@torch.inference_mode()
def means(encoder, text):
    """Return the mean over the tokens of the outputs of both blocks, as transformers has them."""
    batch = AutoTokenizer.from_pretrained(encoder)(text, truncation=True, max_length=LENGTH, return_tensors="pt")
    hidden = AutoModel.from_pretrained(encoder).eval()(**batch, output_hidden_states=True).hidden_states
    return np.concatenate([hidden[block][0].mean(dim=0).numpy() for block in pooled_blocks(encoder)])


def test_a_trunk_says_what_the_encoder_says_whatever_stands_beside_a_text(tiny_xlmr, sentences, trunk):
    read = TrunkTexts.open(trunk.directory, trunk.outputs, LENGTH)
    found = read.outputs(sentences)
    expected = np.stack([means(tiny_xlmr, text) for text in sentences])
    assert found.shape == (len(sentences), read_trunk(trunk.directory).width)
    assert np.abs(found - expected).max() < 2e-3  # kept in 16 bits


def test_a_trunk_in_8_bits_stays_close_and_one_that_would_not_stays_whole(tiny_xlmr, sentences, tmp_path, monkeypatch):
    close = exported(tiny_xlmr, sentences, tmp_path / "close")
    assert list(close.precisions) == ["int8"] and 0.98 <= close.precisions["int8"].cosine < 1
    assert [path.name for path in (tmp_path / "close").glob("*.onnx")] == ["trunk.int8.onnx"]
    monkeypatch.setattr("gradsim_offline.models.trunk.LEAST_COSINE", 1.0)
    whole = exported(tiny_xlmr, sentences, tmp_path / "whole")
    assert list(whole.precisions) == ["fp32"] and whole.precisions["fp32"].cosine > 0.99999
    assert [path.name for path in (tmp_path / "whole").glob("*.onnx")] == ["trunk.onnx"]


def test_in_8_bits_a_text_counts_by_itself(tiny_xlmr, sentences, tmp_path):
    trunk = open_trunk_model(exported(tiny_xlmr, sentences, tmp_path), tmp_path)
    ids = TrunkTexts.open(tmp_path, tmp_path / "outputs", LENGTH).ids(sentences)
    together = trunk.run(ids[:12]).states
    alone = np.concatenate([trunk.run([each]).states for each in ids[:12]])
    assert np.abs(together - alone).max() < 1e-4


def test_a_text_is_read_once_and_a_killed_process_costs_what_it_had_not_written(sentences, trunk, tmp_path):
    entry, ids = read_trunk(trunk.directory), TrunkTexts.open(trunk.directory, trunk.outputs, LENGTH).ids(sentences)
    calls = []
    kept = TrunkOutputs(trunk.directory, tmp_path)
    first = kept.pooled(ids[:30], calls.append)
    kept.pooled([*ids[:30], *ids[:5]], calls.append)
    assert len(calls) == len({tuple(each) for each in ids[:30]})
    with (tmp_path / "states.f16").open("ab") as stream:
        stream.write(b"\1" * (entry.width + 1))  # written in part when the process was killed
    with (tmp_path / "index.bin").open("ab") as stream:
        stream.write(b"\1" * 5)
    again = TrunkOutputs(trunk.directory, tmp_path)
    assert np.array_equal(again.pooled(ids[:30]), first)
    alone = open_trunk_model(entry, trunk.directory).run([ids[40]]).states[0]
    assert np.abs(again.pooled([ids[40]])[0] - alone).max() < 2e-3


def test_two_processes_append_to_one_file_and_read_what_the_other_wrote(sentences, trunk, tmp_path):
    ids = TrunkTexts.open(trunk.directory, trunk.outputs, LENGTH).ids(sentences)
    one, other, calls = TrunkOutputs(trunk.directory, tmp_path), TrunkOutputs(trunk.directory, tmp_path), []
    one.pooled(ids[:10], calls.append)
    other.pooled(ids[5:30], calls.append)
    found = one.pooled(ids[:40], calls.append)
    assert len(calls) == len({tuple(each) for each in ids[:40]})
    expected = open_trunk_model(read_trunk(trunk.directory), trunk.directory)
    for each, row in zip(ids[:40], found, strict=True):
        assert np.abs(row - expected.run([each]).states[0]).max() < 2e-3
    again = TrunkOutputs(trunk.directory, tmp_path)
    assert np.array_equal(again.pooled(ids[:40], calls.append), found) and len(calls) == len({*map(tuple, ids[:40])})


def test_rows_that_never_reached_the_disk_are_computed_again(sentences, trunk, tmp_path):
    ids = TrunkTexts.open(trunk.directory, trunk.outputs, LENGTH).ids(sentences[:10])
    first = TrunkOutputs(trunk.directory, tmp_path).pooled(ids)
    states = tmp_path / "states.f16"
    with states.open("ab") as stream:
        stream.truncate(states.stat().st_size // 2 - 1)
    calls = []
    assert np.allclose(TrunkOutputs(trunk.directory, tmp_path).pooled(ids, calls.append), first, atol=2e-3)
    assert len(calls) == 6  # the fifth was cut


def test_outputs_that_were_removed_are_read_anew_in_the_same_process(sentences, trunk, tmp_path):
    texts, kept = sentences[:5], tmp_path / "kept"
    first = TrunkTexts.open(trunk.directory, kept, LENGTH).outputs(texts)
    shutil.rmtree(kept)
    again = TrunkTexts.open(trunk.directory, kept, LENGTH)
    assert np.allclose(again.outputs(texts[:1]), first[:1], atol=2e-3)
    assert np.allclose(again.outputs(texts), first, atol=2e-3)


def test_hidden_states_are_written_before_they_fill_the_memory(tiny_xlmr, sentences, tmp_path, monkeypatch):
    entry = exported(tiny_xlmr, sentences, tmp_path / "trunk", whole=True, trained_blocks=1)
    ids = TrunkTexts.open(tmp_path / "trunk", tmp_path / "none", LENGTH).ids(sentences[:10])
    monkeypatch.setattr("gradsim_offline.training.trunk_outputs._HELD", 40 * 2 * entry.width)
    written = []
    kept = TrunkOutputs(tmp_path / "trunk", tmp_path / "kept")
    states = kept.of(ids, lambda _: written.append((tmp_path / "kept" / "states.f16").stat().st_size))
    assert [len(state) for state in states] == [len(each) for each in ids]
    gained = np.diff(np.unique(written)) // (2 * entry.width)
    assert len(gained) > 1 and gained.max() <= 40
    model = open_trunk_model(entry, tmp_path / "trunk")
    assert np.abs(states[3] - model.run([ids[3]]).states[0, : len(ids[3])]).max() < 2e-3


def test_head_and_wide_part_answer_together_as_scikit_learn_does(trunk, tmp_path):
    dataset = demo.load(languages=["hau"])
    examples = dataset.split("hau", "train")
    texts = [normalise(example.text) for example in examples]
    gold = np.array([dataset.labels.index(example.label) for example in examples])
    features, vectors = LinearFeatures.of(texts, LinearStart(NGrams(), trunk), LENGTH)
    width = read_trunk(trunk.directory).width
    assert vectors.shape[1] == features.tfidf.table.rows + width
    assert vectors.dtype == np.float32
    assert np.allclose(vectors[:, -width:].toarray().std(axis=0), 0.03, atol=1e-3)
    save(features, fit(vectors, gold, len(dataset.labels), [4.0], 0), dataset.labels, tmp_path)
    trunk.save(tmp_path)
    task, cpu = load_task(dataset.task), torch.device("cpu")
    trained = open_trained(tmp_path, dataset.labels, task=task, maximum_length=LENGTH, device=cpu)
    logits = np.concatenate(trained.logits(texts))
    expected = (
        LogisticRegression(C=4.0, max_iter=2000, tol=1e-7)
        .fit(vectors.astype(np.float64), gold)
        .predict_log_proba(vectors)
    )
    assert np.allclose(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), expected, atol=2e-2)


def build(out, encoder, settings=None, **options):
    given = {"data": "demo", "languages": ",".join(LANGUAGES), "model": encoder, "out": out, **options}
    usual = {**TINY, "training.trained_blocks": 0, "measuring.minimum_steps": 0}
    return gradsim("build", *arguments(given, {**usual, **(settings or {})}))


@pytest.fixture(scope="module")
def run(tiny_xlmr, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "frozen"
    code, _, error = build(out, tiny_xlmr, {"ngrams.beside": "false"}, groups=3, keep="each")
    assert code == 0, error
    return out


def test_a_bundle_has_one_trunk_and_a_small_head_for_each_group(run):
    manifest = open_bundle(run / "bundle").manifest
    assert manifest.format == 2 and manifest.trunk is not None and manifest.trunk.output == "pooled"
    assert len(manifest.groups) == 3 and {group.reads for group in manifest.groups} == {"trunk"}
    assert {group.tokenizer for group in manifest.groups} == {manifest.trunk.tokenizer}
    tops = [group.precisions["fp32"].file for group in manifest.groups]
    assert tops == [f"groups/{group.id}/top.onnx" for group in manifest.groups]
    assert all(manifest.files[file].size < 5000 for file in tops)
    assert all(group.wide is not None and group.wide.weight == 1 for group in manifest.groups)


def test_the_report_names_what_every_kind_of_stage_took(run):
    page = (run / "bundle" / "report" / "index.html").read_text(encoding="utf-8")
    for kind in ("Export the frozen encoder", "Read all texts by the frozen encoder", "Export to ONNX and compare"):
        assert kind in page
    done = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert any(line["stage"] == "trunk-texts" and line["seconds"] >= 0 for line in done if "seconds" in line)


def test_to_assign_by_gradients_a_bundle_of_whole_models_is_asked_for(run, tmp_path):
    (tmp_path / "pcm").mkdir()
    (tmp_path / "pcm" / "train.tsv").write_text("text\tlabel\n" + "I dey happy\tpositive\nE bad\tnegative\n" * 10)
    words = ("--bundle", run / "bundle", "--data", tmp_path, "--language", "pcm", "--by", "gradient")
    code, _, error = gradsim("assign", *words)
    assert code == 1 and "build it with training.trained_blocks = all" in " ".join(error.split())


def test_it_answers_as_what_was_trained(run):
    bundle, dataset = Bundle.open(run / "bundle", threads=1), demo.load(languages=list(LANGUAGES))
    task, cpu = load_task(dataset.task), torch.device("cpu")
    for group in bundle.groups:
        (code,) = group.served
        texts = [example.text for example in dataset.split(code, "test")]
        folder = run / "train" / code
        trained = open_trained(folder, dataset.labels, task=task, maximum_length=LENGTH, device=cpu)
        assert [each.label for each in bundle.predict(texts, code)] == trained.answers(texts)


def test_a_second_build_reads_no_text_again(run, tiny_xlmr):
    before = (run / "trunk-outputs").glob("*/index.bin")
    sizes = {path: path.stat().st_size for path in before}
    code, shown, error = build(run, tiny_xlmr, {"ngrams.beside": "false"}, groups=3, keep="each")
    assert code == 0, error
    assert "trunk: the frozen encoder: up to date" in shown + error and "the trunk reads" not in shown + error
    assert {path: path.stat().st_size for path in sizes} == sizes


@pytest.mark.slow
def test_heads_are_judged_beside_n_grams_alone(tiny_xlmr, run, tmp_path):
    code, _, error = build(tmp_path / "run", tiny_xlmr)
    assert code == 0, error
    judged = json.loads((tmp_path / "run" / "choose" / "choice.json").read_text())["candidates"]
    names = {each["name"] for each in judged}
    assert {"one model of all languages", "one model for each language"} <= names
    assert {"one n-gram model of all languages", "an n-gram model for each language"} <= names
    sizes = {each["name"]: each["size"] for each in judged}
    (trunk,) = (run / "trunk").glob("*.onnx")
    assert sizes["one model of all languages"] > trunk.stat().st_size
    took = {each["name"]: each["milliseconds"] for each in judged}
    form = served_precision(read_trunk(tmp_path / "run" / "trunk"))
    assert took["one model of all languages"] > form.latency_milliseconds > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "demo-entities", "languages": None}, "heads over a frozen encoder are for texts with one label"),
        ({"measure": "embedding"}, "its lower blocks are a frozen trunk"),
        ({"model": "mini"}, "trained_blocks = 0 is for pre-trained encoders"),
        ({"adapt": "tapt-group"}, "is linear and has no steps: adapting.mode"),
    ],
)
def test_what_linear_heads_cannot_is_said_before_anything_is_trained(tiny_xlmr, tmp_path, options, message):
    given = {"encoder": tiny_xlmr, **options}
    code, _, error = build(tmp_path / "run", given.pop("model", given.pop("encoder")), **given)
    assert code == 1 and message in error and "Traceback" not in error
    assert not (tmp_path / "run" / "trunk").exists()


UPPER = {
    "training.trained_blocks": 1,
    "training.fraction": 0.3,
    "measuring.fraction": 0.3,
    "training.minimum_steps": 0,
    "ngrams.beside": "false",
}


@pytest.mark.parametrize("data", [pytest.param("demo", marks=pytest.mark.slow), "demo-entities"])
def test_upper_blocks_over_a_trunk_answer_as_they_were_trained(data, tiny_xlmr, tmp_path):
    run = tmp_path / "run"
    code, _, error = build(run, tiny_xlmr, UPPER, data=data, epochs=1, groups=3, keep="each")
    assert code == 0, error
    bundle, dataset = Bundle.open(run / "bundle", threads=1), load_data(data)
    trunk = bundle.manifest.trunk
    assert trunk is not None and trunk.output == "hidden"
    assert {tuple(group.inputs) for group in bundle.manifest.groups} == {("hidden_states", "attention_mask")}
    task, cpu = load_task(dataset.task), torch.device("cpu")
    for group in bundle.groups:
        (language,) = group.served
        examples = dataset.split(language, "test")[:20]
        trained = open_trained(run / "train" / language, dataset.labels, task=task, maximum_length=LENGTH, device=cpu)
        routes = bundle.predictor.routes([example.text for example in examples], language)
        inputs = [example.input for example in examples]
        served = [answer.decoded.answer for answer in bundle.predictor.answers(inputs, routes)]
        assert served == trained.answers(inputs)


def test_a_block_that_is_not_there_cannot_be_trained(tiny_xlmr, tmp_path):
    code, _, error = build(tmp_path / "run", tiny_xlmr, {**UPPER, "training.trained_blocks": 2})
    assert code == 1 and "has 2 blocks; 1 to 1 can be trained over a frozen trunk" in error


def load_data(data):
    return {"demo": demo, "demo-entities": demo_entities}[data].load(languages=list(LANGUAGES))
