"""Sums by day: one account's and a GL account's, of several bases and effective days."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from services.ledger.domain.account import AccountSpec, AccountState
from services.ledger.domain.days import DaySums
from services.ledger.domain.journal import Entry, Posting, Recorded
from services.ledger.domain.transaction import Basis

NOW = datetime(2017, 3, 1, 9, 30, tzinfo=UTC)
TODAY, YESTERDAY = date(2017, 3, 1), date(2017, 2, 28)
CASH, SALES = 7, 8


def account(gl_code: str) -> AccountState:
    """Give an account by its GL code."""
    spec = AccountSpec("any", "EUR", None, gl_code)
    return AccountState(spec, None, posted=0, pending_out=0, pending_in=0)


ACCOUNTS = {CASH: account("530000"), SALES: account("707100")}


def recorded(
    seq: int, amount: int, *, basis: Basis = Basis.COMMON, effective_time: datetime = NOW
) -> Recorded:
    """Give a sale of an amount, or with a negative one its opposite."""
    entry = Entry(
        UUID(int=seq), 0, seq, 1, 0, effective_time, NOW, basis, "", "", None, None, bytes(16)
    )
    return Recorded(
        entry,
        (Posting(CASH, seq, 0, -amount, -amount, 0), Posting(SALES, seq, 0, amount, amount, 0)),
    )


class TestDaySums:
    def test_debits_and_credits_of_an_account(self) -> None:
        """Both are positive and never net; first and last are the numbers that they lie between."""
        days = DaySums()
        days.add(recorded(3, 100))
        days.add(recorded(5, -30))

        assert days.by_account() == {TODAY: {CASH: [100, 30, 3, 5], SALES: [30, 100, 3, 5]}}

    def test_bases_of_one_day(self) -> None:
        """An account's day counts all bases, a GL account's each by itself."""
        days = DaySums()
        days.add(recorded(3, 100))
        days.add(recorded(4, 7, basis=Basis.IFRS))

        assert days.by_account()[TODAY][SALES] == [0, 107, 3, 4]
        assert sorted(days.by_gl(ACCOUNTS)) == [
            ("530000", "EUR", Basis.COMMON, TODAY, TODAY, 100, 0),
            ("530000", "EUR", Basis.IFRS, TODAY, TODAY, 7, 0),
            ("707100", "EUR", Basis.COMMON, TODAY, TODAY, 0, 100),
            ("707100", "EUR", Basis.IFRS, TODAY, TODAY, 0, 7),
        ]

    def test_another_effective_day(self) -> None:
        """What takes effect on another day counts there, as recorded today."""
        days = DaySums()
        days.add(recorded(3, 100))
        days.add(recorded(4, 7, effective_time=NOW - timedelta(days=1)))

        assert days.by_account()[YESTERDAY] == {CASH: [7, 0, 4, 4], SALES: [0, 7, 4, 4]}
        assert ("707100", "EUR", Basis.COMMON, YESTERDAY, TODAY, 0, 7) in days.by_gl(ACCOUNTS)

    def test_what_is_held(self) -> None:
        """Held postings are of no day."""
        days = DaySums()
        entry = recorded(3, 1).entry
        days.add(Recorded(entry, (Posting(CASH, 3, 1, -5, -5, 0), Posting(SALES, 3, 2, 5, 5, 0))))

        assert days.by_account() == {TODAY: {}}
        assert days.by_gl(ACCOUNTS) == []
