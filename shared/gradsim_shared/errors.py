"""Errors with one clear message for people; the command line and HTTP turn them into text, never a traceback."""

from __future__ import annotations


class GradsimError(Exception):
    """An error with a message for people: what is wrong, where, and what to do about it."""


class DataError(GradsimError):
    """A data set cannot be found or read; the message names file, line and what is allowed."""


class SettingsError(GradsimError):
    """A setting, a name or a combination of settings is not possible."""


class ModelError(GradsimError):
    """An encoder cannot be found, loaded or exported."""


class BundleError(GradsimError):
    """A directory is not a valid bundle, or not one that this version reads."""


class RequestError(GradsimError):
    """A request cannot be answered; it is the caller's to change.

    Args:
        message: What is wrong and what is allowed.
        code: The machine-readable name of the error, as in the HTTP error form.
        index: Which text of the request is meant; ``None`` means the request as a whole.
        retry_after: Seconds after which the same request may well be answered; ``None`` means that nobody knows.
    """

    def __init__(self, message: str, *, code: str, index: int | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.index = index
        self.retry_after = retry_after
