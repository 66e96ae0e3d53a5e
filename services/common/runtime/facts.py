"""Facts of a journal back from their bytes: each type of fact has its own reader."""

from collections.abc import Callable, Mapping
from typing import TypeVar

E = TypeVar("E")


class FactUnreadable(ValueError):
    """Bytes of the journal are no fact of its type: it was written by something else."""


def parse_fact(parsers: Mapping[int, Callable[[bytes], E]], event_type: int, payload: bytes) -> E:
    """Give the fact of a journal row; ``parsers`` reads the bytes of each type.

    Raises:
        FactUnreadable: the type is unknown, or the bytes are not of it.
    """
    parse = parsers.get(event_type)
    if parse is None:
        raise FactUnreadable(f"There is no fact of type {event_type}.")
    try:
        return parse(payload)
    except Exception as error:
        raise FactUnreadable(f"The bytes are no fact of type {event_type}.") from error
