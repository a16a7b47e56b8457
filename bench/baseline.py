"""What a build must beat: a minute of scikit-learn on the same texts, one model of all languages and one for each.

TF-IDF of character 2- to 5-grams within words beside words and pairs of words, logistic regression, C chosen on dev.
With ``--bundle`` the scores of a finished build's service stand beside it: dev chooses, test reports. ``unseen`` leaves
out those test texts that also stand in the language's train split.

    python bench/baseline.py --data afrisenti
    python bench/baseline.py --data reviews/ --bundle runs/reviews/bundle
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import _report
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline, make_union
from threadpoolctl import threadpool_limits

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.source import load_dataset
from gradsim_shared.bundle import read_manifest

TITLES = {"joint": "one joint model", "apart": "one model per language"}
STRENGTHS = (1, 4, 16, 64)
Scores = dict[str, dict[str, float]]  # language -> dev, test, unseen -> weighted F1, 0 to 100


def new_features() -> Any:  # noqa: ANN401 - scikit-learn is not typed
    """Return the features, without a vocabulary."""
    return make_union(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True),
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
    )


def trained(dataset: Dataset, languages: Sequence[str]) -> Any:  # noqa: ANN401
    """Return the model of these languages' train splits whose C answers their dev splits best."""
    train, dev = ([e for code in languages for e in dataset.split(code, split)] for split in ("train", "dev"))
    features = new_features().fit([example.text for example in train])
    vectors, held = (features.transform([example.text for example in each]) for each in (train, dev))
    models = [
        LogisticRegression(C=c, max_iter=1000).fit(vectors, [example.label for example in train]) for c in STRENGTHS
    ]
    return make_pipeline(features, max(models, key=lambda model: f1(dev, model.predict(held))))


def f1(examples: Sequence[Any], predicted: Sequence[str]) -> float:
    """Return weighted F1, 0 to 100."""
    return 100 * float(f1_score([example.label for example in examples], predicted, average="weighted"))


def score(model: Any, dataset: Dataset, language: str) -> dict[str, float]:  # noqa: ANN401
    """Return a model's weighted F1 on a language's dev and test, and on the test texts that are not in train."""
    known = {example.text for example in dataset.split(language, "train")}
    test = dataset.split(language, "test")
    chosen = {
        "dev": dataset.split(language, "dev"),
        "test": test,
        "unseen": [example for example in test if example.text not in known],
    }
    return {name: f1(some, model.predict([example.text for example in some])) for name, some in chosen.items()}


def score_all(dataset: Dataset, way: str) -> Scores:
    """Train one way and score every language."""
    with threadpool_limits(1):
        if way == "joint":
            model = trained(dataset, dataset.languages)
            return {code: score(model, dataset, code) for code in dataset.languages}
        return {code: score(trained(dataset, [code]), dataset, code) for code in dataset.languages}


def of_bundle(path: Path, column: str = "service") -> Scores:
    """Return the scores that a bundle's manifest holds: of its service, or (``group``) language known."""
    manifest = read_manifest(path)
    return {
        language.code: {
            split: 100 * getattr(language.scores[split], column)["weighted_f1"] for split in ("dev", "test")
        }
        for language in manifest.languages
    }


def means(scores: Scores, counts: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Return the plain mean over languages and the one weighted by test size, per column."""
    weights = [counts[code] for code in scores]
    columns = next(iter(scores.values()))
    by_column = {column: [each[column] for each in scores.values()] for column in columns}
    return {
        column: {"plain": float(np.mean(values)), "weighted": float(np.average(values, weights=weights))}
        for column, values in by_column.items()
    }


def main() -> None:
    """Train, score and report."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--data", default="afrisenti", metavar="NAME|DIR", help="texts with labels and dev texts")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where its files lie; none: the data set's rule")
    parser.add_argument("--languages", metavar="CODES", help="only these, as in hau,ibo; none: all")
    parser.add_argument("--only", choices=list(TITLES), help="only one of the two ways; none: both")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="a bundle that was built from the same data")
    chosen = parser.parse_args()
    content = _report.start()
    languages = chosen.languages.split(",") if chosen.languages else None
    dataset = load_dataset(chosen.data, chosen.data_dir, languages)
    counts = dataset.counts("test")
    results: dict[str, Scores] = {}
    for way in [chosen.only] if chosen.only else list(TITLES):
        started = time.perf_counter()
        results[TITLES[way]] = score_all(dataset, way)
        content[way] = {"scores": results[TITLES[way]], "seconds": time.perf_counter() - started}
    if chosen.bundle:
        results["the bundle's service"] = of_bundle(chosen.bundle)
    for title, scores in results.items():
        averages = means(scores, counts)
        print(f"\n{title}, weighted F1:")
        rows = [[code, counts[code], *(f"{value:.2f}" for value in scores[code].values())] for code in scores]
        rows += [
            [f"{kind} mean", "", *(f"{averages[column][kind]:.2f}" for column in averages)]
            for kind in ("plain", "weighted")
        ]
        _report.table(["language", "test texts", *averages], rows)
        content[title] = averages
    _report.finish(chosen.json, content)


if __name__ == "__main__":
    _report.run(main)
