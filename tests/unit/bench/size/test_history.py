"""The clock and the ids of a past that is filled in."""

from datetime import UTC, datetime, timedelta

from services.bench.size.history import History

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 29, tzinfo=UTC)


def history(*, done: int = 0, not_before: datetime | None = None) -> History:
    """Make four weeks for 28 things."""
    return History(begin=BEGIN, end=END, total=28, done=done, not_before=not_before)


class TestHistory:
    def test_spreads_what_is_written_over_its_time(self) -> None:
        """Every thing takes its share, and the last one stands at the end."""
        clock = history()

        moments = [clock.move() for _ in range(28)]

        assert moments[0] == BEGIN + timedelta(days=1)
        assert moments[-1] == clock() == END

    def test_goes_on_where_an_earlier_run_stopped(self) -> None:
        """What was written before has had its time."""
        assert history(done=14)() == BEGIN + timedelta(days=14)

    def test_never_goes_behind_what_was_recorded(self) -> None:
        """A later run's past begins later; the journal's end holds the clock until it is passed."""
        recorded = BEGIN + timedelta(days=20)
        clock = history(done=14, not_before=recorded)

        moments = [clock.move() for _ in range(8)]

        assert moments[0] == recorded
        assert moments[-1] == BEGIN + timedelta(days=22)

    def test_makes_ids_of_its_time(self) -> None:
        """They are UUIDv7, sort by the moment they were made at, and are all different."""
        clock = history()

        ids = []
        for _ in range(28):
            clock.move()
            ids.append(clock.new_id())

        assert {made.version for made in ids} == {7}
        assert ids == sorted(ids)
        assert ids[-1].int >> 80 == int(END.timestamp() * 1000)
        assert clock.new_id() != clock.new_id()
