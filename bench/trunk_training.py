"""An epoch over a frozen trunk, whose outputs are kept, beside full fine-tuning by the Hugging Face Trainer in fp32.

python bench/trunk_training.py --encoder DIR --texts 4000

All train on the same AfriSenti texts, drawn at random from all languages, 32 a step. The Trainer has the encoder as it
came, and with its vocabulary cut to the pieces of all training texts; what stands on a trunk has the latter. An epoch
of upper blocks is the product's training loop, without judging on dev; linear heads are trained once, with the choice
of C. Reading the texts, once for all trainings, is timed for itself. In turns, one process; ratios are of neighbours.
It takes the package accelerate.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import _report
import torch
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    logging,
)

from gradsim_offline.core.arithmetic import choose_arithmetic, set_precision
from gradsim_offline.core.dataset import AnyExample, Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.training_settings import NGrams, Training
from gradsim_offline.datasets.source import load_source
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.models.top import save_top
from gradsim_offline.models.trimming import trim
from gradsim_offline.models.trunk import export_trunk
from gradsim_offline.tasks.text_classification import PLUGIN as TASK
from gradsim_offline.training.batching import plan
from gradsim_offline.training.context import TrainingContext
from gradsim_offline.training.linear import train_linear
from gradsim_offline.training.linear_start import LinearStart, Trunk
from gradsim_offline.training.loop import train
from gradsim_offline.training.trunk_batches import on_trunk
from gradsim_offline.training.trunk_outputs import TrunkOutputs
from gradsim_offline.training.trunk_texts import open_outputs
from gradsim_shared.errors import SettingsError
from gradsim_shared.normalisation import normalise

LENGTH, BATCH, COMPARED = 128, 32, 50
WHOLE, TRIMMED = "Trainer, fp32, encoder as it came", "Trainer, fp32, vocabulary trimmed"
HEADS, READ_POOLED = "linear heads and n-grams", "reading the texts for heads, once"
Run = Callable[[], object]


def main() -> None:
    """Export, train in turns, and print."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--encoder", type=Path, required=True, help="a directory, as of e5-small")
    parser.add_argument("--texts", type=_report.at_least(64), default=4000, help="training texts  [4000]")
    parser.add_argument("--blocks", type=_report.at_least(1), default=2, help="upper ones that are trained  [2]")
    parser.add_argument("--repeats", type=_report.at_least(1), default=3)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="AfriSenti; none: $GRADSIM_DATA/afrisenti")
    chosen = parser.parse_args()
    content = _report.start()
    logging.set_verbosity_error()
    try:
        import accelerate  # noqa: F401 - the Trainer wants it
    except ImportError as error:
        raise SettingsError("the Hugging Face Trainer takes another package: pip install accelerate") from error
    with tempfile.TemporaryDirectory() as folder:
        runs = prepare(chosen, Path(folder))
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for _, name in _report.interleaved([*runs], chosen.repeats):
            spent[name].append(timed(runs[name]))
            print(f"{name}: {spent[name][-1][0]:.1f} s", flush=True)
    show(spent)
    _report.finish(chosen.json, {**content, "seconds and seconds of the CPU": spent})


def timed(run: Run) -> tuple[float, float]:
    """Return the seconds of a run, and those of the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def show(spent: dict[str, list[tuple[float, float]]]) -> None:
    """Print what each took, and how many times as long the Trainer took."""
    rows = []
    for name, of in spent.items():
        seconds, cpu = ([each[i] for each in of] for i in (0, 1))
        row = [name, _report.in_words(seconds, 1), _report.in_words(cpu, 1)]
        row += [
            _report.in_words(_report.ratios([each[i] for each in spent[baseline]], took), 1)
            for i, took in enumerate((seconds, cpu))
            for baseline in (WHOLE, TRIMMED)
        ]
        rows.append(row)
    head = ["an epoch: median (smallest to largest)", "seconds", "of the CPU"]
    ratios = [f"{name} / it{by}" for by in ("", ", CPU") for name in ("Trainer", "trimmed")]
    _report.table([*head, *ratios], rows)


def prepare(chosen: argparse.Namespace, folder: Path) -> dict[str, Run]:
    """Return what is timed, by name."""
    whole = load_source("afrisenti").load(chosen.data_dir)
    trimmed = folder / "trimmed"
    trimmed.mkdir()
    trim(chosen.encoder, (e.text for code in whole.languages for e in whole.split(code, "train")), trimmed)
    dataset = sample(whole, chosen.texts)
    on_blocks, read_hidden = blocks_over_trunk(dataset, trimmed, folder / "top", chosen.blocks)
    heads, read_pooled = heads_over_trunk(dataset, trimmed, folder / "heads")
    arithmetic = choose_arithmetic("auto", torch.device("cpu"))
    print(f"{chosen.texts} texts, {torch.get_num_threads()} threads; {arithmetic.precision}: {arithmetic.reason}")
    runs = {
        WHOLE: trainer(dataset, chosen.encoder, folder / "whole"),
        TRIMMED: trainer(dataset, trimmed, folder / "trainer"),
        f"{chosen.blocks} blocks over a trunk, fp32": lambda: on_blocks("fp32"),
    }
    if arithmetic.precision == "bf16":
        runs[f"{chosen.blocks} blocks over a trunk, bf16"] = lambda: on_blocks("bf16")
    return {**runs, HEADS: heads, "reading the texts for blocks, once": read_hidden, READ_POOLED: read_pooled}


def sample(dataset: Dataset, count: int) -> Dataset:
    """Return a data set of some training texts."""
    every = [(code, example) for code in dataset.languages for example in dataset.split(code, "train")]
    drawn: dict[str, list[AnyExample]] = {}
    for code, example in random.Random(0).sample(every, min(count, len(every))):
        drawn.setdefault(code, []).append(example)
    return replace(dataset, examples={code: {"train": examples} for code, examples in drawn.items()})


def trainer(dataset: Dataset, encoder: Path, folder: Path) -> Run:
    """Return a run of the Trainer over one epoch."""
    model = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=len(dataset.labels))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(encoder)
    examples: list[Any] = [e for code in dataset.languages for e in dataset.split(code, "train")]
    encoded = tokenizer([normalise(e.text) for e in examples], truncation=True, max_length=LENGTH)["input_ids"]
    rows = [
        {"input_ids": ids, "label": dataset.labels.index(example.label)}
        for ids, example in zip(encoded, examples, strict=True)
    ]
    given = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    collate = DataCollatorWithPadding(tokenizer)
    return lambda: Trainer(model, given, train_dataset=rows, data_collator=collate).train()


@dataclass(frozen=True)
class Blocks:
    """Trains upper blocks for one epoch, over hidden states that are kept."""

    dataset: Dataset
    top: Path
    outputs: TrunkOutputs
    rows: list[Any]

    def __call__(self, precision: Any) -> None:  # noqa: ANN401 - fp32 or bf16
        """Train."""
        model = TASK.load_model(str(self.top), self.dataset.labels, new_head=True)
        set_precision(model, precision)
        settings, lengths = Training(epochs=1, batch_size=BATCH), [len(row.ids) for row in self.rows]
        with tempfile.TemporaryDirectory() as checkpoints:
            train(
                model,
                lambda epoch: plan(lengths, BATCH, seed=0, epoch=epoch),
                on_trunk(TASK.collate(self.rows, 0), self.rows, self.outputs),
                **settings.model_dump(include={"epochs", "learning_rate", "warmup", "weight_decay", "clip"}),
                seed=0,
                device=torch.device("cpu"),
                evaluate=None,
                checkpoints=Path(checkpoints),
                advance=lambda _: None,
                log=lambda **_: None,
            )


def export(dataset: Dataset, encoder: Path, folder: Path, blocks: int) -> tuple[Trunk, list[Any], Run]:
    """Export a trunk; return it with its outputs kept, the rows that it read, and a run that reads them anew."""
    folder.mkdir()
    texts = [normalise(e.text) for code in dataset.languages for e in dataset.split(code, "train")]
    (folder / "trunk").mkdir()
    export_trunk(encoder, folder / "trunk", trained_blocks=blocks, texts=texts[:COMPARED], maximum_length=LENGTH)
    trunk = Trunk((folder / "trunk").resolve(), (folder / "outputs").resolve())
    reader = TASK.decoder.Reader(load_tokenizer(trunk.directory, maximum_length=LENGTH)[0], LENGTH)
    rows = [
        row
        for number, code in enumerate(dataset.languages)
        for row in TASK.encode(reader, dataset.split(code, "train"), dataset.labels, language=number, seed=0)
    ]
    ids = [row.ids for row in rows]
    open_outputs(trunk.directory, trunk.outputs).of(ids)

    def read() -> None:
        with tempfile.TemporaryDirectory() as anew:
            TrunkOutputs(trunk.directory, Path(anew)).of(ids)

    return trunk, rows, read


def blocks_over_trunk(dataset: Dataset, encoder: Path, folder: Path, blocks: int) -> tuple[Blocks, Run]:
    """Return a training of upper blocks, and a run that reads the texts anew."""
    trunk, rows, read = export(dataset, encoder, folder, blocks)
    save_top(encoder, folder / "top", trained_blocks=blocks)
    return Blocks(dataset, folder / "top", open_outputs(trunk.directory, trunk.outputs), rows), read


def heads_over_trunk(dataset: Dataset, encoder: Path, folder: Path) -> tuple[Run, Run]:
    """Return a training of a linear head of all languages with its n-grams, and a run that reads the texts anew."""
    trunk, _, read = export(dataset, encoder, folder, 0)
    (folder / "start").mkdir()
    LinearStart(NGrams(), trunk).save(folder / "start")
    context = TrainingContext(
        task=TASK,
        encoder=str(folder / "start"),
        maximum_length=LENGTH,
        seed=0,
        device=torch.device("cpu"),
        progress=Progress(quiet=True),
        log=lambda **_: None,
    )

    def run() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as trained:
            everything = dataset.languages
            train_linear(dataset, everything, everything, Path(trained), context=context, settings=Training())

    return run, read


if __name__ == "__main__":
    _report.run(main)
