"""What the single quotes around every Amharic test tweet of AfriSenti do: weighted F1 with them and without them.

    python bench/amharic_quotes.py --run runs/afrisenti

The run must be one whose joint model is the multilingual one, as with the recipe mini.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import _report
import torch

from gradsim_offline.bundle.scoring import golds
from gradsim_offline.bundle.write import open_predictor
from gradsim_offline.datasets.sources import afrisenti
from gradsim_offline.tasks.text_classification import PLUGIN as task
from gradsim_offline.training.trained import open_trained
from gradsim_shared.bundle import open_bundle

LANGUAGE = "amh"


def main() -> None:
    """Count the quotes, and score the group model and the multilingual model on both forms of the texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/afrisenti"), help="run directory of a build")
    parser.add_argument("--data-dir", type=Path, help="AfriSenti; none: $GRADSIM_DATA/afrisenti")
    chosen = parser.parse_args()
    dataset = afrisenti.load(chosen.data_dir, [LANGUAGE])
    for split in ("train", "dev", "test"):
        texts = [example.text for example in dataset.split(LANGUAGE, split)]
        print(f"{split}: {sum(text.startswith(chr(39)) for text in texts)} of {len(texts)} begin with a quote")

    bundle = open_bundle(chosen.run / "bundle")
    folders = {group.id: bundle.path(group.tokenizer).parent for group in bundle.manifest.groups}
    predictor = open_predictor(bundle.manifest, folders, chosen.run / "identify")
    joint, length = chosen.run / "measure", bundle.manifest.maximum_length
    model = open_trained(joint, dataset.labels, task=task, maximum_length=length, device=torch.device("cpu"))
    gold = [example.label for example in dataset.split(LANGUAGE, "test")]
    for title, strip in (("as they are", ""), ("without quotes", "'")):
        texts = [example.text.strip(strip) if strip else example.text for example in dataset.split(LANGUAGE, "test")]
        found = {
            "multilingual": model.answers(texts),
            "group": golds(predictor.answers(texts, predictor.routes(texts, LANGUAGE))),
        }
        shown = [
            f"{name} {100 * task.scores(gold, answers, dataset.labels)['weighted_f1']:.2f}"
            for name, answers in found.items()
        ]
        print(f"{title}: {', '.join(shown)}")


if __name__ == "__main__":
    _report.run(main)
