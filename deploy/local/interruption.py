"""An end that somebody asks for: SIGTERM and SIGHUP stop what a command runs, as Ctrl-C does."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

EXIT_INTERRUPTED: Final = 130
"""What a shell calls the end by Ctrl-C; typer ends with it, and says nothing."""
INTERRUPTED: Final = "cagnotte: interrupted before it was done."

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


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process on the spot, with one sentence, in a body that has nothing to put away.

    An exception in the middle of an import is wrapped, or dropped, by whatever is being imported.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield  # Ctrl-C is ignored in a script's background.
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def die_of_ctrl_c() -> None:
    """Have Ctrl-C say nothing from now on: all is done, and only the interpreter is still being put away."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def ended_later() -> Iterator[None]:
    """Hold an end back until the body is done: it starts something, and whoever stops it must know of it first."""
    came: list[tuple[int, FrameType | None]] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_ENDING)}
    held = {number: handler for number, handler in before.items() if callable(handler)}
    for number in held:
        signal.signal(number, lambda *signalled: came.append(signalled))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
    for first, frame in came[:1]:
        held[signal.Signals(first)](first, frame)


def _end(_: int, __: FrameType | None) -> None:
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(EXIT_INTERRUPTED)


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
