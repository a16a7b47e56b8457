"""Open what a bundle holds: fastText, tokenizers and onnxruntime read its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradsim_runtime.sessions import SessionSettings, open_session
from gradsim_shared.decoding import FastTokenizer
from gradsim_shared.errors import BundleError, SettingsError
from gradsim_shared.excerpts import one_line
from gradsim_shared.group_model import Contract, GroupModel, served_precision, wide_group
from gradsim_shared.identification import FastTextModel, LanguageIdentifier, open_identifier
from gradsim_shared.manifest import Group, Identifier, Trunk
from gradsim_shared.ngrams import TABLE_FILE, read_table
from gradsim_shared.token_model import Session
from gradsim_shared.trunk import TrunkModel


def load_identifier(entry: Identifier, path: Callable[[str], Path]) -> LanguageIdentifier:
    """Open a language identifier.

    Args:
        entry: Of the bundle's manifest.
        path: Where a file of the bundle is.

    Raises:
        BundleError: A file cannot be read, or does not fit the manifest.
    """
    return open_identifier(entry, lambda file: load_fasttext(path(file)), path)


def load_fasttext(path: Path) -> FastTextModel:
    """Open a fastText model.

    Raises:
        BundleError: It is none.
    """
    import fasttext

    try:
        model: FastTextModel = fasttext.load_model(str(path))
    except (ValueError, MemoryError) as error:
        raise BundleError(f"{path} is no fastText model that can be read: {error}") from error
    return model


def load_tokenizer(path: Path) -> FastTokenizer:
    """Open a tokenizer.json, or a table of n-grams; what it raises is a bare ``Exception``."""
    from tokenizers import Tokenizer

    if path.name == TABLE_FILE:
        return read_table(path)
    return Tokenizer.from_file(str(path))


def load_group_model(
    path: Callable[[str], Path],
    group: Group,
    contract: Contract,
    settings: SessionSettings | None = None,
    opened: dict[str, Any] | None = None,
) -> GroupModel:
    """Open the exported model of one group, its tokenizer, its trunk, and the linear model over n-grams beside it.

    Args:
        path: Where a file of the bundle is.
        group: The group's entry in the manifest.
        contract: Of the bundle: its manifest, or what will become one.
        settings: How the model runs; ``None``: on the CPU, with as many threads as there are cores.
        opened: Sessions and tokenizers of other groups by file, which this one may share; what is opened is added.

    Raises:
        BundleError: A file cannot be read, or the model asks for inputs that this version does not know.
        SettingsError: The model cannot run as the settings say.
    """
    opened = {} if opened is None else opened
    settings = settings or SessionSettings(threads=0)

    def shared(file: str, load: Callable[[Path], Any]) -> Any:  # noqa: ANN401 - a session or a tokenizer
        if file not in opened:
            opened[file] = load(path(file))
        return opened[file]

    def session(entry: Group | Trunk) -> Session:
        opened_session: Session = shared(served_precision(entry).file, lambda file: open_session(file, settings))
        return opened_session

    def load(entry: Group, wide: GroupModel | None) -> GroupModel:
        below = contract.trunk if entry.reads == "trunk" else None
        trunk = None if below is None else TrunkModel(session(below), below)
        return GroupModel(session(entry), shared(entry.tokenizer, load_tokenizer), entry, contract, wide, trunk)

    try:
        wide = wide_group(group)
        return load(group, load(wide, None) if wide else None)
    except (BundleError, SettingsError):
        raise
    except Exception as error:  # both libraries raise bare Exception and classes of their own
        raise BundleError(f"group {group.id} cannot be loaded: {one_line(str(error))}") from error
