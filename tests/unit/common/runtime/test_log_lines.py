"""Lines are written by a thread, whole and in order; whoever flushes waits for them."""

import errno
import io
import os
import threading
import time
from typing import Any

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


class FullStream(io.StringIO):
    """A stream on a full disk: so many writes fail, the next ones do not."""

    def __init__(self, failures: int, error: Exception) -> None:
        """Take how often what is raised."""
        super().__init__()
        self.failures = failures
        self.error = error

    def write(self, text: str) -> int:
        """Fail, or write."""
        if self.failures > 0:
            self.failures -= 1
            raise self.error
        return super().write(text)


class FullDisk(io.RawIOBase):
    """A file that takes ``room`` bytes and then has no space until it is given more."""

    def __init__(self, room: int) -> None:
        """Begin with some room."""
        self.room = room
        self.content = b""

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def write(self, data: Any) -> int:
        """Take what there is room for."""
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.content += taken
        return len(taken)


NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
FAILURES = [NO_SPACE, BrokenPipeError(), ValueError("I/O operation on closed file")]


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

    @pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
    def test_outlive_a_stream_that_fails(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        """The thread tries again; every line is there in the end, once and in order."""
        monkeypatch.setattr(log_lines, "_RETRY_SECONDS", 0.01)
        stream = FullStream(failures=3, error=error)
        lines = LogLines(stream)

        lines.write("first\n")
        while stream.failures:
            time.sleep(0.005)
        lines.write("second\n")

        wait_for(stream, "first\nsecond\n")

    def test_beyond_the_bound_are_dropped_and_counted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While nothing can be written the oldest go; the first line afterwards says how many."""
        monkeypatch.setattr(log_lines, "_WAITING_MAX", 10)
        monkeypatch.setattr(log_lines, "_LINES_A_WRITE", 2)
        monkeypatch.setattr(log_lines, "_GATHER_SECONDS", 0.01)
        monkeypatch.setattr(log_lines, "_RETRY_SECONDS", 0.01)
        stream = FullStream(failures=1_000_000, error=NO_SPACE)
        lines = LogLines(stream, tell=lambda number: f"dropped {number}")

        lines.write("0\n")
        lines.flush()
        for number in range(1, 31):
            lines.write(f"{number}\n")
            lines.flush()
        stream.failures = 0

        kept = "".join(f"{number}\n" for number in range(21, 31))
        wait_for(stream, f"0\ndropped 20\n{kept}")

    def test_torn_by_a_full_disk_go_on_where_they_ended(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file that took half a line gets the other half: nothing is lost, nothing comes twice."""
        monkeypatch.setattr(log_lines, "_RETRY_SECONDS", 0.01)
        disk = FullDisk(room=9)
        lines = LogLines(io.TextIOWrapper(io.BufferedWriter(disk), encoding="utf-8"))

        lines.write("première\n")
        lines.write("deuxième\n")
        lines.flush()
        torn = disk.content
        disk.room = 1_000

        while disk.content != "première\ndeuxième\n".encode():
            time.sleep(0.005)
        assert torn == "première".encode()

    def test_that_no_encoding_knows_are_written_all_the_same(self) -> None:
        """Half of a surrogate pair, as a file name may have it, stops nothing."""
        stream = io.StringIO()
        lines = LogLines(stream)

        lines.write("half \udc80\n")
        lines.flush()

        assert stream.getvalue() == "half \\udc80\n"


class TestLineLogger:
    @pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
    def test_never_fails_its_caller(self, error: Exception) -> None:
        """A call that logs a fault while the log cannot be written goes on as if it could."""
        logger = LineLogger(LogLines(FullStream(failures=1_000_000, error=error)))

        logger.warning("not so well")
        logger.warning("still not")

    def test_writes_what_tells_of_a_fault_at_once(self) -> None:
        """A warning and what came before it are written when the call returns."""
        stream = io.StringIO()
        logger = LineLogger(LogLines(stream))
        logger.info("all well")

        logger.warning("not so well")

        assert stream.getvalue() == "all well\nnot so well\n"
