"""The bytes of published events: consumers keep them, so they never change for an old fact."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from cagnotte.ledger.v1 import events_pb2
from services.ledger.codec.journal_events import render_event
from services.ledger.domain.account import Account
from services.ledger.domain.journal import Entry, Posting, Recorded
from services.ledger.domain.transaction import Kind

TIME = datetime(2017, 3, 1, 9, 0, 0, 5, tzinfo=UTC)
ACCOUNTS = {
    1: Account(1, 0, 1, "gl/512100", "EUR", None, "512100", TIME),
    2: Account(2, 0, 2, "gl/467100", "EUR", None, "467100", TIME),
}
ENTRY = Entry(UUID(int=1), 0, 3, 1, 0, TIME, TIME, 1, "top-up", "r", None, None, bytes(16))
SETTLED = [Posting(1, 3, 0, -5, -5, 0), Posting(2, 3, 0, 5, 5, 0)]
GOLDEN = (
    "0a3c0a2430303030303030302d303030302d303030302d303030302d30303030303030303030303112090890"
    "9bdac5051088271a0908909bdac5051088271a8c010a2430303030303030302d303030302d303030302d3030"
    "30302d303030303030303030303031100318012001320908909bdac5051088273a0908909bdac50510882740"
    "014a06746f702d75705201726a180a09676c2f343637313030100218052203455552280130056a210a09676c"
    "2f353132313030100118052203455552280130fbffffffffffffffff01"
)
RELEASED = [Posting(1, 3, 1, 5, 0, 0), Posting(2, 3, 2, -5, 0, 0)]


class TestTransactionPosted:
    def test_golden_bytes(self) -> None:
        """The event of a top-up of 5 cents, written down once."""
        type_name, payload = render_event(Recorded(ENTRY, SETTLED), ACCOUNTS)

        assert type_name == "cagnotte.ledger.v1.TransactionPosted"
        assert payload.hex() == GOLDEN

    def test_sides_and_order(self) -> None:
        """Postings are by account name; a debit and a credit have positive amounts."""
        _, payload = render_event(Recorded(ENTRY, SETTLED), ACCOUNTS)

        postings = events_pb2.TransactionPosted.FromString(payload).transaction.postings

        assert [(p.account, p.side, p.amount, p.balance_after) for p in postings] == [
            ("gl/467100", 2, 5, 5),
            ("gl/512100", 1, 5, -5),
        ]

    def test_times_apart(self) -> None:
        """When it counts and when it was recorded are two times."""
        late = ENTRY._replace(effective_time=TIME - timedelta(days=3))

        _, payload = render_event(Recorded(late, SETTLED), ACCOUNTS)

        metadata = events_pb2.TransactionPosted.FromString(payload).metadata
        assert metadata.record_time.ToDatetime(tzinfo=UTC) == TIME
        assert metadata.occur_time.ToDatetime(tzinfo=UTC) == TIME - timedelta(days=3)


class TestHoldExpired:
    def test_names_the_hold(self) -> None:
        """An expiry is its own event and carries what it released."""
        entry = ENTRY._replace(kind=Kind.HOLD_EXPIRED, target_id=UUID(int=7))

        type_name, payload = render_event(Recorded(entry, RELEASED), ACCOUNTS)

        event = events_pb2.HoldExpired.FromString(payload)
        assert type_name == "cagnotte.ledger.v1.HoldExpired"
        assert event.hold_id == str(UUID(int=7))
        assert {p.layer for p in event.transaction.postings} == {2, 3}
