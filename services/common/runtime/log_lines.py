"""Log lines on their way to a stream: gathered, and written by a thread of their own.

The log's file mostly lies on the disk to which PostgreSQL syncs its commits, and a write waits there for as long as a
sync takes. An event loop that writes its lines itself stands still meanwhile, and every call with it.
"""

import atexit
import threading
from collections import deque
from time import sleep
from typing import Final, TextIO

_GATHER_SECONDS: Final = 0.05
_WAITING_MAX: Final = 20_000


class LogLines:
    """A stream for a logger. ``write`` returns at once; ``flush`` when everything is written.

    What waits is bounded: whoever comes beyond that writes it all first. A process that is killed loses the lines of
    its last moment, so what tells of a fault is to be flushed.
    """

    def __init__(self, stream: TextIO) -> None:
        """Take the stream; the thread begins with the first line that waits."""
        self._stream = stream
        self._lines: deque[str] = deque()
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
            atexit.register(self.flush)

    def flush(self) -> None:
        """Write what waits, in its order."""
        with self._writing:
            lines = self._lines
            text = "".join([lines.popleft() for _ in range(len(lines))])
            if text:
                self._stream.write(text)
                self._stream.flush()

    def _run(self) -> None:
        while True:
            self._some.wait()
            sleep(_GATHER_SECONDS)
            self._some.clear()
            self.flush()


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
