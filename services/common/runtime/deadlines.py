"""The running call's deadline, from which every outgoing call takes its own."""

import time
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("deadline_monotonic_seconds", default=None)


def set_deadline(*, seconds_left: float) -> None:
    """Give the running task, which ends with the call, this much time from now."""
    _deadline.set(time.monotonic() + seconds_left)


def seconds_left() -> float | None:
    """Give the running call's time left, never below zero; None outside any call."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def outgoing_timeout(seconds_max: float) -> float:
    """Give the timeout of an outgoing call: ``seconds_max``, or less if less is left."""
    left = seconds_left()
    return seconds_max if left is None else min(seconds_max, left)
