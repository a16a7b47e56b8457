"""Score a bundle on any data of its task, per language: here through its own router, or as a service over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.core.progress import Progress
from gradsim_offline.datasets.source import built_with
from gradsim_offline.experiments.evaluate.answers import Answerer, Answers, Target, put_together
from gradsim_offline.experiments.evaluate.answers_here import open_here, target_of
from gradsim_offline.experiments.evaluate.answers_over_http import USUAL_TEXTS, choose, look_at
from gradsim_offline.experiments.evaluate.fitting import check_fits
from gradsim_offline.experiments.evaluate.language_scores import averages, language_scores
from gradsim_offline.experiments.evaluate.reading import read_split
from gradsim_offline.training.task import load_task
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import SettingsError


def evaluate(
    bundle: Path | None,
    url: str | None,
    data: str,
    progress: Progress,
    *,
    data_dir: Path | None = None,
    languages: Sequence[str] | None = None,
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
        split: What is scored.
        batch: Texts that go together; ``None``: here all of a language, as in a build, over HTTP 64.

    Returns:
        What ``--json`` writes (docs/evaluating.md).

    Raises:
        GradsimError: Bundle, service or data cannot be read, or do not fit each other.
    """
    manifest = None if bundle is None else open_bundle(bundle).manifest
    options = built_with(manifest) if manifest else None
    with ExitStack() as opened:
        if url is not None:
            batch = batch or USUAL_TEXTS
            service = opened.enter_context(look_at(url, batch))
            dataset = read_split(data, data_dir, languages, split, options)
            answerer: Answerer = choose(service, dataset, split, manifest)
        elif bundle is not None and manifest is not None:
            dataset = read_split(data, data_dir, languages, split, options)
            check_fits(target_of(manifest), dataset, split)
            answerer = open_here(bundle, manifest)
        else:
            raise SettingsError("name what is to be scored: a --bundle, or the --url of a service")
        asked = f", asked at {url}" if url else ""
        progress.note(f"{answerer.target.title} on {split} of {dataset.name}{asked}", heading=True)
        for note in dataset.notes:
            progress.note(note)
        answers = _answers(answerer, dataset, split, batch, progress)
        return {"url": url, "data": dataset.name, "split": split, **_figures(answers, dataset, split, answerer.target)}


def _figures(answers: Mapping[str, Answers], dataset: Dataset, split: Split, target: Target) -> dict[str, Any]:
    """Return each language's figures, and the averages."""
    task = load_task(target.task)
    metric = task.metric(target.labels)
    found = {
        code: language_scores(dataset.split(code, split), mine, target, code, task) for code, mine in answers.items()
    }
    return {
        "bundle": target.title,
        "task": target.task,
        "metric": metric,
        "languages": found,
        "averages": averages(found, metric),
        "without_texts": [code for code in dataset.languages if code not in found],
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
    found: dict[str, list[Answers]] = {}
    with progress.bar("scoring", len(batches)) as advance:
        for code, examples in batches:
            served = answerer.target.serving(code)
            found.setdefault(code, []).append(answerer.answers(examples, None if served is None else served.code))
            advance(code)
    return {code: put_together(parts) for code, parts in found.items()}
