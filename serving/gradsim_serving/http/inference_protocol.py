"""The Open Inference Protocol v2 (KServe, Triton, MLServer) over HTTP: health, metadata, and inference on texts.

Tensors of texts and answers are of datatype BYTES, in JSON or, as Triton's clients send them, behind it in binary form.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from gradsim_serving.bundles.lifecycle import Lifecycle
from gradsim_serving.engine.job import TextResult
from gradsim_serving.http.binary_tensors import binary_of, fill
from gradsim_serving.http.bodies import inflated, parsed
from gradsim_serving.http.openapi import ANSWERED, PROTOCOL_HEALTH, responses
from gradsim_serving.http.record import Record
from gradsim_serving.http.results import plain, plain_route, route_header
from gradsim_serving.http.texts import JsonRoute, Texting, json_route, written
from gradsim_shared.columns import QUESTION_COLUMNS
from gradsim_shared.decode import question_answering, text_classification
from gradsim_shared.decoding import decoder_of, holds_of
from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Manifest, Policy
from gradsim_shared.messages import Message

PREFIX = "/v2"
_LENGTH = b"inference-header-content-length"


class ProtocolError(Message):
    """The form of errors."""

    error: str


def error_form(_status: int, _code: str, message: str, _index: int | None) -> Mapping[str, Any]:
    """Return the body of an error."""
    return {"error": message}


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TensorParameters(_Form):
    """Of an input or an output."""

    binary_data_size: int | None = Field(default=None, ge=0, description="of an input: bytes of it behind the JSON")
    binary_data: bool = Field(default=False, description="of an output: it comes behind the JSON")


class Input(_Form):
    """The texts."""

    name: Literal["text"]
    shape: list[int] = Field(min_length=1, max_length=2, description="[texts], or [texts, 1]")
    datatype: Literal["BYTES"]
    data: list[Any] = Field(description="strings")
    parameters: TensorParameters = TensorParameters()


class Output(_Form):
    """An output that is wanted."""

    name: str
    parameters: TensorParameters = TensorParameters()


class RequestParameters(_Form):
    """Of a request."""

    language: str | None = Field(default=None, description="of all texts; null: identify it")
    policy: Policy | None = Field(default=None, description="what to do with a text whose language is not sure")
    binary_data_output: bool = Field(default=False, description="outputs come behind the JSON, in binary form")


class Inference(_Form):
    """A request."""

    id: str | None = None
    inputs: list[Input] = Field(min_length=1, max_length=1)
    outputs: list[Output] | None = Field(default=None, fail_fast=True, description="null: all of them")
    parameters: RequestParameters = RequestParameters()


class PairInput(Input):
    """The first or the second texts of pairs, questions or contexts."""

    name: Literal["text", "text_pair", "question", "context"]  # type: ignore[assignment]


class PairInference(Inference):
    """A request for pairs, or questions."""

    inputs: list[PairInput] = Field(min_length=2, max_length=2)  # type: ignore[assignment]


class Tensor(Message):
    """A tensor."""

    name: str
    datatype: Literal["BYTES", "FP32", "INT64"]
    shape: tuple[int, ...] = (-1,)


class FilledTensor(Tensor):
    """A tensor of an answer."""

    data: tuple[str | int | float, ...] = Field(default=(), description="missing: it is behind the JSON")


class Inferred(Message):
    """An answer."""

    model_name: str
    model_version: str
    outputs: tuple[FilledTensor, ...]


class ModelMetadata(Message):
    """What an endpoint takes and gives."""

    name: str
    versions: tuple[str, ...]
    platform: str = "gradsim_onnx"
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class ServerMetadata(Message):
    """What the server is."""

    name: Literal["gradsim"] = "gradsim"
    version: str = "1"
    extensions: tuple[str, ...] = ("binary_tensor_data",)


class InferenceRoute(JsonRoute):
    """A route whose body may have tensors in binary form behind its JSON; no content type says so."""

    def content(self, record: Record) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON, with the texts of binary tensors put in."""
        body = inflated(record, self.limit)
        length = record.headers.get(_LENGTH, b"%d" % len(body))
        if not length.isdigit() or len(length) >= 20 or int(length) > len(body):
            raise RequestError("Inference-Header-Content-Length is not the length of the JSON", code="invalid_header")
        content = parsed(body[: int(length)])
        fill(content, body[int(length) :])
        return content


def add_protocol(router: APIRouter, texting: Texting, lifecycle: Lifecycle) -> None:
    """Add the routes of the protocol."""
    keyed = bool(texting.options.keys)

    async def live() -> Response:
        """Whether the process answers."""
        return Response()

    async def ready() -> Response:
        """Whether every group answers."""
        lifecycle.require_ready()
        return Response()

    async def server() -> ServerMetadata:
        """What the server is."""
        return ServerMetadata()

    def add(path: str, run: Callable[..., Any], *statuses: int, keyed: bool = keyed, **settings: Any) -> None:  # noqa: ANN401
        settings |= {
            "summary": (run.__doc__ or "").removesuffix("."),
            "description": "",
            "name": path.strip("/").replace("/", "_"),
        }
        router.add_api_route(path, run, responses=responses(keyed, *statuses, form=ProtocolError), **settings)

    live_path, ready_path = PROTOCOL_HEALTH
    add(live_path, live, keyed=False, response_class=Response)
    add(ready_path, ready, 503, keyed=False, response_class=Response)
    add(PREFIX, server)
    for endpoint, manifest in lifecycle.manifests.items():
        path = f"{PREFIX}/models{endpoint}"
        add(path, _metadata(lifecycle, endpoint))
        add(f"{path}/ready", ready, 503, response_class=Response)
        add(
            f"{path}/infer",
            _inference(texting, endpoint, manifest),
            *ANSWERED,
            methods=["POST"],
            response_model=Inferred,
            route_class_override=json_route(texting.options, InferenceRoute),
        )


def protocol_paths(manifests: Mapping[str, Manifest]) -> list[str]:
    """Return the paths of these routes."""
    of_models = [f"{PREFIX}/models{endpoint}{end}" for endpoint in manifests for end in ("", "/ready", "/infer")]
    return [PREFIX, *PROTOCOL_HEALTH, *of_models]


def _metadata(lifecycle: Lifecycle, endpoint: str) -> Callable[[], Awaitable[ModelMetadata]]:
    async def metadata() -> ModelMetadata:
        """What an endpoint takes and gives."""
        manifest = lifecycle.manifests[endpoint]
        return ModelMetadata(
            name=endpoint.removeprefix("/"),
            versions=(manifest.version,),
            inputs=tuple(Tensor(name=name, datatype="BYTES") for name in inputs_of(manifest)),
            outputs=tuple(Tensor(name=name, datatype=kind) for name, kind in outputs_of(manifest).items()),
        )

    return metadata


def inputs_of(manifest: Manifest) -> tuple[str, ...]:
    """Return the names of an endpoint's inputs."""
    names = {"texts": ("text",), "pairs": ("text", "text_pair"), "questions": QUESTION_COLUMNS}
    return names[holds_of(manifest.task)]


def outputs_of(manifest: Manifest) -> dict[str, Literal["BYTES", "FP32", "INT64"]]:
    """Return the outputs of an endpoint and their datatypes; those that are objects are JSON."""
    kind = decoder_of(manifest.task).prediction_type(manifest.labels)
    if kind is text_classification.Prediction:
        return {"label": "BYTES", "score": "FP32", "route": "BYTES"}
    if kind is question_answering.Prediction:
        places: dict[str, Literal["BYTES", "FP32", "INT64"]] = {"start": "INT64", "end": "INT64", "score": "FP32"}
        return {"answer": "BYTES", **places, "answers": "BYTES", "route": "BYTES"}
    return {**dict.fromkeys(kind.__dataclass_fields__, "BYTES"), "route": "BYTES"}


def _inference(texting: Texting, endpoint: str, manifest: Manifest) -> Callable[..., Awaitable[Response]]:
    """Return the function that answers one endpoint."""
    kinds, names = outputs_of(manifest), inputs_of(manifest)
    holds = holds_of(manifest.task)

    async def infer(body: Inference, request: Request) -> Response:
        """Answer texts as tensors."""
        texts = _texts(body.inputs, names)
        if holds == "questions":
            texts = [dict(zip(names, both, strict=True)) for both in texts]
        wanted = _wanted(body, kinds)
        asked = texting.asked(holds, texts, body.parameters.language, body.parameters.policy)
        results, _ = await texting.answer(request, endpoint, asked)
        head = {"model_name": endpoint.removeprefix("/"), "model_version": results[0].bundle.rpartition("@")[2]}
        head |= {"id": body.id} if body.id else {}
        headers = route_header([result.route for result in results])
        content = await written(asked, _json, head, results, wanted, kinds, headers)
        kind = "application/octet-stream" if _LENGTH.decode() in headers else "application/json"
        return Response(content, media_type=kind, headers=headers)

    if len(names) == 2:
        infer.__annotations__["body"] = PairInference
    return infer


def _texts(inputs: Sequence[Input], names: Sequence[str]) -> list[Any]:
    """Return the texts of the inputs: of two, pairs.

    Raises:
        RequestError: An input is missing, or they are not of one length, or as of ``_flat``.
    """
    tensors = {str(tensor.name): _flat(tensor) for tensor in inputs}
    if missing := [name for name in names if name not in tensors]:
        raise RequestError(f"there is no input {missing[0]}; needed: {', '.join(names)}", code="invalid_request")
    columns = [tensors[name] for name in names]
    if len({*map(len, columns)}) > 1:
        sizes = " and ".join(f"{name} {len(column)}" for name, column in zip(names, columns, strict=True))
        raise RequestError(f"the inputs hold {sizes} texts; a pair needs one of each", code="invalid_request")
    return columns[0] if len(names) == 1 else [list(pair) for pair in zip(*columns, strict=True)]


def _flat(tensor: Input) -> list[Any]:
    """Return the texts of a tensor of one dimension, or of two of which the second is 1.

    Raises:
        RequestError: The shape is another, or not that of the data.
    """
    data = [one for row in tensor.data for one in (row if isinstance(row, list) else [row])]
    if tensor.shape[1:] not in ([], [1]) or tensor.shape[0] != len(data):
        message = f"the input's shape is {tensor.shape}, its data holds {len(data)}; it must be [texts], or [texts, 1]"
        raise RequestError(message, code="invalid_request")
    return data


def _wanted(body: Inference, kinds: Mapping[str, str]) -> dict[str, bool]:
    """Return the outputs that are wanted, and whether in binary form.

    Raises:
        RequestError: There is none of that name.
    """
    if body.outputs is None:
        return dict.fromkeys(kinds, body.parameters.binary_data_output)
    for output in body.outputs:
        if output.name not in kinds:
            message = f"there is no output {output.name[:40]!a}; this endpoint has {', '.join(kinds)}"
            raise RequestError(message, code="invalid_request")
    return {output.name: output.parameters.binary_data for output in body.outputs}


def _json(
    head: Mapping[str, Any],
    results: Sequence[TextResult],
    wanted: Mapping[str, bool],
    kinds: Mapping[str, str],
    headers: dict[str, str],
) -> bytes:
    """Return the body of an answer; ``headers`` gets the length of its JSON where binary tensors follow."""
    outputs, behind = [], b""
    for name, in_binary in wanted.items():
        values = [_value(result, name) for result in results]
        tensor: dict[str, Any] = {"name": name, "datatype": kinds[name], "shape": [len(values)]}
        if in_binary:
            binary = binary_of(values, kinds[name])
            tensor["parameters"] = {"binary_data_size": len(binary)}
            behind += binary
        else:
            tensor["data"] = values
        outputs.append(tensor)
    content = to_json({**head, "outputs": outputs})
    if any(wanted.values()):
        headers[_LENGTH.decode()] = str(len(content))
    return content + behind


def _value(result: TextResult, name: str) -> str | int | float:
    """Return an output's value for one text: plain, or an object as JSON."""
    if name == "route":
        return to_json(plain_route(result.route)).decode()
    value = getattr(result.prediction, name)
    return value if isinstance(value, str | int | float) else to_json(plain(value)).decode()
