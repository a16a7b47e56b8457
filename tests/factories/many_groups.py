"""A tiny bundle of many groups, one language each: the languages are given, the model is the same but for its file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import tiny_bundle

from gradsim_shared.bundle import file_entry


def build(directory: Path, count: int) -> Path:
    """Write a bundle with groups ``g0``, ``g1``, ..., of which each serves one language; return it."""
    tiny_bundle.build(directory)
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    (language,) = [entry for entry in manifest["languages"] if entry["code"] == "hau"]
    (group,) = [entry for entry in manifest["groups"] if entry["id"] == "g0"]
    shutil.move(directory / "groups", directory / "from")
    manifest["languages"], manifest["groups"] = [], []
    for number in range(count):
        code, name = language_code(number), f"g{number}"
        _copy(directory / "from" / "g0", directory / "groups" / name)
        similarity = {"collective_similarity": {name: 0.4}, "group": name}
        manifest["languages"].append({**language, "code": code, "name": code, "aliases": [], **similarity})
        written = json.dumps({**group, "id": name, "members": [code]}).replace("groups/g0/", f"groups/{name}/")
        manifest["groups"].append(json.loads(written))
    shutil.rmtree(directory / "from")
    manifest["identifier"]["labels"] = {f"__label__{code}": code for code in ("hau", language_code(1))}
    paths = [path for path in directory.rglob("*") if path.is_file() and path.name != "manifest.json"]
    manifest["files"] = {
        path.relative_to(directory).as_posix(): file_entry(path).model_dump(mode="json") for path in paths
    }
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return directory


def language_code(number: int) -> str:
    """Return the language of a group: Hausa, whose texts the model knows, and codes that are for local use."""
    return "hau" if number == 0 else f"qa{chr(ord('a') + number)}"


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    shutil.copy(source / "tokenizer.json", target)
    model = onnx.load(source / "model.onnx")
    model.doc_string = target.name
    onnx.save(model, str(target / "model.onnx"))
