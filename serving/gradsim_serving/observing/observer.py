"""The interface through which the engine reports metrics; `Metrics` counts them."""

from __future__ import annotations

from gradsim_shared.routing import Route

STAGES = ("identify", "tokenise", "queue", "run", "decode")
"""The stages of a request, in order; `stage` of another name is counted as ``other``."""


class Observer:
    """Receives what happens to requests, texts and batches; this one drops it all, for use outside a server.

    Every method may be called from several threads at once, takes microseconds and never raises. ``endpoint`` is the
    path of a bundle, such as ``/sentiment``; ``group`` is the id of one of its groups.
    """

    def stage(self, endpoint: str, name: str, seconds: float) -> None:
        """Count the time of a stage: of a batch (`run`, `decode`) or a request (`identify`, `tokenise`, `queue`)."""

    def batch(self, endpoint: str, group: str, texts: int, tokens: int, padded_tokens: int) -> None:
        """Count one run of a group's model, or of the trunk: ``tokens`` of texts, in ``padded_tokens`` places."""

    def top(self, endpoint: str, group: str, texts: int) -> None:
        """Count one run of a group's model over what the trunk said of texts; their tokens are the trunk's."""

    def queued(self, endpoint: str, group: str, texts: int) -> None:
        """Set how many texts wait for a group, or for the trunk, now."""

    def routed(self, endpoint: str, route: Route) -> None:
        """Count a text by its route."""

    def predicted(self, endpoint: str, language: str | None, label: str, count: int = 1) -> None:
        """Count a predicted label.

        A text with one label counts once. Of tagged words, each entity's type or each word's tag counts, and a text
        without an entity counts once as ``O``; ``count`` says how often it was found in the text.
        """

    def given_checked(self, endpoint: str, language: str, agrees: bool) -> None:
        """Count whether the identifier agrees with the language that a caller named."""

    def request(self, endpoint: str, status: int, code: str | None, seconds: float) -> None:
        """Count an answered request; ``code`` is that of the error, ``None`` where there was none."""

    def dropped(self, endpoint: str, why: str) -> None:
        """Count a request whose work was dropped: ``timeout``, ``disconnected``, ``shutting_down``."""
