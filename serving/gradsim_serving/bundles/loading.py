"""From a verified bundle to one that answers: fastText, tokenizers and onnxruntime read its files."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gradsim_runtime.loading import load_fasttext, load_tokenizer
from gradsim_runtime.sessions import SessionSettings, open_session
from gradsim_serving.bundles.model_cache import CachedModel, ModelCache
from gradsim_serving.bundles.served import Served
from gradsim_shared.bundle import VerifiedBundle
from gradsim_shared.decoding import endpoint_of
from gradsim_shared.errors import BundleError, SettingsError
from gradsim_shared.group_model import GroupModel, served_precision, wide_group
from gradsim_shared.identification import LanguageIdentifier, open_identifier
from gradsim_shared.manifest import Group, Trunk
from gradsim_shared.routing import Router
from gradsim_shared.trunk import TrunkModel

T = TypeVar("T")


@dataclass(frozen=True)
class Loaded:
    """What is in memory, by the SHA-256 of its file: groups, bundles and versions of a bundle often hold the same.

    Attributes:
        parts: Kind, SHA-256 and what else sets it up -> identifier, tokenizer or model.
        before: What the version before has in memory; ``None``: nothing.
    """

    parts: dict[Hashable, Any] = field(default_factory=dict)
    before: Loaded | None = None

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        """Return what is in memory under a key, loading it if it is not."""
        if key not in self.parts:
            old = self.before.parts if self.before is not None else {}
            self.parts[key] = old[key] if key in old else load()
        part: T = self.parts[key]
        return part

    def holds(self, key: Hashable) -> bool:
        """Say whether something is in memory already, here or in the version before."""
        return key in self.parts or (self.before is not None and key in self.before.parts)

    def count(self, kind: str) -> int:
        """Return how many parts of one kind are in memory: ``identifier``, ``tokenizer`` or ``model``."""
        return sum(1 for key in self.parts if isinstance(key, tuple) and key[0] == kind)


def load_bundle(
    bundle: VerifiedBundle, settings: SessionSettings, loaded: Loaded | None = None, cache: ModelCache | None = None
) -> Served:
    """Load what a bundle needs to answer.

    Args:
        bundle: Verified.
        settings: How its models run.
        loaded: What is in memory already; what is loaded is added.
        cache: Limits the memory of the models; ``None``: there is no limit.

    Raises:
        BundleError: Something cannot be loaded.
        SettingsError: The models cannot run as the settings say.
    """
    loaded = Loaded() if loaded is None else loaded
    cache = cache or ModelCache()
    manifest = bundle.manifest
    identifier = load_identifier(bundle, loaded)
    models = {group.id: load_group_model(bundle, group, settings, loaded, cache) for group in manifest.groups}
    return Served(endpoint_of(manifest), bundle, Router(manifest), identifier, models)


def warm_up(model: GroupModel, length: int, tokens: int, *, with_trunk: bool = True) -> None:
    """Let a model run its longest text alone, then a whole batch of them.

    The first runs of a size cost more than later ones: memory is taken, a GPU chooses its kernels, TensorRT compiles.

    Args:
        model: Of a group.
        length: Tokens that it can read at once.
        tokens: A batch is full at so many.
        with_trunk: The trunk runs as well, where it stands on one.
    """
    (reading,) = model.read(["123 abc " * length])
    longest = max(reading.ids, key=len)
    for texts in (1, max(1, tokens // model.padded(len(longest)))):
        if model.trunk is None or with_trunk:
            model.run_chunk([longest] * texts)
        else:
            model.run_top(model.trunk.blank(texts, len(longest)))


def load_identifier(bundle: VerifiedBundle, loaded: Loaded | None = None) -> LanguageIdentifier:
    """Load the bundle's language identifier.

    Raises:
        BundleError: A file is no fastText model, or knows none of the labels.
    """
    loaded = Loaded() if loaded is None else loaded

    def load(file: str) -> Any:  # noqa: ANN401 - fastText is not typed
        key = ("identifier", bundle.manifest.files[file].sha256)
        return loaded.get(key, lambda: load_fasttext(bundle.path(file)))

    return open_identifier(bundle.manifest.identifier, load, bundle.path)


def load_group_model(
    bundle: VerifiedBundle,
    group: Group,
    settings: SessionSettings,
    loaded: Loaded | None = None,
    cache: ModelCache | None = None,
) -> GroupModel:
    """Load the model of one group, its tokenizer, and the trunk that it stands on.

    Raises:
        BundleError: A file cannot be read, the model asks for inputs that this version does not know, or it cannot
            run its longest texts.
        SettingsError: The model cannot run as the settings say.
    """
    loaded, cache = loaded or Loaded(), cache or ModelCache()
    wide = wide_group(group)
    beside = load_group_model(bundle, wide, settings, loaded, cache) if wide else None
    manifest = bundle.manifest
    sha256 = manifest.files[group.tokenizer].sha256
    reads = ("tokenizer", sha256, manifest.task, manifest.maximum_length, manifest.long_texts)
    below = manifest.trunk if group.reads == "trunk" else None
    is_new = not loaded.holds(_key(bundle, group, settings))
    trunk_is_new = below is not None and not loaded.holds(_key(bundle, below, settings))
    try:
        tokenizer = loaded.get(reads, lambda: load_tokenizer(bundle.path(group.tokenizer)))
        trunk = None if below is None else TrunkModel(_model(bundle, below, settings, loaded, cache), below)
        session = _model(bundle, group, settings, loaded, cache)
    except SettingsError:
        raise
    except Exception as error:  # both libraries raise bare Exception and classes of their own
        raise BundleError(f"bundle {bundle.directory}: group {group.id} cannot be loaded: {error}") from error
    model = GroupModel(session, tokenizer, group, manifest, beside, trunk)
    if (is_new or trunk_is_new) and settings.warm_tokens:
        try:
            warm_up(model, manifest.maximum_length, settings.warm_tokens, with_trunk=trunk_is_new)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # onnxruntime raises classes of its own; a panic in Rust is no Exception
            message = f"bundle {bundle.directory}: group {group.id} cannot run a batch of its longest texts: {error}"
            raise BundleError(message) from error
    return model


def _model(
    bundle: VerifiedBundle, entry: Group | Trunk, settings: SessionSettings, loaded: Loaded, cache: ModelCache
) -> CachedModel:
    """Return a model that is in memory now, and later when it is asked for."""
    file = served_precision(entry).file

    def load(path: Path) -> Any:  # noqa: ANN401 - an onnxruntime session
        return open_session(path, settings)

    model = loaded.get(
        _key(bundle, entry, settings), lambda: cache.model(bundle.path(file), bundle.manifest.files[file], load)
    )
    model.add_path(bundle.path(file))
    model.session()
    return model


def _key(bundle: VerifiedBundle, entry: Group | Trunk, settings: SessionSettings) -> Hashable:
    """Return what a model is kept under."""
    return "model", bundle.manifest.files[served_precision(entry).file].sha256, settings
