"""The OpenAPI document: FastAPI makes it from routes that nobody calls; `Front` answers in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Response

from gradsim_serving.http.answer_forms import answer_form
from gradsim_serving.http.document_parts import complete, open_to_all, responses
from gradsim_serving.http.forms import Groups, Index, Languages, Reloaded, State
from gradsim_serving.http.options import HttpOptions
from gradsim_serving.http.questions import Texts, texts_form
from gradsim_shared.decoding import decoder_of
from gradsim_shared.manifest import Manifest

_BODY = (400, 408, 413)
"""Of whatever reads a body."""


def openapi(manifests: Mapping[str, Manifest], options: HttpOptions) -> dict[str, Any]:
    """Return the document of a service with these bundles, by endpoint, and these limits."""
    app = FastAPI(
        title="GradSim",
        description="Identifies the language of a text and answers from the model of the group that serves it. "
        "Every GET endpoint answers HEAD too, and every endpoint OPTIONS.",
        version="1",
        servers=[{"url": options.root_path}] if options.root_path else None,
    )
    question = texts_form(options)
    for endpoint, manifest in manifests.items():
        _add_answers(app, endpoint, manifest, question, options)
    _add_information(app, options)
    return complete(app.openapi(), manifests, options)


def _add_answers(app: FastAPI, endpoint: str, manifest: Manifest, question: type[Texts], options: HttpOptions) -> None:
    name = endpoint.removeprefix("/")

    async def answer(body: Any) -> None:  # noqa: ANN401 - its type is known only when the service runs
        raise NotImplementedError  # never called: the routes are only described, front.py answers

    answer.__annotations__["body"] = question
    app.post(
        endpoint,
        name=name,
        summary=f"Answer texts: {name}",
        response_model=answer_form(name, decoder_of(manifest.task).prediction_type(manifest.labels)),
        response_description="One prediction for each text, in the order of the request.",
        responses=responses(bool(options.keys), *_BODY, 415, 422, 429, 503, 504),
        description=f"A prediction with its route for each text. Labels: {', '.join(manifest.labels)}.",
    )(answer)


def _add_information(app: FastAPI, options: HttpOptions) -> None:
    def add(path: str, summary: str, form: Any, *statuses: int, method: str = "GET") -> None:  # noqa: ANN401
        async def show() -> None:
            raise NotImplementedError  # never called, as above

        name = path.strip("/").replace("/", "_") or "index"
        found = responses(path.startswith("/admin/") or (bool(options.keys) and path not in open_paths), *statuses)
        if form is None:
            found[200]["content"] = {"text/plain": {"schema": {"type": "string"}}}
        app.api_route(
            path,
            methods=[method],
            name=name,
            summary=summary,
            response_class=Response,
            response_model=form,
            response_description=(form.__doc__ if form else "Prometheus' text form.").partition("\n")[0],
            responses=found,
        )(show)

    open_paths = open_to_all(options)
    add("/", "What there is", Index)
    add("/languages", "Languages that are served", Languages)
    add("/groups", "Groups and who is in them", Groups)
    add("/livez", "Whether the process answers", State)
    add("/readyz", "Whether every group answers", State, 503)
    add("/metrics", "Figures for Prometheus", None)
    add("/admin/reload", "Read the bundles again and swap to them", Reloaded, 403, 408, 409, 413, method="POST")
