"""A bundle's model card, README.md with the Hub's metadata, written from its manifest alone."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

import yaml

from gradsim_offline.core import plugins
from gradsim_offline.report.numbers import MISSING
from gradsim_shared.manifest import Language, Manifest

_PIPELINES = {
    "text_classification": "text-classification",
    "token_classification": "token-classification",
    "question_answering": "question-answering",
}
_COLUMNS = ("multilingual", "group", "service")


def model_card(manifest: Manifest) -> str:
    """Return the card: what the bundle answers, its scores against one model, data, groups, limits, how to use it."""
    return "\n".join([*_metadata(manifest), "", *_body(manifest), ""])


def _metadata(manifest: Manifest) -> Iterator[str]:
    content = {
        "language": [language.code for language in manifest.languages],
        "pipeline_tag": _PIPELINES.get(manifest.task),
        "library_name": "gradsim-router",
        "tags": ["gradsim", "onnx", "multilingual"],
        "metrics": [manifest.metric],
    }
    known = {key: value for key, value in content.items() if value}
    yield f"---\n{yaml.safe_dump(known, sort_keys=False, allow_unicode=True)}---"


def _body(manifest: Manifest) -> Iterator[str]:
    codes = ", ".join(f"{language.name} ({language.code})" for language in manifest.languages)
    yield f"# {manifest.title}\n"
    labels = "" if manifest.task == "question_answering" else f" with the labels {', '.join(manifest.labels)}"
    yield f"Answers {manifest.task.replace('_', ' ')}{labels} in {codes}."
    yield "An identifier finds a text's language, and the model of the group that serves it answers.\n"
    yield from manifest.verdict
    yield "\n## Scores\n"
    yield from _scores(manifest)
    yield "\n## How the languages are grouped\n"
    yield from _groups(manifest)
    yield "\n## Data and licences\n"
    yield from _data(manifest)
    yield "\n## Limits\n"
    yield from _limits(manifest)
    yield "\n## Use\n"
    yield "```console\n$ pip install 'gradsim-router[serving]'\n$ gradsim-serve DIRECTORY\n```\n"
    yield "`gradsim-offline pull NAME --out DIRECTORY` fetches this bundle; every file is checked against its SHA-256."


def _scores(manifest: Manifest) -> Iterator[str]:
    split = next((split for split in ("test", "dev") if any(split in each.scores for each in manifest.languages)), None)
    if split is None:
        yield "None were measured."
        return
    yield f"{manifest.metric} on {split}, in percent: one model of all languages, the model of the group (language"
    yield "known), the service (language identified).\n"
    yield "| language | texts | one model | group | service |\n|---|--:|--:|--:|--:|"
    scored = [language for language in manifest.languages if split in language.scores]
    for language in scored:
        row = [_percent(language, split, column, manifest.metric) for column in _COLUMNS]
        yield f"| {language.name} | {language.counts.get(split, 0)} | {' | '.join(row)} |"
    means = []
    for column in _COLUMNS:
        values = [getattr(each.scores[split], column).get(manifest.metric) for each in scored]
        means.append(MISSING if None in values else f"{100 * fmean(values):.2f}")
    yield f"| plain mean | | {' | '.join(means)} |"


def _percent(language: Language, split: str, column: str, metric: str) -> str:
    value = getattr(language.scores[split], column).get(metric)
    return MISSING if value is None else f"{100 * value:.2f}"


def _groups(manifest: Manifest) -> Iterator[str]:
    grouping, similarity = manifest.grouping, manifest.similarity
    proven = "proven optimal" if grouping.proven else f"at most {grouping.bound:.3f} is possible"
    yield f"Similarity: {similarity.measure}; solver: {grouping.solver}; score {grouping.score:.3f} ({proven})."
    if similarity.reliability and similarity.reliability.reliability is not None:
        yield f"Reliability of the similarities between halves of the data: {similarity.reliability.reliability:.2f}."
    if grouping.reason:
        yield grouping.reason
    yield ""
    for group in manifest.groups:
        served = [language.code for language in manifest.languages if language.group == group.id]
        helpers = [code for code in group.members if code not in served]
        also = f", learned from {' '.join(helpers)} as well" if helpers else ""
        yield f"- {group.id} serves {' '.join(served) or 'none'}{also}"


def _data(manifest: Manifest) -> Iterator[str]:
    data = str(manifest.provenance.settings.get("data", manifest.provenance.data)).replace("-", "_")
    known = data in plugins.names("datasets")
    stated = [plugins.constant("datasets", data, what) for what in ("LICENCE", "CITATION")] if known else []
    texts = {split: sum(each.counts.get(split, 0) for each in manifest.languages) for split in ("train", "dev", "test")}
    yield f"Trained on {manifest.provenance.data}: {'/'.join(map(str, texts.values()))} texts (train/dev/test)."
    yield f"Licence: {'; '.join(filter(None, stated)) or 'not stated; whoever publishes this bundle must say it'}.\n"
    yield f"Base model: {manifest.provenance.model}."
    yield from (f"Its {what}: {said}." for what, said in manifest.provenance.versions.items() if "weights" in what)


def _limits(manifest: Manifest) -> Iterator[str]:
    yield f"- A model reads {manifest.maximum_length} tokens; longer texts are {_long(manifest)}."
    yield "- A text in another language than those above is answered all the same, or refused: `identifier.policy`."
    weak = [each for each in manifest.languages if each.counts.get("train", 0) < 100]
    if weak:
        yield f"- Fewer than 100 training texts: {', '.join(each.name for each in weak)}."
    if added := [each for each in manifest.languages if each.assigned is not None]:
        yield f"- Added later, to a group that was not trained on it: {', '.join(each.name for each in added)}."
    yield "- Scores hold for texts like those of the data set; measure on your own with `gradsim-offline evaluate`."


def _long(manifest: Manifest) -> str:
    return "cut" if manifest.long_texts == "cut" else "read in windows"
