"""What measuring costs: training steps with per-language gradients from hooks, against the same steps without.

The baseline is ``plain``: forward, backward, clip, step, as the training loop does them. Every other way takes its
steps over the same batches, and sums the gradient of every language on the way:

- head.out, head, encoder.0, all three: the project's own tracking of these layers, in the one backward pass;
- the same, folded: with a projection to ``--projection`` numbers per layer;
- N x head.out: ``autograd.grad`` of each present language's summed loss by the last linear layer, before the backward;
- N x whole: one backward pass through the whole model per present language, over the mixed batch's graph;
- N x alone: forward and backward of each present language's texts by themselves, padded by themselves.

The hooks sum each half of the data apart; the N-fold ways, to their advantage, do not. Every batch is taken by all
ways, in random order; a ratio is of two steps over the same batch, and a block's ratio is the median of its steps (the
two slowest ways take only the first steps of each block). What an epoch's end adds is printed below the table. On the
CPU, seconds are the processor's, of all threads together: what else runs there lengthens them less. That all ways find
the same gradients is checked on one batch (dropout off) and printed.

    python bench/measuring.py
    python bench/measuring.py --languages 100 --slow-steps 0
    python bench/measuring.py --xlmr 4x256 --batch-size 32 --slow-steps 0
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import _mini
import _report
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradsim_offline.core.devices import keep_memory, resolve_device
from gradsim_offline.similarity.gradient_observer import GradientObserver
from gradsim_offline.similarity.tracking import tracked_layers
from gradsim_offline.tasks.text_classification import collate
from gradsim_offline.training.batching import Row

LAYERS = {
    "head.out": ["head.out"],
    "head": ["head"],
    "encoder.0": ["encoder.0"],
    "head.out + head + encoder.0": ["head.out", "head", "encoder.0"],
}
FOLDED = {f"{name}, folded": layers for name, layers in LAYERS.items() if "encoder.0" in layers}
TRACKED = {**LAYERS, **FOLDED}
UNCHECKED = [name for name, layers in TRACKED.items() if layers == ["encoder.0"]]  # without the last layer
SLOW = ("N x whole", "N x alone")
LIMITS = {12: 1.03, 100: 1.10}  # languages: what issue 3 allows


class Passes:
    """Forward and backward passes of one batch, one method per way; each leaves the batch's gradient in the model.

    Args:
        trainee: Model and optimizer.
        rows: The training rows.
        pad_id: Id of the padding.
        languages: How many there are.
        projection: Numbers per layer that the folded ways keep.
    """

    def __init__(
        self, trainee: _mini.Trainee, rows: Sequence[Row], pad_id: int, languages: int, projection: int
    ) -> None:
        self._trainee = trainee
        self._rows = rows
        self._collate = collate(rows, pad_id)
        self._out: nn.Linear = next(iter(tracked_layers(trainee.model, ["head.out"])["head.out"].values()))
        self.observers = {
            name: GradientObserver(
                trainee.model, rows, layers, languages, projection=projection if name in FOLDED else None
            )
            for name, layers in TRACKED.items()
        }
        self.sums = torch.zeros(languages, self._out.out_features, self._out.in_features + 1, device=trainee.device)

    def ways(self, *, slow: bool = True) -> dict[str, Callable[[Sequence[int]], None]]:
        """Return every way by its name, the slowest ones if they are wanted; the baseline first."""
        return {
            "plain": self.plain,
            **{name: partial(self.observed, name) for name in TRACKED},
            "N x head.out": self.head_by_language,
            **({"N x whole": self.whole_by_language, "N x alone": self.language_alone} if slow else {}),
        }

    def plain(self, indices: Sequence[int]) -> None:
        """One pass, as in training."""
        self._forward(indices).loss.backward()

    def observed(self, name: str, indices: Sequence[int]) -> None:
        """One pass, watched as in measuring."""
        with self.observers[name].watch(indices):
            self._forward(indices).loss.backward()

    def head_by_language(self, indices: Sequence[int]) -> None:
        """Ask autograd for each language's gradient of the last layer, then do the one pass."""
        losses = self._losses(indices)  # [batch]
        for language, mine in self._present(indices).items():
            weight, bias = torch.autograd.grad(
                losses[mine].sum(), (self._out.weight, self._out.bias), retain_graph=True
            )
            self._add(language, weight, bias)
        losses.mean().backward()

    def whole_by_language(self, indices: Sequence[int]) -> None:
        """One whole backward pass per language; their sum is the batch's gradient."""
        losses = self._losses(indices)
        whole: list[Tensor] = []
        for language, mine in self._present(indices).items():
            self._out.zero_grad()
            (losses[mine].sum() / len(indices)).backward(retain_graph=True)
            whole.append(self._take(language, len(indices)))
        self._give_back(whole)

    def language_alone(self, indices: Sequence[int]) -> None:
        """Forward and backward of each language's texts by themselves; their sum is the batch's gradient."""
        whole: list[Tensor] = []
        for language, mine in self._present(indices).items():
            self._out.zero_grad()
            own = [indices[i] for i in mine]
            (self._losses(own).sum() / len(indices)).backward()
            whole.append(self._take(language, len(indices)))
        self._give_back(whole)

    def _forward(self, indices: Sequence[int]) -> Any:  # noqa: ANN401 - the model's own output
        return self._trainee.forward(self._collate(indices, 0, 0))

    def _losses(self, indices: Sequence[int]) -> Tensor:
        labels = torch.tensor([self._rows[i].labels[0] for i in indices], device=self._trainee.device)
        return F.cross_entropy(self._forward(indices).logits.float(), labels, reduction="none")

    def _present(self, indices: Sequence[int]) -> dict[int, list[int]]:
        """Return the batch's languages, each with the places of its texts in the batch."""
        found: dict[int, list[int]] = {}
        for place, index in enumerate(indices):
            found.setdefault(self._rows[index].language, []).append(place)
        return found

    def _add(self, language: int, weight: Tensor, bias: Tensor) -> None:
        self.sums[language] += torch.cat([weight, bias[:, None]], dim=1)  # [out, in + 1]

    def _take(self, language: int, batch: int) -> Tensor:
        """Count the last layer's gradient to a language and return it; the other layers' go on adding up."""
        self._add(language, self._out.weight.grad * batch, self._out.bias.grad * batch)
        return torch.cat([self._out.weight.grad, self._out.bias.grad[:, None]], dim=1)

    def _give_back(self, parts: Sequence[Tensor]) -> None:
        total = torch.stack(parts).sum(0)
        self._out.weight.grad, self._out.bias.grad = total[:, :-1].contiguous(), total[:, -1].contiguous()

    def found(self, name: str, batch: Sequence[int]) -> Tensor:
        """Return the languages' gradients of the last layer, summed over the one batch so far, and forget them."""
        if name in TRACKED:
            means = next(iter(self.observers[name].half_means().values()))  # head.out, or head, where it comes last
            self.observers[name].end_epoch()
            self.observers[name].epochs.clear()
            counts = torch.zeros(means.shape[:2])
            for index in batch:
                counts[self._rows[index].half, self._rows[index].language] += 1
            last = means[..., -self.sums[0].numel() :].cpu() * counts[..., None]
            return last.sum(0).view(self.sums.shape).to(self.sums)
        summed = self.sums.clone()
        self.sums.zero_()
        return summed


def main() -> None:
    """Measure and report."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--encoder", metavar="DIR", help="a mini encoder; none: one is made, untrained")
    parser.add_argument(
        "--xlmr", metavar="LAYERSxWIDTH", help="train a random XLM-R of this size instead, on the mini's tokens"
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="AfriSenti; none: $GRADSIM_DATA/afrisenti")
    parser.add_argument(
        "--languages", type=_report.at_least(1), metavar="N", help="give texts random language numbers; none: their own"
    )
    parser.add_argument("--batch-size", type=_report.at_least(1), metavar="N", help="texts; none: the recipe's")
    parser.add_argument(
        "--projection", type=_report.at_least(1), default=4096, metavar="DIMS", help="of the folded ways  [4096]"
    )
    parser.add_argument("--steps", type=_report.at_least(1), default=20, help="steps of a block  [20]")
    parser.add_argument(
        "--slow-steps", type=_report.at_least(0), default=5, help="the same, of the two slowest ways; 0: without  [5]"
    )
    parser.add_argument("--repeats", type=_report.at_least(3), default=7, help="blocks of each way  [7]")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda  [cpu]")
    chosen = parser.parse_args()
    content = _report.start()
    keep_memory()  # as the training loop does
    dataset = _mini.load_data(chosen.data_dir)
    with tempfile.TemporaryDirectory() as folder:
        encoder = chosen.encoder or _mini.make_encoder(dataset, Path(folder))
        rows, pad_id = _mini.encode_rows(dataset, encoder)
        if chosen.xlmr:
            layers, width = map(int, chosen.xlmr.split("x"))
            encoder = _mini.make_xlmr(max(max(row.ids) for row in rows) + 1, layers, width, Path(folder) / "xlmr")
        trainee = _mini.new_trainee(encoder, dataset.labels, resolve_device(chosen.device))
    languages = chosen.languages or len(dataset.languages)
    if chosen.languages:
        draw = random.Random(0)
        rows = [replace(row, language=draw.randrange(languages)) for row in rows]
    passes = Passes(trainee, rows, pad_id, languages, chosen.projection)
    batches = _mini.batches(rows, chosen.steps * chosen.repeats + 1, chosen.batch_size)
    present = sum(len({rows[i].language for i in batch}) for batch in batches) / len(batches)
    print(f"{sum(p.numel() for p in trainee.model.parameters())} parameters, batches of {len(batches[0])}", end="; ")
    print(f"N = {languages}, {present:.1f} of them in a batch; {chosen.repeats} x {chosen.steps} steps of each way")
    differences = compare(passes, trainee, batches[0])
    seconds = measure(passes, trainee, batches, chosen.steps, chosen.slow_steps, chosen.repeats)
    content |= {"languages": languages, "present": present, "differences": differences, "seconds": seconds}
    content |= {"ratios": report(seconds, differences, languages), "end_of_epoch_seconds": close_epoch(passes)}
    content |= {"load_average_at_the_end": os.getloadavg()}
    print(f"load average at the end {os.getloadavg()[0]:.2f}")
    _report.finish(chosen.json, content)


def report(
    seconds: Mapping[str, Sequence[Sequence[float]]], differences: Mapping[str, float], languages: int
) -> dict[str, Any]:
    """Print the table, and return the ratios to plain: per block, the median over its steps."""
    found, rows = {}, []
    for name, blocks in seconds.items():
        ratios = [
            statistics.median(_report.ratios(block, base[: len(block)]))
            for base, block in zip(seconds["plain"], blocks, strict=True)
        ]
        found[name] = {**_report.spread(ratios), "all": ratios}
        milliseconds = [1000 * statistics.median(block) for block in blocks]
        difference = f"{differences[name]:.0e}" if name in differences else ""
        rows.append([name, _report.in_words(milliseconds, 2), _report.in_words(ratios), difference])
    _report.table(["way", "ms per step", "ratio to plain", "gradients differ by"], rows)
    limit = next((limit for most, limit in LIMITS.items() if languages <= most), max(LIMITS.values()))
    for name in TRACKED:
        median = found[name]["median"]
        verdict = "reached" if median <= limit else "MISSED"
        print(f"{name} costs {median:.3f} x plain; {limit:.2f} x is allowed at N = {languages}: {verdict}")
    return found


def close_epoch(passes: Passes) -> dict[str, float]:
    """Print and return what the end of an epoch adds, once: seconds, per tracked layers."""
    seconds = {}
    for name, observer in passes.observers.items():
        started = time.perf_counter()
        observer.end_epoch()
        seconds[name] = time.perf_counter() - started
    print("the end of an epoch adds, once: ", end="")
    print(", ".join(f"{name} {1000 * value:.1f} ms" for name, value in seconds.items()))
    return seconds


def compare(passes: Passes, trainee: _mini.Trainee, batch: Sequence[int]) -> dict[str, float]:
    """Return how far each way's gradients are from those of ``N x head.out``: norm of the difference by the norm."""
    trainee.model.eval()  # no dropout: a language alone would draw another one
    gradients = {}
    for name, way in passes.ways().items():
        if name not in ("plain", *UNCHECKED):
            way(batch)
            gradients[name] = passes.found(name, batch)
            trainee.forget()
    trainee.model.train()
    reference = gradients["N x head.out"]
    return {name: float((found - reference).norm() / reference.norm()) for name, found in gradients.items()}


def measure(
    passes: Passes,
    trainee: _mini.Trainee,
    batches: Sequence[Sequence[int]],
    steps: int,
    slow_steps: int,
    repeats: int,
) -> dict[str, list[list[float]]]:
    """Return the seconds of every step, per way and repeat; the first batch warms up."""
    ways = passes.ways(slow=slow_steps > 0)
    for way in ways.values():  # whatever is made at the first call
        _step(way, trainee, batches[0])
    saved = trainee.save()
    draw = random.Random(0)
    seconds: dict[str, list[list[float]]] = {name: [[] for _ in range(repeats)] for name in ways}
    for repeat in range(repeats):
        trainee.restore(saved, repeat)
        for number in range(steps):
            batch = batches[1 + repeat * steps + number]
            now = [name for name in ways if name not in SLOW or number < slow_steps]
            draw.shuffle(now)
            for name in now:
                seconds[name][repeat].append(_step(ways[name], trainee, batch))
    return seconds


def _step(way: Callable[[Sequence[int]], None], trainee: _mini.Trainee, batch: Sequence[int]) -> float:
    """Do one training step and return its seconds."""
    trainee.wait()
    clock = time.process_time if trainee.device.type == "cpu" else time.perf_counter
    started = clock()
    way(batch)
    trainee.clip()
    trainee.step()
    trainee.wait()
    return clock() - started


if __name__ == "__main__":
    _report.run(main)
