"""CloudEvents headers, both ways."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from services.common.kernel.ids import new_uuid7
from services.common.runtime.kafka_events import (
    Headers,
    Unreadable,
    parse_record,
    parse_sequence,
    render_headers,
)

NOW = datetime(2017, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
EVENT_ID = new_uuid7()
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def headers_of(*, traceparent: str = TRACEPARENT) -> Headers:
    """Render the headers of one event."""
    return render_headers(
        event_id=EVENT_ID,
        type_name="cagnotte.points.v1.TicketRecorded",
        source="/points/0",
        time=NOW,
        seq=9,
        previous_seq=7,
        traceparent=traceparent,
    )


@dataclass
class Record:
    """A consumer record."""

    headers: Headers = field(default_factory=headers_of)
    key: bytes | None = b"member"
    value: bytes | None = b"payload"
    topic: str = "cagnotte.points.v1.loyalty"
    partition: int = 3
    offset: int = 41

    def with_header(self, name: str, value: bytes) -> "Record":
        """Replace one header."""
        return Record(headers=[*self.headers, (name, value)])


class TestParseRecord:
    """What a consumer makes of a record."""

    def test_reads_what_was_rendered(self) -> None:
        """Both directions agree on every attribute."""
        event = parse_record(Record())

        assert event.event_id == EVENT_ID
        assert event.type_name == "cagnotte.points.v1.TicketRecorded"
        assert event.source == "/points/0"
        assert event.time == NOW
        assert event.traceparent == TRACEPARENT
        assert (event.topic, event.partition, event.offset) == (Record.topic, 3, 41)
        assert (event.key, event.payload) == (b"member", b"payload")

    def test_needs_no_trace(self) -> None:
        """An event without a trace is as good as any."""
        assert parse_record(Record(headers=headers_of(traceparent=""))).traceparent == ""

    @pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time"])
    def test_refuses_a_missing_attribute(self, name: str) -> None:
        """What CloudEvents requires must be there."""
        record = Record(headers=[header for header in headers_of() if header[0] != name])
        with pytest.raises(Unreadable, match=name):
            parse_record(record)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ce_id", b"not-an-id"),
            ("ce_time", b"yesterday"),
            ("ce_time", b"2017-01-02T03:04:05"),
            ("ce_type", b"\xff"),
            ("ce_specversion", b"0.3"),
        ],
    )
    def test_refuses_a_malformed_attribute(self, name: str, value: bytes) -> None:
        """Never a crash, whatever the bytes."""
        with pytest.raises(Unreadable):
            parse_record(Record().with_header(name, value))

    def test_refuses_a_tombstone(self) -> None:
        """An event always has a value."""
        with pytest.raises(Unreadable):
            parse_record(Record(value=None))


class TestParseSequence:
    """The place in the journal."""

    def test_reads_both_numbers(self) -> None:
        """Source, sequence and the one before it in the partition."""
        assert parse_sequence(Record()) == ("/points/0", 9, 7)

    @pytest.mark.parametrize("value", [b"x", b"\xff"])
    def test_does_without(self, value: bytes) -> None:
        """Who sends no sequence, or none that can be read, is not checked by it."""
        assert parse_sequence(Record().with_header("ce_previous", value)) is None
        assert parse_sequence(Record(headers=[])) is None
