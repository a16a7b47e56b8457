"""Every setting of the service, with its default."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gradsim_runtime.sessions import Optimisation, Provider
from gradsim_serving.http.keys import Keys


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Limits, keys and origins of HTTP requests.

    Attributes:
        max_body_bytes: Larger request bodies are refused with 413, before anything reads them.
        max_texts: Texts in one request.
        max_characters: Unicode code points in one text.
        cut_texts: Longer texts are cut there, and their answers say ``truncated``; otherwise they are refused.
        timeout_seconds: How long an answer may take, from the end of the request's headers; then it is a 504.
            A client may ask for less with ``X-Request-Timeout-Ms``, never for more.
        body_seconds: How long a request's body may take to arrive; then it is a 408.
        keys: API keys of ordinary requests; without any, none is needed.
        admin_keys: Who may use ``/admin/...``; without any, only callers on this machine, and only while there are no
            ``keys`` either.
        open_metrics: Whether ``/metrics`` needs no key.
        cors_origins: Web pages of these origins may ask, such as ``https://example.org``; ``*`` means all.
        root_path: The prefix under which a proxy shows the service, such as ``/gradsim``; empty means none. Paths are
            answered with and without it.
        playground: Whether browsers get pages: the playground at ``/``, ``/explore`` and ``/docs``.
    """

    max_body_bytes: int = 2**20
    max_texts: int = 256
    max_characters: int = 20_000
    cut_texts: bool = False
    timeout_seconds: float = 30
    body_seconds: float = 15
    keys: Keys = field(default_factory=Keys)
    admin_keys: Keys = field(default_factory=Keys)
    open_metrics: bool = True
    cors_origins: tuple[str, ...] = ()
    root_path: str = ""
    playground: bool = True


@dataclass(frozen=True, slots=True)
class Options:
    """How the service runs; none of these changes what is answered.

    Attributes:
        http: What clients may do.
        queue_texts: Texts that may wait, of all groups; past them requests are refused with 429.
        threads: Threads that run models, in all; ``None``: one for each core that may be used.
        runners: Batches that run at the same time, each on ``threads / runners`` threads; ``None``: 1 on a GPU; on
            the CPU as many as threads, fewer when the models are large.
        batch_tokens: A batch is full at so many tokens, padding counted.
        batch_wait_ms: Longest time, milliseconds, that a free runner waits for texts that are being read.
        check_given: Share of the texts with a given language that are identified as well, for a metric only.
        provider: What runs the models; ``auto``: a GPU where onnxruntime can use one, else the CPU.
        engine_cache: Where TensorRT keeps what it compiles; ``None``: it compiles anew at each start.
        warm_up: Whether each model runs its longest text, and a full batch of them, before the service is ready.
        arena: Whether onnxruntime keeps memory that a batch has used for later ones.
        optimisation: How far onnxruntime rewrites the graphs.
        memory_mb: Size of the model files that may be in memory, MB; groups that were not asked for longest are
            unloaded. ``None``: all.
        canary_seconds: Every group answers a canary so often; while one fails the service is not ready. 0: only once.
        stop_seconds: How long requests in flight may take when the service is told to stop.
        keep_alive_seconds: How long a connection may be idle between two requests; longer than a load balancer keeps
            its own (60 s is usual), else it may send a request just when we close.
        log_requests: Whether a line is logged for each request; never a text.
        log_file: Where those lines go; ``None``: to stderr.
    """

    http: HttpOptions = field(default_factory=HttpOptions)
    queue_texts: int = 4096
    threads: int | None = None
    runners: int | None = None
    batch_tokens: int = 2048
    batch_wait_ms: float = 2.0
    check_given: float = 0.1
    provider: Provider = "auto"
    engine_cache: Path | None = None
    warm_up: bool = True
    arena: bool = True
    optimisation: Optimisation = "all"
    memory_mb: int | None = None
    canary_seconds: float = 30.0
    stop_seconds: float = 30.0
    keep_alive_seconds: float = 75.0
    log_requests: bool = False
    log_file: Path | None = None


DEFAULTS = Options()
