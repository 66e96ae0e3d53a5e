"""Instants: protobuf timestamps and aware datetimes, to the microsecond."""

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from services.common.kernel.chain import epoch_micros

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS_PER_MICRO: Final = 1_000
_MICROS_PER_SECOND: Final = 1_000_000


def parse_time(message: Timestamp) -> datetime:
    """Give the instant of a timestamp of ours; what is below a microsecond is cut off."""
    return _EPOCH + timedelta(
        seconds=message.seconds, microseconds=message.nanos // _NANOS_PER_MICRO
    )


def render_time(instant: datetime) -> Timestamp:
    """Give the timestamp of an instant."""
    seconds, micros = divmod(epoch_micros(instant), _MICROS_PER_SECOND)
    return Timestamp(seconds=seconds, nanos=micros * _NANOS_PER_MICRO)
