"""Ids: UUIDv7 made by the caller of a command, and ids derived from other ids."""

import os
import time
from typing import Final
from uuid import UUID

DERIVED_IDS_MAX: Final = 256
"""How many ids (the base included) one id can give birth to."""

_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
_RANDOM_BITS: Final = 62


def new_uuid7() -> UUID:
    """Make a time-ordered UUID (RFC 9562, version 7).

    The 12 bits after the version hold the fraction of the millisecond (the RFC's
    method 3), so ids made one after another by one process sort in that order at a
    resolution of a quarter of a microsecond. 62 bits are random.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), _NANOSECONDS_PER_MILLISECOND)
    fraction = (nanoseconds << 12) // _NANOSECONDS_PER_MILLISECOND
    random_bits = int.from_bytes(os.urandom(8), "big") >> (64 - _RANDOM_BITS)
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random_bits)


def derive_id(base: UUID, n: int) -> UUID:
    """Give the n-th id born from ``base``, the same every time (0 < n < 256).

    It flips low bits, which are random in a UUIDv7, and keeps time and version. What an
    event causes takes its ids from the event in this way, so that handling the event
    again finds the same ids.
    """
    assert 0 < n < DERIVED_IDS_MAX, "zero is the base itself"
    return UUID(int=base.int ^ n)
