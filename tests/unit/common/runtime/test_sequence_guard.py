"""Seeing that a broker has lost a part of the log."""

from hypothesis import given
from hypothesis import strategies as st

from services.common.runtime.sequence_guard import Reached, SequenceGuard, Verdict

PLACE = ("cagnotte.points.v1.loyalty", 0)


def judge(guard: SequenceGuard, offset: int, seq: int, previous_seq: int) -> Verdict:
    """Judge an event of one source."""
    return guard.judge(PLACE, source="/points/0", offset=offset, seq=seq, previous_seq=previous_seq)


class TestSequenceGuard:
    """No event is handled before one that precedes it."""

    def test_lets_an_unbroken_log_through(self) -> None:
        """Sequences may jump, since other facts went to other partitions."""
        guard = SequenceGuard()
        assert judge(guard, 0, 3, 0) is Verdict.HANDLE
        assert judge(guard, 1, 9, 3) is Verdict.HANDLE

    def test_skips_what_comes_again(self) -> None:
        """A relay that repeats itself is recognised."""
        guard = SequenceGuard()
        judge(guard, 7, 3, 1)
        judge(guard, 8, 9, 3)
        assert judge(guard, 9, 3, 1) is Verdict.SKIP
        assert judge(guard, 10, 9, 3) is Verdict.SKIP
        assert judge(guard, 11, 12, 9) is Verdict.HANDLE

    def test_rewinds_once_at_a_gap_and_then_waits(self) -> None:
        """After the beginning was read again, the relay's republication must fill the gap."""
        guard = SequenceGuard()
        judge(guard, 7, 9, 3)
        assert judge(guard, 8, 20, 15) is Verdict.REWIND
        assert judge(guard, 0, 18, 15) is Verdict.WAIT
        assert judge(guard, 1, 3, 0) is Verdict.SKIP
        assert judge(guard, 2, 15, 9) is Verdict.HANDLE
        assert judge(guard, 3, 18, 15) is Verdict.HANDLE

    def test_waits_at_a_log_without_a_beginning(self) -> None:
        """The first record of a log must be the first fact of its partition."""
        guard = SequenceGuard()
        assert judge(guard, 0, 20, 15) is Verdict.WAIT
        assert judge(guard, 1, 3, 0) is Verdict.HANDLE
        assert judge(guard, 2, 15, 3) is Verdict.HANDLE
        assert judge(guard, 3, 20, 15) is Verdict.HANDLE

    def test_believes_the_offset_of_a_new_assignment(self) -> None:
        """Another member may have handled what lies between."""
        guard = SequenceGuard()
        judge(guard, 7, 3, 1)
        guard.forget(PLACE)
        assert judge(guard, 80, 90, 88) is Verdict.HANDLE

    def test_sees_a_gap_where_it_begins_again(self) -> None:
        """What was reached before the partition was assigned anew bars what lies behind a gap."""
        guard = SequenceGuard()
        judge(guard, 0, 3, 0)
        reached = guard.reached(PLACE)
        guard.forget(PLACE)
        assert not guard.knows(PLACE)

        guard.recall(PLACE, reached)

        assert judge(guard, 1, 20, 15) is Verdict.REWIND
        assert judge(guard, 0, 3, 0) is Verdict.SKIP
        assert judge(guard, 1, 20, 15) is Verdict.WAIT
        assert judge(guard, 2, 15, 3) is Verdict.HANDLE

    def test_believes_what_lies_before_its_place_where_it_begins_again(self) -> None:
        """Repeated, it is known by its ids; of a restored journal, it is new under an old sequence."""
        guard = SequenceGuard()
        guard.recall(PLACE, Reached({"/points/0": 20}, is_whole=True))

        assert judge(guard, 9, 15, 3) is Verdict.HANDLE
        assert judge(guard, 10, 20, 15) is Verdict.HANDLE
        assert judge(guard, 11, 15, 3) is Verdict.SKIP

    def test_goes_on_where_it_was_after_an_old_relay_repeated_a_part(self) -> None:
        """A relay that wakes after its successor repeats what it held; nothing is lost, so nothing is read again."""
        guard = SequenceGuard()
        guard.recall(PLACE, Reached({"/points/0": 20}, is_whole=False))

        assert judge(guard, 9, 3, 0) is Verdict.HANDLE
        assert judge(guard, 10, 15, 3) is Verdict.HANDLE
        assert judge(guard, 11, 22, 20) is Verdict.HANDLE
        assert judge(guard, 12, 30, 29) is Verdict.REWIND

    def test_sees_a_gap_behind_an_old_sequence(self) -> None:
        """Of a restored journal, new under old sequences, no fact is jumped over."""
        guard = SequenceGuard()
        guard.recall(PLACE, Reached({"/points/0": 20}, is_whole=False))

        assert judge(guard, 9, 15, 3) is Verdict.HANDLE
        assert judge(guard, 10, 19, 18) is Verdict.REWIND

    def test_knows_that_a_source_has_sent_nothing_yet(self) -> None:
        """In a log that was read from its beginning, a source's first event has none before it."""
        guard = SequenceGuard()
        guard.recall(PLACE, Reached({"/points/1": 7}, is_whole=True))

        assert judge(guard, 9, 20, 15) is Verdict.WAIT
        assert judge(guard, 10, 15, 0) is Verdict.HANDLE

    def test_believes_a_new_source_where_the_beginning_was_not_read(self) -> None:
        """Retention may have deleted what was before."""
        guard = SequenceGuard()
        guard.recall(PLACE, Reached({"/points/1": 7}, is_whole=False))

        assert judge(guard, 9, 20, 15) is Verdict.HANDLE

    @given(
        st.lists(st.integers(1, 5), min_size=1, max_size=20), st.integers(0, 20), st.integers(0, 25)
    )
    def test_first_sightings_are_complete_and_in_order(
        self, steps: list[int], handled: int, cut: int
    ) -> None:
        """A log that lost its beginning and was republished is handled whole, in order."""
        seqs = [sum(steps[: n + 1]) for n in range(len(steps))]
        facts = list(zip(seqs, [0, *seqs], strict=False))
        guard = SequenceGuard()
        seen = []
        for offset, (seq, previous) in enumerate(facts[:handled]):
            assert judge(guard, offset, seq, previous) is Verdict.HANDLE
            seen.append(seq)
        log = facts[cut:] + facts
        position = min(handled, len(log))
        while position < len(log):
            seq, previous = log[position]
            verdict = judge(guard, position, seq, previous)
            position += 1
            if verdict is Verdict.HANDLE:
                seen.append(seq)
            if verdict is Verdict.REWIND:
                position = 0

        assert seen == seqs
