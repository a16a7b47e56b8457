"""What operators are told without asking for a log: what runs the models, that a reload succeeded, what went wrong."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

OURS = "gradsim_serving"


class Notices(logging.Handler):
    """Writes each message as one line to stderr, unless somebody has set up logging, who shows it already.

    Nothing that stderr can do, full or closed, is of any consequence.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message; what an exception says is left out, since it may hold a text."""
        if logging.getLogger().handlers:
            return
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"{record.getMessage()}\n")
            sys.stderr.flush()


_NOTICES = Notices(logging.INFO)


def show_notices() -> None:
    """Show from now on what the service's own modules say of level INFO and above; to call it again changes nothing."""
    logger = logging.getLogger(OURS)
    logger.setLevel(logging.INFO)
    logger.addHandler(_NOTICES)  # logging takes a handler once
