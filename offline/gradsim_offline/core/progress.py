"""Progress on the terminal: headings, notes, and bars with the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

Advance = Callable[[str], None]


class Progress:
    """Writes to standard error; bars only where somebody can see them move.

    Args:
        console: Where to write; ``None``: standard error.
        quiet: Write nothing but what is asked for.
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self.console = console or Console(stderr=True, highlight=False, quiet=quiet, soft_wrap=True)

    def note(self, text: str, *, heading: bool = False) -> None:
        """Write one line."""
        self.console.print(f"{'●' if heading else ' '} {text}", style="bold" if heading else None, markup=False)

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
        with Bars(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bars:
            task = bars.add_task(title, total=total, remark="")
            yield lambda remark: bars.update(task, advance=1, remark=remark)


def duration(seconds: float) -> str:
    """Word a time as people read it: ``40 s``, ``12 min``, ``1.7 h``."""
    if seconds > 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
