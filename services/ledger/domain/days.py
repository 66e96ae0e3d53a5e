"""Sums by day: what makes balances as of an effective time and the trial balance index reads."""

from collections.abc import Mapping
from datetime import date, datetime

from services.common.kernel.clock import business_date
from services.ledger.domain.account import AccountState
from services.ledger.domain.journal import Recorded

GlDay = tuple[str, str, int, date, date, int, int]
"""``gl_code``, ``asset``, ``basis``, ``effective_day``, ``recorded_day``, debit, credit: as recorded on one day."""

Sums = list[int]
"""Debit, credit, first seq and last seq of one account on one day; debit and credit are positive."""

AccountDays = Mapping[date, Mapping[int, Sums]]
"""Sums by effective business day, and in each day by account."""


class DaySums:
    """Debits and credits of a batch's settled postings: by basis and effective day, and in these by account."""

    __slots__ = ("_books", "_recorded_day", "_recorded_time")

    def __init__(self) -> None:
        self._books: dict[tuple[int, date], dict[int, Sums]] = {}
        self._recorded_time: datetime | None = None
        self._recorded_day = date.min

    def add(self, recorded: Recorded) -> None:
        """Add the settled postings of one transaction; all of a batch have one time of recording."""
        entry, postings = recorded
        if entry.recorded_time is not self._recorded_time:
            self._recorded_time = entry.recorded_time
            self._recorded_day = business_date(entry.recorded_time)
        day = self._recorded_day
        if entry.effective_time is not entry.recorded_time:
            day = business_date(entry.effective_time)
        key = entry.basis, day
        book = self._books.get(key)
        if book is None:
            book = self._books[key] = {}
        for account_id, seq, layer, amount, _, _ in postings:
            if layer:
                continue
            sums = book.get(account_id)
            if sums is None:
                sums = book[account_id] = [0, 0, seq, seq]
            if amount < 0:
                sums[0] -= amount
            else:
                sums[1] += amount
            sums[3] = seq

    def by_account(self) -> AccountDays:
        """Give the sums by day and account."""
        days: dict[date, dict[int, Sums]] = {}
        for (_, day), book in self._books.items():
            days[day] = _merged(days[day], book) if day in days else book
        return days

    def by_gl(self, accounts: Mapping[int, AccountState]) -> list[GlDay]:
        """Give the sums by GL account, asset, basis and day; ``accounts`` is by id."""
        rows: list[GlDay] = []
        for (basis, day), book in self._books.items():
            totals: dict[tuple[str, str], list[int]] = {}
            for account_id, (debit, credit, _, _) in book.items():
                key = accounts[account_id].gl_key
                total = totals.get(key)
                if total is None:
                    total = totals[key] = [0, 0]
                total[0] += debit
                total[1] += credit
            rows += [
                (gl_code, asset, basis, day, self._recorded_day, debit, credit)
                for (gl_code, asset), (debit, credit) in totals.items()
            ]
        return rows


def _merged(one: dict[int, Sums], other: dict[int, Sums]) -> dict[int, Sums]:
    """Add up two bases of one day."""
    merged = dict(one)
    for account_id, sums in other.items():
        mine = one.get(account_id)
        merged[account_id] = sums
        if mine is not None:
            merged[account_id] = [
                mine[0] + sums[0],
                mine[1] + sums[1],
                min(mine[2], sums[2]),
                max(mine[3], sums[3]),
            ]
    return merged
