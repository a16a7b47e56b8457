"""A small encoder on real AfriSenti texts, ready for training steps: model, optimizer, rows and batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _report  # noqa: F401 - before torch: it says how OpenMP waits
import torch
from torch import Tensor, nn

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.datasets.sources import afrisenti
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.pipeline.recipes import resolve
from gradsim_offline.tasks.text_classification import PLUGIN as task
from gradsim_offline.training.batching import Row, plan, to_device
from gradsim_offline.training.context import PretrainingContext
from gradsim_offline.training.encoders import mini
from gradsim_offline.training.optimizer import Optimizer

# without masked-language modelling: what the weights are does not change what a step costs
RECIPE = resolve("mini", {"data": "afrisenti", "pretraining.epochs": 0})


def make_encoder(dataset: Dataset, directory: Path) -> str:
    """Make a mini encoder of the recipe's sizes, untrained, from the training texts; return its directory."""
    texts = {code: [example.text for example in dataset.split(code, "train")] for code in dataset.languages}
    mini.make(
        texts,
        directory,
        settings=RECIPE.pretraining,
        context=PretrainingContext(
            maximum_length=RECIPE.maximum_length,
            seed=RECIPE.seed,
            device=torch.device("cpu"),
            progress=Progress(quiet=True),
            log=lambda **_: None,
        ),
    )
    return str(directory)


def load_data(data_dir: Path | None) -> Dataset:
    """Load AfriSenti."""
    return afrisenti.load(data_dir)


def encode_rows(dataset: Dataset, encoder: str) -> tuple[list[Row], int]:
    """Tokenise the training texts of all languages, as fine-tuning does; return them and the id of the padding."""
    tokenizer, pad_id = load_tokenizer(encoder, maximum_length=RECIPE.maximum_length)
    reader = task.decoder.Reader(tokenizer, RECIPE.maximum_length)
    rows = [
        row
        for number, code in enumerate(dataset.languages)
        for row in task.encode(reader, dataset.split(code, "train"), dataset.labels, language=number, seed=RECIPE.seed)
    ]
    return rows, pad_id


def batches(rows: Sequence[Row], count: int, size: int | None = None) -> list[list[int]]:
    """Return the first batches of fine-tuning's plan, going on to the next epoch where one is not enough.

    Args:
        rows: The training rows.
        count: How many batches.
        size: Texts of a batch; ``None``: the recipe's number.
    """
    found: list[list[int]] = []
    epoch = 0
    while len(found) < count:
        found += plan([len(row.ids) for row in rows], size or RECIPE.training.batch_size, seed=RECIPE.seed, epoch=epoch)
        epoch += 1
    return found[:count]


@dataclass
class Trainee:
    """A model and its optimizer, as the training loop has them, that can be put back to where they were."""

    model: nn.Module
    optimizer: Optimizer
    device: torch.device

    def clip(self) -> None:
        """Clip the gradients, as the loop's optimizer does."""
        nn.utils.clip_grad_norm_(self.optimizer.dense, RECIPE.training.clip)

    def step(self) -> None:
        """Step and forget the gradients, as the loop's optimizer does after clipping."""
        for part in self.optimizer.parts.values():
            for group in part.param_groups:
                group["lr"] = RECIPE.training.learning_rate
            part.step()
        self.forget()

    def forget(self) -> None:
        """Forget the gradients."""
        self.model.zero_grad(set_to_none=True)

    def forward(self, batch: dict[str, Tensor]) -> Any:  # noqa: ANN401 - the model's own output
        """Return the model's output for a batch on this device."""
        return self.model(**to_device(batch, self.device))

    def save(self) -> list[Tensor]:
        """Return a copy of all weights and of all that the optimizer remembers."""
        return [tensor.detach().clone() for tensor in self._tensors()]

    def restore(self, saved: Sequence[Tensor], seed: int) -> None:
        """Put both back to what ``save`` found; dropout starts from ``seed`` again."""
        with torch.no_grad():
            for tensor, before in zip(self._tensors(), saved, strict=True):
                tensor.copy_(before)
        self.forget()
        torch.manual_seed(seed)

    def wait(self) -> None:
        """Wait until the device has done what it was asked."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _tensors(self) -> list[Tensor]:
        states = [state for part in self.optimizer.parts.values() for state in part.state.values()]
        kept = [value for state in states for value in state.values()]
        return [*self.model.state_dict().values(), *(value for value in kept if isinstance(value, Tensor))]


def make_xlmr(vocabulary: int, layers: int, width: int, directory: Path) -> str:
    """Make an XLM-R of these sizes with random weights, for token ids below ``vocabulary``; return its directory."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        intermediate_size=4 * width,
        max_position_embeddings=RECIPE.maximum_length + 2,
        type_vocab_size=1,
        pad_token_id=1,
    )
    torch.manual_seed(RECIPE.seed)
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(directory)
    return str(directory)


def new_trainee(encoder: str, labels: Sequence[str], device: torch.device) -> Trainee:
    """Load an encoder with a new head, and an optimizer with the recipe's rates."""
    torch.manual_seed(RECIPE.seed)
    model = task.load_model(encoder, labels).to(device).train()
    return Trainee(model, Optimizer(model, weight_decay=RECIPE.training.weight_decay, device=device), device)
