"""Reading facts: what the journal has must be a fact of its type."""

import pytest

from services.common.runtime.facts import FactUnreadable, parse_fact

PARSERS = {1: lambda payload: payload.decode("ascii")}


class TestParseFact:
    def test_reads_by_the_type(self) -> None:
        """Each type has its own reader."""
        assert parse_fact(PARSERS, 1, b"opened") == "opened"

    @pytest.mark.parametrize(("event_type", "payload"), [(2, b"opened"), (1, b"\xff")])
    def test_refuses_what_is_no_fact(self, event_type: int, payload: bytes) -> None:
        """A type that nobody knows, and bytes that its reader cannot read, whatever it raises."""
        with pytest.raises(FactUnreadable, match=f"type {event_type}"):
            parse_fact(PARSERS, event_type, payload)
