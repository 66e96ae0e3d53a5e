"""What a reader sees of a log's end."""

from dataclasses import dataclass, field

from services.common.runtime.log_tail import LastFact, LastOf, Sought, Tail


@dataclass
class Record:
    """A consumer's record, as far as it is looked at."""

    offset: int
    seq: int
    previous_seq: int = 0
    headers: list[tuple[str, bytes]] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = [
            ("ce_source", b"/points/0"),
            ("ce_sequence", str(self.seq).encode()),
            ("ce_previous", str(self.previous_seq).encode()),
            ("ce_id", f"id {self.seq}".encode()),
        ]


SOUGHT = Sought(log_offset=0, source="/points/0", seq=7)


class TestTail:
    def test_ends_after_the_last_record(self) -> None:
        """Offsets may jump."""
        tail = Tail(end=0, holds=True)

        tail.see([Record(0, 1), Record(1, 2), Record(5, 3)], None)

        assert tail.end == 6

    def test_holds_the_fact_once_it_was_seen(self) -> None:
        """Another source's fact of the same sequence is another fact."""
        tail = Tail(end=0, holds=False)
        other = Record(0, 7)
        other.headers[0] = ("ce_source", b"/points/1")

        tail.see([other], SOUGHT)
        assert not tail.holds
        tail.see([Record(1, 7)], SOUGHT)
        assert tail.holds

    def test_does_not_count_what_lies_under_earlier_records(self) -> None:
        """Who reads on from the end never gets it, though who reads from the beginning may."""
        tail = Tail(end=0, holds=False)

        tail.see(
            [*(Record(offset, 1) for offset in range(20)), Record(5, 7), Record(10, 7)], SOUGHT
        )

        assert (tail.end, tail.holds) == (20, False)

    def test_comes_to_the_last_fact_before_a_gap(self) -> None:
        """What lies behind a gap no consumer handles; what fills it comes after."""
        tail = Tail(end=0, holds=True, stated_end=10)

        tail.see([Record(0, 3, 0), Record(1, 9, 5), Record(2, 5, 3)], LastOf("/points/0"))
        assert tail.last == LastFact(2, 5, b"id 5")
        tail.see([Record(3, 9, 5), Record(4, 3, 0)], LastOf("/points/0"))
        assert tail.last == LastFact(3, 9, b"id 9")

    def test_comes_to_nothing_in_a_log_without_its_beginning(self) -> None:
        """Its first fact follows one that is not there."""
        tail = Tail(end=0, holds=True)

        tail.see([Record(0, 9, 5)], LastOf("/points/0"))

        assert tail.last is None

    def test_places_a_fact_before_the_end_that_the_broker_states(self) -> None:
        """A broker may count its last batch as one message, and its end is what forgetting is seen by."""
        tail = Tail(end=4, holds=True, stated_end=5)

        tail.see([Record(4, 3, 0), Record(5, 5, 3)], LastOf("/points/0"))

        assert tail.last == LastFact(4, 5, b"id 5")
