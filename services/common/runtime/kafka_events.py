"""Events on Kafka: CloudEvents 1.0 in binary mode, with a protobuf message as the data.

Attributes travel as headers (``ce_id`` ...), the payload as the value. ``ce_sequence`` is
the fact's place in its shard's journal, and ``ce_previous`` the place of the fact that the
relay sent to the same partition before it, by which a consumer sees what a broker lost.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

Headers: TypeAlias = Sequence[tuple[str, bytes]]

SPEC_VERSION: Final = b"1.0"
CONTENT_TYPE: Final = b"application/protobuf"

_TIMES_KEPT: Final = 256
"""The facts of a batch carry one time, so that most are read and written once."""


class Unreadable(Exception):
    """An event that no retry will make readable; it goes to the dead letters."""

    def __init__(self, reason: str, detail: str) -> None:
        """Give a reason in capitals and a sentence without personal data."""
        super().__init__(detail)
        self.reason = reason


class Message(NamedTuple):
    """What is sent: the key decides the partition, and so what stays in order."""

    key: bytes
    value: bytes
    headers: Headers


class IncomingEvent(NamedTuple):
    """An event as received. ``traceparent`` is empty where the producer sent none."""

    topic: str
    partition: int
    offset: int
    event_id: UUID
    type_name: str
    source: str
    key: bytes
    payload: bytes
    time: datetime
    traceparent: str


def render_headers(
    *,
    event_id: UUID,
    type_name: str,
    source: str,
    time: datetime,
    seq: int,
    previous_seq: int,
    traceparent: str,
) -> Headers:
    """Give an event's headers."""
    headers = [
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", str(event_id).encode()),
        ("ce_type", type_name.encode()),
        ("ce_source", source.encode()),
        ("ce_time", _render_time(time)),
        ("ce_sequence", str(seq).encode()),
        ("ce_previous", str(previous_seq).encode()),
        ("content-type", CONTENT_TYPE),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers


def parse_record(record: Any) -> IncomingEvent:
    """Read a consumer record's headers.

    Raises:
        Unreadable: an attribute that CloudEvents requires, or the value, is missing or bad.
    """
    headers = dict(record.headers)
    try:
        if headers["ce_specversion"] != SPEC_VERSION:
            raise Unreadable("SPEC_VERSION_UNKNOWN", "The CloudEvents version is not 1.0.")
        time = _parse_time(headers["ce_time"])
        if time is None or record.value is None:
            raise Unreadable("HEADERS_UNREADABLE", "The time has no zone, or the value is missing.")
        return IncomingEvent(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            event_id=UUID(headers["ce_id"].decode()),
            type_name=headers["ce_type"].decode(),
            source=headers["ce_source"].decode(),
            key=record.key or b"",
            payload=record.value,
            time=time,
            traceparent=headers.get("traceparent", b"").decode("ascii", "replace"),
        )
    except KeyError as error:
        raise Unreadable("HEADERS_UNREADABLE", f"The header {error} is missing.") from error
    except ValueError as error:
        raise Unreadable("HEADERS_UNREADABLE", "A header is malformed.") from error


@lru_cache(maxsize=_TIMES_KEPT)
def _render_time(time: datetime) -> bytes:
    return time.astimezone(UTC).isoformat().encode()


@lru_cache(maxsize=_TIMES_KEPT)
def _parse_time(text: bytes) -> datetime | None:
    """Read an instant, in UTC; None when it has no zone."""
    time = datetime.fromisoformat(text.decode())
    return None if time.tzinfo is None else time.astimezone(UTC)


def parse_sequence(record: Any) -> tuple[str, int, int] | None:
    """Give (source, sequence, previous sequence), or nothing for who sends no sequence."""
    headers = dict(record.headers)
    try:
        source = headers["ce_source"].decode()
        return source, int(headers["ce_sequence"]), int(headers["ce_previous"])
    except (KeyError, ValueError):
        return None
