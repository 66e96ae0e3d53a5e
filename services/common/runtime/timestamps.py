"""Instants: protobuf timestamps and aware datetimes, to the microsecond."""

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from services.common.kernel.errors import InvalidArgument

TIMESTAMP_FAULT: Final = "is not a valid instant"
"""What is said of a timestamp that ``is_instant`` refuses."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MIN: Final = 0
_SECONDS_MAX: Final = 253_370_764_800
"""1970 to 9998: what Python, PostgreSQL and people can all read."""
_NANOS_PER_MICRO: Final = 1_000
_SECONDS_PER_DAY: Final = 86_400
_NANOS_PER_SECOND: Final = 1_000_000_000


class TimestampInvalid(InvalidArgument):
    """A timestamp lies outside the years 1970 to 9998, or its nanos are no part of a second."""

    reason = "FIELD_INVALID"


def is_instant(message: Timestamp) -> bool:
    """Tell whether a timestamp is one that we take: of the years 1970 to 9998, with 0 to 999,999,999 nanos."""
    return _SECONDS_MIN <= message.seconds < _SECONDS_MAX and 0 <= message.nanos < _NANOS_PER_SECOND


def parse_time(message: Timestamp, field: str) -> datetime:
    """Give the instant of a timestamp; what is below a microsecond is cut off.

    Raises:
        TimestampInvalid: no such instant.
    """
    if not is_instant(message):
        raise TimestampInvalid(
            f"{field}: {TIMESTAMP_FAULT}", violations=[(field, TIMESTAMP_FAULT)], field=field
        )
    return decode_time(message)


def decode_time(message: Timestamp) -> datetime:
    """Give the instant of a timestamp that was kept, and so was checked when it came in."""
    return _EPOCH + timedelta(
        seconds=message.seconds, microseconds=message.nanos // _NANOS_PER_MICRO
    )


def render_time(instant: datetime) -> Timestamp:
    """Give the timestamp of an instant."""
    assert instant.tzinfo is not None, "an instant without a zone is a bug"
    past = instant - _EPOCH  # Its microseconds are never negative, before 1970 either.
    return Timestamp(
        seconds=past.days * _SECONDS_PER_DAY + past.seconds,
        nanos=past.microseconds * _NANOS_PER_MICRO,
    )
