"""A tiny real bundle for sentiment: real tokenizers, ONNX graphs and fastText model, built in about a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tiny_identifier
from manifests import make_manifest
from onnx import TensorProto, helper, numpy_helper, save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from gradsim_shared.bundle import file_entry

LABELS = ["negative", "neutral", "positive"]

SUBJECTS = {
    "hau": ["Wannan fim", "Abincin nan", "Malamin mu", "Littafin nan", "Wakar nan", "Motar sa", "Aikin yau"],
    "swa": ["Filamu hii", "Chakula hiki", "Mwalimu wetu", "Kitabu hiki", "Wimbo huu", "Gari lake", "Kazi ya leo"],
    "pcm": ["Dis film", "Dis food", "Our oga teacher", "Dis book", "Dis song", "Im motor", "Dis work today"],
    "amh": ["ይህ ፊልም", "ይህ ምግብ", "መምህራችን", "ይህ መጽሐፍ", "ይህ ዘፈን", "መኪናው", "የዛሬው ሥራ"],
}
OPINIONS = {
    "hau": {"positive": ["yana da kyau sosai", "ya burge ni"], "negative": ["ba shi da kyau", "ya bata min rai"]},
    "swa": {"positive": ["ni nzuri sana", "imenifurahisha"], "negative": ["ni mbaya sana", "imenichosha kabisa"]},
    "pcm": {"positive": ["sweet well well", "make me dey happy"], "negative": ["no make sense at all", "don vex me"]},
    "amh": {"positive": ["በጣም ጥሩ ነው", "አስደስቶኛል"], "negative": ["በጣም መጥፎ ነው", "አሳዝኖኛል"]},
}
SERVED_BY = {"hau": "g0", "swa": "g0", "pcm": "g1", "amh": "g1"}
MEMBERS = {"g0": ["hau", "swa"], "g1": ["amh", "hau", "pcm"]}  # hau is source-only in g1
NAMES = {
    "hau": "Hausa",
    "swa": "Swahili",
    "pcm": "Nigerian Pidgin",
    "amh": "Amharic",
    "yor": "Yoruba",
    "eng": "English",
}
ALIASES = {"hau": ["ha"], "swa": ["sw", "swh"], "pcm": ["pg"], "amh": ["am"], "yor": ["yo"], "eng": ["en"]}


def sentences(language: str) -> list[tuple[str, str]]:
    """Return ``(text, label)`` for every subject with every opinion."""
    return [
        (f"{subject} {opinion}", label)
        for label, opinions in OPINIONS[language].items()
        for opinion in opinions
        for subject in SUBJECTS[language]
    ]


def build(
    directory: Path, *, name: str = "tiny", threshold: float = 0.5, normalisation: int = 0, **settings: Any
) -> Path:
    """Write the bundle into ``directory`` and return it; further settings are the manifest's."""
    directory.mkdir(parents=True)
    spoken = [(code, text) for code in SERVED_BY for text, _ in sentences(code)]
    (directory / "identifier.ftz").write_bytes(tiny_identifier.train(spoken))
    (directory / "similarity.json").write_text(json.dumps({"languages": sorted(SERVED_BY)}), encoding="utf-8")
    for group in MEMBERS:
        _group(directory / "groups" / group, group)
    write_manifest(directory, name=name, threshold=threshold, normalisation=normalisation, **settings)
    return directory


def write_manifest(directory: Path, **settings: Any) -> None:
    """Write the manifest of what lies in ``directory``; ``settings`` as of `make_manifest`."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "manifest.json")
    files = {path.relative_to(directory).as_posix(): file_entry(path) for path in paths}
    tiny = {
        "name": "tiny",
        "served_by": SERVED_BY,
        "members": MEMBERS,
        "labels": LABELS,
        "names": NAMES,
        "aliases": ALIASES,
        "scripts": {"amh": "ETHIOPIC"},
        "collective_similarity": 0.4,
        "maximum_length": 64,
        "pad_multiple": 8,
    }
    settings = tiny | settings
    settings["served_by"] = dict(sorted(settings["served_by"].items()))
    manifest = make_manifest(**settings, files=files)
    (directory / "manifest.json").write_text(manifest.model_dump_json(indent=2), encoding="utf-8")


def _group(directory: Path, group: str) -> None:
    """Write a word-level tokenizer, and a model that adds up what each word of the group's languages says."""
    directory.mkdir(parents=True)
    votes: dict[str, np.ndarray] = {"[PAD]": np.zeros(3), "[UNK]": np.array([0.0, 0.1, 0.0]), "[CLS]": np.zeros(3)}
    for language in MEMBERS[group]:
        for text, label in sentences(language):
            for word in text.lower().split():
                votes.setdefault(word, np.zeros(3))[LABELS.index(label)] += 0.5
    vocabulary = {word: row for row, word in enumerate(votes)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A [CLS] $B", special_tokens=[("[CLS]", 2)]
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    save(_graph(np.stack(list(votes.values())).astype(np.float32)), str(directory / "model.onnx"))


def _graph(embedding: np.ndarray) -> object:
    """Return a graph: mean over the unmasked tokens of ``embedding`` [words, labels]."""
    nodes = [
        helper.make_node("Gather", ["embedding", "input_ids"], ["embedded"]),  # [texts, tokens, labels]
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide_mask"]),  # [texts, tokens, 1]
        helper.make_node("Mul", ["embedded", "wide_mask"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "tokens"], ["total"], keepdims=0),  # [texts, labels]
        helper.make_node("ReduceSum", ["wide_mask", "tokens"], ["count"], keepdims=0),  # [texts, 1]
        helper.make_node("Div", ["total", "count"], ["logits"]),
    ]
    constants = {"embedding": embedding, "last": np.array([2]), "tokens": np.array([1])}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "T"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 3])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
