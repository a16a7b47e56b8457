"""Any Hugging Face encoder: by a name of ours, by its name on the Hub, or by its directory."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.settings import NGRAMS
from gradsim_offline.models.loading import is_there
from gradsim_offline.models.named_encoders import locate
from gradsim_shared.errors import ModelError


@dataclass(frozen=True)
class Encoder:
    """What every training starts from.

    Attributes:
        path: Directory, or name on the Hub.
        digest: Its identity: what was trained from another one is trained again.
        kind: What is trained from it: ``encoder``: itself, fine-tuned; ``ngrams``: linear classifiers over n-grams;
            ``frozen``: linear classifiers over n-grams and its outputs.
    """

    path: str
    digest: str
    kind: Literal["encoder", "ngrams", "frozen"] = "encoder"

    @property
    def linear(self) -> bool:
        """Whether linear classifiers start from it."""
        return self.kind != "encoder"


def find(model: str, progress: Progress) -> Encoder:
    """Check that a model can be found, and return it; one with a name of ours is fetched where it is not there.

    Its digest is its name, or one of its directory.

    Raises:
        ModelError: It cannot be found; the message names the remedies.
    """
    if model == NGRAMS and not Path(model).is_dir():
        raise ModelError(f"{NGRAMS} is no encoder that can be trained on; name one, such as e5-small, or a directory")
    if model == "mini" and not Path(model).is_dir():
        raise ModelError(
            "mini is made by a build: run `gradsim-offline encoder --data NAME`, then take its directory, "
            "--model runs/NAME/encoder"
        )
    located = locate(model, lambda line: progress.note(f"  {line}"), shown=progress.console.is_terminal)
    is_there(located.path)
    if located.identity is not None:
        return Encoder(located.path, located.identity)
    directory = Path(model)
    if not directory.is_dir():
        return Encoder(model, model)
    files = sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in directory.iterdir() if p.is_file())
    return Encoder(model, sha256(repr(files).encode()).hexdigest())
