"""What taking the loss of masked language modelling slice by slice buys: steps with it, against the same without.

The baseline is ``whole``: ``F.cross_entropy`` over the table of all logits. A step is forward, backward, clipping and
AdamW of a mini encoder of the recipe's sizes, on random pieces (what they are does not change what it costs), in blocks
that are interleaved; ratios are of neighbours.

    python bench/masked_loss.py
"""

from __future__ import annotations

import time
from typing import Any

import _report
import torch
from torch import Tensor, nn

from gradsim_offline.core.devices import keep_memory
from gradsim_offline.models import mini as mini_model
from gradsim_offline.models.mini import MiniConfig, MiniForMaskedLM
from gradsim_offline.pipeline.recipes import resolve
from gradsim_offline.training.encoders.mini import MASK

NAMES = ("whole", "sliced")


def whole(hidden: Tensor, weight: Tensor, bias: Tensor, pieces: Tensor) -> Tensor:
    """Return the same sum from the table of all logits."""
    return nn.functional.cross_entropy(nn.functional.linear(hidden, weight, bias), pieces, reduction="sum")


def block(model: MiniForMaskedLM, ways: Any, steps: int, tokens: int, share: float) -> float:  # noqa: ANN401
    """Run some steps with one way to take the loss; return milliseconds per step."""
    original, mini_model.summed_cross_entropy = mini_model.summed_cross_entropy, ways
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    try:
        started = time.perf_counter()
        for _ in range(steps):
            ids = torch.randint(MASK + 1, model.config.vocab_size, (64, tokens))
            asked = torch.rand(ids.shape) < share
            model(ids.masked_fill(asked, MASK), labels=ids.masked_fill(~asked, -100)).loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
        return 1000 * (time.perf_counter() - started) / steps
    finally:
        mini_model.summed_cross_entropy = original


def main() -> None:
    """Measure and report."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--tokens", type=_report.at_least(2), default=28, help="of a text  [28]")
    parser.add_argument("--steps", type=_report.at_least(1), default=20, help="steps of a block  [20]")
    parser.add_argument("--repeats", type=_report.at_least(5), default=7, help="blocks of each kind  [7]")
    chosen = parser.parse_args()
    content = _report.start()
    sizes = resolve("mini", {"data": "afrisenti"}).pretraining
    keep_memory()
    torch.manual_seed(0)
    model = MiniForMaskedLM(
        MiniConfig(
            vocab_size=sizes.vocabulary,
            hidden_size=sizes.hidden_size,
            num_hidden_layers=sizes.layers,
            ngram_buckets=16,  # the n-grams take no part
        )
    ).train()
    model.mini.ngrams.requires_grad_(False)
    ways = {"whole": whole, "sliced": mini_model.summed_cross_entropy}
    for way in ways.values():
        block(model, way, 3, chosen.tokens, sizes.masked)
    milliseconds: dict[str, list[float]] = {name: [] for name in NAMES}
    for _, name in _report.interleaved(NAMES, chosen.repeats):
        milliseconds[name].append(block(model, ways[name], chosen.steps, chosen.tokens, sizes.masked))
    ratios = _report.ratios(milliseconds["sliced"], milliseconds["whole"])
    print(f"{chosen.repeats} x {chosen.steps} steps of each; milliseconds per step:")
    rows = [
        ["whole", _report.in_words(milliseconds["whole"], 1), ""],
        ["sliced", _report.in_words(milliseconds["sliced"], 1), _report.in_words(ratios)],
    ]
    _report.table(["", "ms per step", "ratio to whole"], rows)
    _report.finish(chosen.json, {**content, "figures": milliseconds, "ratio": _report.spread(ratios)})


if __name__ == "__main__":
    _report.run(main)
