"""Log lines on their way to a stream: gathered, and written by a thread of their own.

The log's file mostly lies on the disk to which PostgreSQL syncs its commits, and a write waits there for as long as a
sync takes. An event loop that writes its lines itself stands still meanwhile, and every call with it.
"""

import atexit
import io
import threading
from collections import deque
from collections.abc import Callable
from time import sleep
from typing import Final, TextIO

_GATHER_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 1.0
_WAITING_MAX: Final = 20_000
_LINES_A_WRITE: Final = 1_000


def tell_dropped(number: int) -> str:
    """Say in plain words how many lines are missing."""
    return f"{number} log lines were dropped: they could not be written"


class LogLines:
    """A stream for a logger. ``write`` returns at once; ``flush`` when everything is written.

    What waits is bounded: whoever comes beyond that writes it all first. A process that is killed loses the lines of
    its last moment, so what tells of a fault is to be flushed.

    No failure of the stream (a full disk, a closed pipe) reaches a caller: a log that cannot be written is no reason
    to refuse a call. The thread alone tries again then, every second; meanwhile the oldest lines beyond the bound are
    dropped, and one line tells how many once writing works.
    """

    def __init__(self, stream: TextIO, *, tell: Callable[[int], str] = tell_dropped) -> None:
        """Take the stream, and what renders the line on dropped ones; the thread begins with the first line."""
        self._take = _taker(stream)
        self._tell = tell
        self._lines: deque[str] = deque()
        self._rest = b""
        """What the stream has not taken yet of the last lines that it was given."""
        self._dropped = 0
        self._is_failing = False
        self._some = threading.Event()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        """Take text to be written in a moment."""
        self._lines.append(text)
        if self._some.is_set():
            if len(self._lines) > _WAITING_MAX:
                self.flush()
            return
        self._some.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()
            # At the end once more, even where the last try failed.
            atexit.register(self._write_waiting)

    def flush(self) -> None:
        """Write what waits, in its order; while the stream fails, keep what the bound allows."""
        if not self._is_failing:
            self._write_waiting()
        elif len(self._lines) > _WAITING_MAX:
            with self._writing:
                self._drop_oldest()

    def _run(self) -> None:
        while True:
            self._some.wait()
            sleep(_GATHER_SECONDS)
            self._some.clear()
            self.flush()
            while self._is_failing:
                sleep(_RETRY_SECONDS)
                self._write_waiting()

    def _write_waiting(self) -> None:
        with self._writing:
            try:
                self._send()
                for _ in range(0, len(self._lines), _LINES_A_WRITE):
                    self._rest = self._next_lines().encode("utf-8", "backslashreplace")
                    self._send()
                self._is_failing = False
            except (OSError, ValueError):  # A closed stream says ValueError.
                self._is_failing = True
                self._drop_oldest()

    def _send(self) -> None:
        while self._rest:
            taken = self._take(self._rest)
            if not taken:
                raise BlockingIOError
            self._rest = self._rest[taken:]

    def _next_lines(self) -> str:
        """Take lines off, after the word on those that are missing before them."""
        told = ""
        if self._dropped:
            told = self._tell(self._dropped) + "\n"
            self._dropped = 0
        number = min(len(self._lines), _LINES_A_WRITE)
        return told + "".join([self._lines.popleft() for _ in range(number)])

    def _drop_oldest(self) -> None:
        while len(self._lines) > _WAITING_MAX:
            self._lines.popleft()
            self._dropped += 1


def _taker(stream: TextIO) -> Callable[[bytes], int | None]:
    """Give what takes bytes for a stream and returns how many it took.

    Below the stream's own buffer where there is one: after a failure nobody could tell what that still holds, and
    lines would be lost or come twice.
    """
    buffer = getattr(stream, "buffer", None)
    below = getattr(buffer, "raw", buffer)
    if isinstance(below, io.RawIOBase):
        return below.write

    def take(data: bytes) -> int:
        stream.write(data.decode())
        stream.flush()
        return len(data)

    return take


class LineLogger:
    """What structlog hands its rendered lines to: those of a fault are written before the code goes on."""

    def __init__(self, lines: LogLines) -> None:
        """Take the way to the stream."""
        self._lines = lines

    def info(self, line: str) -> None:
        """Take a line of every day."""
        self._lines.write(line + "\n")

    def warning(self, line: str) -> None:
        """Take a line of a fault."""
        self._lines.write(line + "\n")
        self._lines.flush()

    debug = info
    error = critical = fatal = warning
