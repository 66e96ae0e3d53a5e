"""An end that somebody asks for: SIGTERM and SIGHUP stop what a command runs, as Ctrl-C does."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt in the body (in an event loop: cancel its task first).

    Only where they would end the process otherwise: who ignores one (``nohup``), or handles it, goes on doing so, and
    so a body within a body changes nothing.
    """
    handle = _CtrlC()
    taken = [number for number in _ENDING if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


class _CtrlC:
    """What is done on a signal: what Ctrl-C does, once."""

    def __init__(self) -> None:
        self._came = False

    def __call__(self, _: int, frame: FrameType | None) -> None:
        # `timeout` and others signal a process and then its group: the second one must not disturb the stopping.
        if self._came:
            return
        self._came = True
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        # A command in a shell script's background ignores Ctrl-C, and still has to end when it is told to.
        handle = on_ctrl_c if callable(on_ctrl_c) else signal.default_int_handler
        handle(signal.SIGINT, frame)
