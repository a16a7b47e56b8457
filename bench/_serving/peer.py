"""What each peer computes: the job of the service, written as a user without it would write it.

Identify the language with the bundle's fastText model, choose the group that serves it, tokenise, run, softmax. The
texts of a batch are gathered by group; each group's are padded to their longest. One place for all peers, so that they
differ in the server and the engine alone. It needs onnxruntime or torch, tokenizers, fastText, numpy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
from tokenizers import Tokenizer

from gradsim_shared.identifier_text import identifier_text

Run = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Token ids and mask, ``[texts, tokens]``, to logits ``[texts, labels]``."""

BUNDLE, TRAINED, THREADS = (os.environ.get(f"PEER_{name}", "") for name in ("BUNDLE", "TRAINED", "THREADS"))


class Peer:
    """Answers texts.

    Args:
        make: Loads what runs a group, from its entry in the manifest.
    """

    def __init__(self, make: Callable[[dict[str, Any]], Run]) -> None:
        directory = Path(BUNDLE)
        manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
        self._labels = manifest["labels"]
        self._identifier = fasttext.load_model(str(directory / manifest["identifier"]["file"]))
        served = {language["code"]: language["group"] for language in manifest["languages"]}
        self._group = {label: served[code] for label, code in manifest["identifier"]["labels"].items()}
        self._run = {group["id"]: make(group) for group in manifest["groups"]}
        self._tokenizers = {}
        for group in manifest["groups"]:
            tokenizer = Tokenizer.from_file(str(directory / group["tokenizer"]))
            tokenizer.enable_truncation(manifest["maximum_length"])
            tokenizer.enable_padding(pad_id=group["pad_id"])
            self._tokenizers[group["id"]] = tokenizer

    def answer(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Return label, score and scores for each text."""
        predicted, _ = self._identifier.predict([identifier_text(text) for text in texts], k=1)
        groups = [self._group[labels[0]] if labels else next(iter(self._run)) for labels in predicted]
        answers: list[dict[str, Any]] = [{} for _ in texts]
        for group in dict.fromkeys(groups):
            rows = [row for row, name in enumerate(groups) if name == group]
            encoded = self._tokenizers[group].encode_batch([texts[row] for row in rows])
            ids = np.array([encoding.ids for encoding in encoded], np.int64)
            mask = np.array([encoding.attention_mask for encoding in encoded], np.int64)
            logits = self._run[group](ids, mask).astype(np.float64)
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            for row, share in zip(rows, shares, strict=True):
                best = int(share.argmax())
                scores = dict(zip(self._labels, map(float, share), strict=True))
                answers[row] = {"label": self._labels[best], "score": float(share[best]), "scores": scores}
        return answers


def by_onnxruntime(group: dict[str, Any]) -> Run:
    """Load a group's exported model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(THREADS)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # several sessions share the cores
    file = next(iter(group["precisions"].values()))["file"]
    session = onnxruntime.InferenceSession(str(Path(BUNDLE) / file), options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def run(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return session.run(None, {name: inputs[name] for name in names})[0]

    return run


def by_torch(group: dict[str, Any]) -> Run:
    """Load the trained model that a group's export was made from."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from gradsim_offline.models import mini as mini_model  # noqa: F401 - registers the architecture of mini

    torch.set_num_threads(int(THREADS))
    directory = Path(TRAINED) / "-".join(sorted(group["members"]))
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()

    @torch.inference_mode()
    def run(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.numpy()

    return run
