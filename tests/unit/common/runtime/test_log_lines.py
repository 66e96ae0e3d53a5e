"""Lines are written by a thread, whole and in order; whoever flushes waits for them."""

import io
import threading
import time

import pytest

from services.common.runtime import log_lines
from services.common.runtime.log_lines import LineLogger, LogLines


class StuckStream(io.StringIO):
    """A stream on a disk that takes its time: a write waits until it may."""

    def __init__(self) -> None:
        """Begin stuck."""
        super().__init__()
        self.may = threading.Event()
        self.writes = 0

    def write(self, text: str) -> int:
        """Write once it may."""
        self.may.wait()
        self.writes += 1
        return super().write(text)


def wait_for(stream: io.StringIO, text: str) -> None:
    """Wait until a stream holds a text; a test that waits for ever fails by its time limit."""
    while stream.getvalue() != text:
        time.sleep(0.005)


class TestLogLines:
    def test_keep_nobody_waiting_for_the_disk(self) -> None:
        """A line is taken while the stream is stuck, and written when it is not."""
        stream = StuckStream()
        lines = LogLines(stream)

        for number in range(100):
            lines.write(f"{number}\n")
        stream.may.set()

        wait_for(stream, "".join(f"{number}\n" for number in range(100)))
        assert stream.writes < 100

    def test_are_written_when_flush_returns(self) -> None:
        """What tells of a fault is there before the code goes on, and what came before it, too."""
        stream = io.StringIO()
        lines = LogLines(stream)
        lines.write("first\n")

        lines.write("second\n")
        lines.flush()

        assert stream.getvalue() == "first\nsecond\n"

    def test_of_many_threads_are_all_there(self) -> None:
        """Nothing is lost or torn between those who write and the thread that does it for them."""
        stream = io.StringIO()
        lines = LogLines(stream)

        def write(name: str) -> None:
            for number in range(500):
                lines.write(f"{name}{number}\n")

        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines.flush()

        written = stream.getvalue().splitlines()
        for name in "abcd":
            assert [line for line in written if line[0] == name] == [
                f"{name}{number}" for number in range(500)
            ]

    def test_that_wait_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who comes beyond the bound writes what waits."""
        monkeypatch.setattr(log_lines, "_WAITING_MAX", 10)
        monkeypatch.setattr(log_lines, "_GATHER_SECONDS", 3600)
        stream = io.StringIO()
        lines = LogLines(stream)

        for number in range(12):
            lines.write(f"{number}\n")

        assert stream.getvalue().splitlines()[:11] == [str(number) for number in range(11)]


class TestLineLogger:
    def test_writes_what_tells_of_a_fault_at_once(self) -> None:
        """A warning and what came before it are written when the call returns."""
        stream = io.StringIO()
        logger = LineLogger(LogLines(stream))
        logger.info("all well")

        logger.warning("not so well")

        assert stream.getvalue() == "all well\nnot so well\n"
