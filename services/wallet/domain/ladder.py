"""The ladder: how an unknown authorization is found out, rung by rung, never by a timer alone."""

from enum import Enum
from typing import Final

DELAY_SECONDS_MAX: Final = 300
"""The longest wait between two probes."""


class Rung(Enum):
    """What one probe does."""

    RETRY = "retry"
    """Send the same under the same key: it answers what came of it, or does now what was asked."""
    LOOK_UP = "look_up"
    """Look for the payment at the provider; send nothing."""
    BURN = "burn"
    """Take the key for something harmless: what has not arrived by then never can."""


def rung(probe_number: int, *, wanted: bool) -> Rung:
    """Give what the ``probe_number``-th probe (from 1) of an unknown authorization does.

    The rungs come round: retry, look-up, burn. When the success is not wanted any more, the retry is left out, since it
    could bring the success about.
    """
    assert probe_number > 0, "probes are counted from 1"
    if not wanted:
        return Rung.LOOK_UP if probe_number % 2 else Rung.BURN
    return (Rung.BURN, Rung.RETRY, Rung.LOOK_UP)[probe_number % 3]


def delay_seconds(probe_number: int) -> int:
    """Give how long to wait before the ``probe_number``-th probe: 1, 2, 4 ... 300 seconds of machine time."""
    assert probe_number > 0, "probes are counted from 1"
    return int(min(2 ** min(probe_number - 1, DELAY_SECONDS_MAX.bit_length()), DELAY_SECONDS_MAX))
