"""How good and how fast a bundle's language identifier is: accuracy per language, milliseconds per text.

Asked as the service asks it, through ``gradsim_shared.identification``: text cleaned, fastText, calibrated. A text
counts as right if its language is the most probable one. Time is taken over test texts of all languages mixed; the
named baseline is fastText's own ``predict`` (best label only) on the same texts, cleaned beforehand, in one batch.

    python bench/identifier.py --bundle runs/afrisenti/bundle
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import _report
import fasttext

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.source import load_source
from gradsim_offline.identifier.training import accuracies
from gradsim_serving.bundles.loading import load_identifier
from gradsim_shared.bundle import VerifiedBundle, open_bundle
from gradsim_shared.identification import LanguageIdentifier
from gradsim_shared.identifier_text import identifier_text

SPLITS = ("dev", "test")
LIMIT_MILLISECONDS = 0.2  # per text, what issue 2 allows
BASELINE = "fastText alone"


def main() -> None:
    """Measure and report."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--bundle", type=Path, metavar="DIR", required=True, help="as gradsim-offline build wrote it")
    parser.add_argument("--data", metavar="NAME", help="data set; none: the one the bundle was built from")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="its files; none: the data set's own rule")
    parser.add_argument("--texts", type=_report.at_least(1), default=3000, help="texts to time  [3000]")
    parser.add_argument("--batch", type=_report.at_least(1), default=64, help="texts per batch  [64]")
    parser.add_argument("--repeats", type=_report.at_least(5), default=7, help="of each timing  [7]")
    chosen = parser.parse_args()
    content = _report.start()
    bundle = open_bundle(chosen.bundle)
    identifier = load_identifier(bundle)
    codes = [language.code for language in bundle.manifest.languages]
    name = chosen.data or bundle.manifest.provenance.data
    dataset = load_source(name).load(chosen.data_dir, codes)
    size = bundle.manifest.files[bundle.manifest.identifier.file].size
    print(f"bundle {bundle.manifest.title}: {len(codes)} languages, identifier of {size / 1e6:.2f} MB; data {name}")
    accuracy = show_accuracy(identifier, dataset)
    seconds = measure(bundle, identifier, _sample(dataset, chosen.texts), chosen.batch, chosen.repeats)
    times = {way: [1000 * value for value in values] for way, values in seconds.items()}
    rows = [
        [way, _report.in_words(values, 4), _report.in_words(_report.ratios(values, times[BASELINE]), 2)]
        for way, values in times.items()
    ]
    _report.table(["way", "milliseconds per text", f"ratio to {BASELINE}"], rows)
    slowest = max(_report.spread(values)["median"] for values in times.values())
    verdict = "reached" if slowest <= LIMIT_MILLISECONDS else "MISSED"
    print(f"at most {slowest:.4f} ms per text; {LIMIT_MILLISECONDS} ms are allowed: {verdict}")
    _report.finish(chosen.json, {**content, "accuracy": accuracy, "milliseconds_per_text": times, "bytes": size})


def show_accuracy(identifier: LanguageIdentifier, dataset: Dataset) -> dict[str, dict[str, float]]:
    """Print and return the accuracy per split and language, 0 to 1, with both averages."""
    by_split: dict[str, dict[str, float]] = {}
    for split in SPLITS:
        texts = {code: [example.text for example in dataset.split(code, split)] for code in dataset.languages}
        counts = {code: len(sample) for code, sample in texts.items() if sample}
        shares = accuracies(identifier, {code: texts[code] for code in counts})
        by_split[split] = {
            **shares,
            "plain mean": sum(shares.values()) / len(shares),
            "all texts": sum(counts[code] * shares[code] for code in shares) / sum(counts.values()),
        }
    rows = [
        [name, *(f"{100 * by_split[split][name]:.2f}" if name in by_split[split] else "-" for split in SPLITS)]
        for name in by_split["test"]
    ]
    _report.table(["accuracy, %", *SPLITS], rows)
    return by_split


def measure(
    bundle: VerifiedBundle, identifier: LanguageIdentifier, texts: Sequence[str], batch: int, repeats: int
) -> dict[str, list[float]]:
    """Return seconds per text of every repeat, per way of asking."""
    model = fasttext.load_model(str(bundle.path(bundle.manifest.identifier.file)))
    cleaned = [identifier_text(text) for text in texts]

    def in_batches() -> None:
        for start in range(0, len(texts), batch):
            identifier.probabilities(texts[start : start + batch])

    def one_by_one() -> None:
        for text in texts:
            identifier.probabilities([text])

    ways: dict[str, Callable[[], object]] = {
        BASELINE: lambda: model.predict(cleaned, k=1),
        f"batches of {batch}": in_batches,
        "one by one": one_by_one,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():  # warm up
        way()
    for _, name in _report.interleaved(list(ways), repeats):
        started = time.perf_counter()
        ways[name]()
        seconds[name].append((time.perf_counter() - started) / len(texts))
    return seconds


def _sample(dataset: Dataset, count: int) -> list[str]:
    everything = [example.text for code in dataset.languages for example in dataset.split(code, "test")]
    return random.Random(0).sample(everything, min(count, len(everything)))


if __name__ == "__main__":
    _report.run(main)
