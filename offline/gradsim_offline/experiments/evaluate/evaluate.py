"""Score a bundle on any data of its task, per language: here through its own router, or as a service over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import SPLITS, Dataset, Split
from gradsim_offline.core.progress import Progress
from gradsim_offline.datasets.source import FILES, built_with, load_dataset, named
from gradsim_offline.datasets.sources import files
from gradsim_offline.experiments.evaluate.answers import Answerer, Answers, Target, check_fits, put_together
from gradsim_offline.experiments.evaluate.answers_here import open_here, target_of
from gradsim_offline.experiments.evaluate.answers_over_http import USUAL_TEXTS, choose, look_at
from gradsim_offline.experiments.evaluate.language_scores import averages, language_scores
from gradsim_offline.training.task import load_task
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import DataError, SettingsError
from gradsim_shared.excerpts import listing
from gradsim_shared.manifest import Manifest


def evaluate(
    bundle: Path | None,
    url: str | None,
    data: str,
    progress: Progress,
    *,
    data_dir: Path | None = None,
    languages: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    split: Split = "test",
    batch: int | None = None,
) -> dict[str, Any]:
    """Score a bundle's answers.

    Args:
        bundle: Its directory; ``None``: whichever bundle the service at ``url`` has for the data's task and labels.
        url: A running service that is asked; ``None``: the bundle is opened here.
        data: A data set's name, or a directory of your own files.
        progress: Shows how far it is.
        data_dir: Directory of the data set's files; ``None``: the data set's own rule.
        languages: Only these; ``None``: all.
        options: The data set's own settings, before those of the bundle's build, if it was built from this data set.
        split: What is scored.
        batch: Texts that go together; ``None``: here all of a language, as in a build, over HTTP 64.

    Returns:
        What ``--json`` writes (docs/evaluating.md).

    Raises:
        GradsimError: Bundle, service or data cannot be read, or do not fit each other.
    """
    manifest = None if bundle is None else open_bundle(bundle).manifest
    with ExitStack() as opened:
        if url is not None:
            batch = batch or USUAL_TEXTS
            service = opened.enter_context(look_at(url, batch))
            dataset = read_split(data, data_dir, languages, split, manifest, options)
            answerer: Answerer = choose(service, dataset, split, manifest)
        elif bundle is not None and manifest is not None:
            dataset = read_split(data, data_dir, languages, split, manifest, options)
            check_fits(target_of(manifest), dataset, split)
            answerer = open_here(bundle, manifest)
        else:
            raise SettingsError("name what is to be scored: a --bundle, or the --url of a service")
        asked = f", asked at {url}" if url else ""
        progress.note(f"{answerer.target.title} on {split} of {dataset.name}{asked}", heading=True)
        for note in dataset.notes:
            progress.note(note)
        if without := [code for code, count in dataset.counts(split).items() if not count]:
            progress.note(f"not scored, as there are no {split} texts: {listing(without)}")
        answers = _answers(answerer, dataset, split, batch, progress)
        return {"url": url, "data": dataset.name, "split": split, **_figures(answers, dataset, split, answerer.target)}


def _figures(answers: Mapping[str, Answers], dataset: Dataset, split: Split, target: Target) -> dict[str, Any]:
    """Return each language's figures, and the averages."""
    task = load_task(target.task)
    metric = task.metric(target.labels)
    scores = {
        code: language_scores(dataset.split(code, split), given, target, code, task) for code, given in answers.items()
    }
    return {
        "bundle": target.title,
        "task": target.task,
        "metric": metric,
        "languages": scores,
        "averages": averages(scores, metric),
        "without_texts": [code for code in dataset.languages if code not in scores],
    }


def _answers(
    answerer: Answerer, dataset: Dataset, split: Split, batch: int | None, progress: Progress
) -> dict[str, Answers]:
    """Return the answers to every language's texts; a language that is not served cannot be named."""
    batches = []
    for code in dataset.languages:
        examples = dataset.split(code, split)
        size = batch or max(len(examples), 1)
        batches += [(code, examples[start : start + size]) for start in range(0, len(examples), size)]
    parts: dict[str, list[Answers]] = {}
    with progress.bar("scoring", len(batches)) as advance:
        for code, examples in batches:
            served = answerer.target.serving(code)
            parts.setdefault(code, []).append(answerer.answers(examples, None if served is None else served.code))
            advance(code)
    return {code: put_together(of_language) for code, of_language in parts.items()}


def read_split(
    data: str,
    data_dir: Path | None,
    languages: Sequence[str] | None,
    split: Split,
    manifest: Manifest | None = None,
    options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Read a data set, of which one split is scored.

    Args:
        data: A data set's name, or a directory of your own files: short for ``files`` with that ``data_dir``.
        data_dir: Where its files are; ``None``: the data set's own rule.
        languages: Only these; ``None``: all.
        split: The one that is scored.
        manifest: Of the bundle; if it was built from this data set, its settings hold. ``None``: the defaults.
        options: Settings that go before those.

    Raises:
        DataError: It cannot be found, is not as it should be, or holds no example of the split.
        SettingsError: There is no data set of that name.
    """
    data, data_dir = named(data, data_dir)
    options = {**(built_with(manifest, data) if manifest else {}), **(options or {})}
    if plugins.check("datasets", data) == FILES:
        dataset = files.load_split(data_dir, languages, split, plugins.options("datasets", FILES, options))
    else:
        dataset = load_dataset(data, data_dir, languages, options)
    if not any(dataset.counts(split).values()):
        there = [f"{count} of {name}" for name in SPLITS if (count := sum(dataset.counts(name).values()))]
        raise DataError(f"{dataset.name} holds no {split} texts" + (f"; it holds {', '.join(there)}" if there else ""))
    return dataset
