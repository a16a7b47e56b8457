"""How surely a bundle finds out that a text is of a language it was never shown, and how often it says so wrongly.

Known texts are the dev and test texts of the bundle's languages; unknown ones those of languages that it lacks, from UD
and MasakhaNER (words joined by spaces). Every language weighs alike. The named baselines: the script alone, and the
largest calibrated probability. A share of dev texts sets each threshold; what it costs and finds is told on test.

    python bench/unknown_languages.py --bundle runs/afrisenti/bundle
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import _report
import fasttext
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from gradsim_offline.datasets.source import load_source
from gradsim_offline.identifier.profiles import quantile, weighted
from gradsim_shared.bundle import open_bundle
from gradsim_shared.identification import Identification, open_identifier
from gradsim_shared.identifier_text import identifier_text
from gradsim_shared.manifest import Manifest
from gradsim_shared.scripts import scripts_of

GIVEN_UP = (0.01, 0.05)
SHORT = 40  # letters
MOST_TEXTS = 400  # of an unknown language
FOREIGN = ("masakhaner", "ud")
Texts = Mapping[str, Sequence[str]]
Scores = Mapping[str, NDArray[np.float64]]
SCORES: dict[str, Callable[[Identification], float]] = {
    "largest probability": lambda found: max(found.probabilities.values()),
    "language profiles": lambda found: found.known,
}


def main() -> None:
    """Measure and report."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--bundle", type=Path, metavar="DIR", required=True, help="as gradsim-offline build wrote it")
    chosen = parser.parse_args()
    content = _report.start()
    bundle = open_bundle(chosen.bundle)
    manifest = bundle.manifest
    identifier = open_identifier(
        manifest.identifier, lambda file: fasttext.load_model(str(bundle.path(file))), bundle.path
    )
    known = {split: _known(manifest, split) for split in ("dev", "test")}
    foreign = _foreign(manifest)
    by_script = {
        code: float(np.mean([not _readable(manifest, text) for text in mine])) for code, mine in foreign.items()
    }
    print("not of the bundle's scripts:", ", ".join(f"{code} {100 * share:.1f} %" for code, share in by_script.items()))
    same_script = {
        code: [t for t in foreign[code] if _readable(manifest, t)] for code in foreign if by_script[code] < 0.5
    }
    rows, found = [], {}
    for name, score in SCORES.items():
        for length in ("all", "short", "long"):
            dev = _scored(identifier.identify, known["dev"], score, "all")
            test = _scored(identifier.identify, known["test"], score, length)
            unknown = _scored(identifier.identify, same_script, score, length)
            one = found[f"{name}, {length}"] = _figures(dev, test, unknown)
            rows.append(
                [name, length, f"{one['auroc']:.4f}", *(f"{100 * one[key]:.1f}" for key in one if key != "auroc")]
            )
            if length == "all":
                least = quantile(*weighted(list(dev.values())), GIVEN_UP[0])
                for kind, scores in (("given up", test), ("found out", unknown)):
                    shares = ", ".join(
                        f"{code} {100 * float((mine < least).mean()):.1f}" for code, mine in scores.items()
                    )
                    print(f"{name}, 1 % of dev, {kind}, %: {shares}")
    _report.table(["score", "texts", "AUROC", *(key for key in one if key != "auroc")], rows)
    print(
        f"milliseconds per text, one by one: {_milliseconds(identifier.identify, known['test']):.4f}, "
        f"probabilities alone: {_milliseconds(identifier.probabilities, known['test']):.4f}"
    )
    _report.finish(chosen.json, {**content, "by_script": by_script, "scores": found})


def _figures(dev: Scores, test: Scores, unknown: Scores) -> dict[str, float]:
    """Return AUROC on test; per share of dev given up: shares of test given up and of unknown texts found out."""
    values, weights = weighted(list(test.values()))
    others, other_weights = weighted(list(unknown.values()))
    kinds = np.concatenate([np.ones(len(values)), np.zeros(len(others))])
    both = np.concatenate([values, others]), np.concatenate([weights, other_weights])
    figures = {"auroc": float(roc_auc_score(kinds, both[0], sample_weight=both[1]))}
    for share in GIVEN_UP:
        least = quantile(*weighted(list(dev.values())), share)
        figures[f"given up at {share:.0%} of dev"] = float(weights[values < least].sum())
        figures[f"found out at {share:.0%} of dev"] = float(other_weights[others < least].sum())
        same = quantile(values, weights, share)
        figures[f"found out at {share:.0%} of test"] = float(other_weights[others < same].sum())
    return figures


def _scored(
    identify: Callable[[Sequence[str]], list[Identification]],
    texts: Texts,
    score: Callable[[Identification], float],
    length: str,
) -> Scores:
    kept = {code: [text for text in mine if length in ("all", _length(text))] for code, mine in texts.items()}
    return {code: np.array([score(one) for one in identify(mine)]) for code, mine in kept.items() if mine}


def _length(text: str) -> str:
    return "short" if scripts_of(identifier_text(text)).total() <= SHORT else "long"


def _readable(manifest: Manifest, text: str) -> bool:
    return not {script for one in manifest.languages for script in one.scripts}.isdisjoint(
        scripts_of(identifier_text(text))
    )


def _known(manifest: Manifest, split: str) -> Texts:
    codes = [language.code for language in manifest.languages]
    dataset = load_source(manifest.provenance.data).load(None, codes)
    return {code: [example.text for example in dataset.split(code, split)] for code in codes}


def _foreign(manifest: Manifest) -> Texts:
    codes = {language.code for language in manifest.languages}
    found: dict[str, list[str]] = {}
    for name in FOREIGN:
        dataset = load_source(name).load(None, None)
        for code in sorted(set(dataset.languages) - codes - set(found)):
            found[code] = [example.text for example in dataset.split(code, "test")[:MOST_TEXTS]]
    return found


def _milliseconds(ask: Callable[[Sequence[str]], object], texts: Texts) -> float:
    """Return the median over 5 repeats."""
    some = [text for mine in texts.values() for text in mine[:100]]
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        for text in some:
            ask([text])
        seconds.append(time.perf_counter() - started)
    return 1000 * float(np.median(seconds)) / len(some)


if __name__ == "__main__":
    _report.run(main)
