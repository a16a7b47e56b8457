"""Progress: headings, notes, and bars with the time left; elsewhere than on a terminal a line every 20 seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

Advance = Callable[[str], None]
KEPT_NOTES: list[tuple[str, bool]] = []
"""What was said in a worker of an engine, and whether as a heading; shown by the process that it works for."""
_SILENT_SECONDS = 20.0  # the longest time without a line


class Progress:
    """Writes to standard error; bars only where somebody can see them move, else lines that say how far it is.

    Args:
        console: Where to write; ``None``: standard error.
        quiet: Write nothing but what is asked for.
        silent_seconds: Where no bar is seen, how long a stage may say nothing.
    """

    def __init__(
        self, console: Console | None = None, *, quiet: bool = False, silent_seconds: float = _SILENT_SECONDS
    ) -> None:
        self.console = console or Console(stderr=True, highlight=False, quiet=quiet, soft_wrap=True)
        self._silent_seconds, self._reports = silent_seconds, False
        self._last, self._step = 0.0, ""  # time of the last line, and how far the running bar is

    def note(self, text: str, *, heading: bool = False) -> None:
        """Write one line."""
        self._last = time.monotonic()
        self.console.print(f"{'●' if heading else ' '} {text}", style="bold" if heading else None, markup=False)

    def __reduce__(self) -> tuple[type[Progress], tuple[()]]:
        """Travel to a worker as a progress that keeps its notes."""
        return _KeptProgress, ()

    @contextmanager
    def reporting(self, title: str) -> Iterator[None]:
        """Write a line now and then, from a thread, while something runs whose bars nobody can see."""
        if self.console.is_terminal or self.console.quiet or self._reports:
            yield
            return
        started = self._last = time.monotonic()
        self._reports = True
        ended = threading.Event()

        def report() -> None:
            while not ended.wait(max(0.01, self._last + self._silent_seconds - time.monotonic())):
                if time.monotonic() - self._last >= self._silent_seconds:
                    self.note(f"  {title}: {duration(time.monotonic() - started)} so far{self._step}")

        thread = threading.Thread(target=report, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._reports = False

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        """Show a bar of ``total`` steps; call what is yielded once per step with a short remark."""
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[remark]}"),
        )
        hidden = not self.console.is_terminal
        with self.reporting(title), Bars(*columns, console=self.console, transient=True, disable=hidden) as bars:
            task = bars.add_task(title, total=total, remark="")
            started, done = time.monotonic(), 0

            def advance(remark: str) -> None:
                nonlocal done
                done += 1
                left = duration((time.monotonic() - started) * (total - done) / done)
                self._step = f"; {title} {done}/{total}, {left} left" + f", {remark}" * bool(remark)
                bars.update(task, advance=1, remark=remark)

            try:
                yield advance
            finally:
                self._step = ""


class _KeptProgress(Progress):
    """The progress of a worker, which nobody sees."""

    def __init__(self) -> None:
        super().__init__(quiet=True)

    def note(self, text: str, *, heading: bool = False) -> None:
        """Keep one line."""
        KEPT_NOTES.append((text, heading))


def duration(seconds: float) -> str:
    """Word a time as people read it: ``40 s``, ``12 min``, ``1.7 h``."""
    if seconds > 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
