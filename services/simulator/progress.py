"""What a person sees while the year goes by."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars


class Progress:
    """One bar for the tickets, with the simulated day and the live rate, then one for the books."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._done = 0
        self._began = monotonic()

    def begin(self, title: str, *, total: int) -> None:
        """Start the next bar."""
        if self._task is not None:
            self._bars.stop_task(self._task)
        self._task = self._bars.add_task(title, total=total, rate="")
        self._done = 0
        self._began = monotonic()

    def advance(self, count: int) -> None:
        """Move the bar on; it is redrawn by time, not by ticket."""
        self._done += count

    def show(self, title: str, *, rate: str = "") -> None:
        """Redraw the bar under a title."""
        if self._task is not None:
            self._bars.update(self._task, description=title, completed=self._done, rate=rate)

    def show_day(self, day: date, *, queued: int) -> None:
        """Redraw the bar of the tickets, with their rate since it began."""
        seconds = max(monotonic() - self._began, 1e-6)
        rate = f"{self._done / seconds:,.0f}/s"
        self.show(f"{day:%d %b %Y}, {queued:3} queued offline", rate=rate)

    def reach(self, done: int) -> None:
        """Move the bar to a count."""
        self._done = done


@contextmanager
def shown_progress(console: Console) -> Iterator[Progress]:
    """Show progress on the console while the block runs."""
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        expand=True,
    ) as bars:
        yield Progress(bars)
