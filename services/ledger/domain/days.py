"""Sums by day: what makes balances as of an effective time and the trial balance index reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from services.common.kernel.clock import business_date
from services.ledger.domain.account import Account
from services.ledger.domain.journal import Recorded
from services.ledger.domain.transaction import Layer

_SETTLED: Final = int(Layer.SETTLED)


AccountDay = tuple[int, date]
"""One account on one effective business day: ``account_id``, ``effective_day``."""

GlDay = tuple[str, str, int, date, date]
"""``gl_code``, ``asset``, ``basis``, ``effective_day``, ``recorded_day``: a GL account, as recorded on one day."""


@dataclass(slots=True)
class DaySums:
    """Debits and credits of settled postings, by account and day and by GL account and day.

    A value of ``accounts`` is [debit, credit, first seq, last seq], of ``gl`` [debit, credit]; all positive.
    """

    accounts: dict[AccountDay, list[int]] = field(default_factory=dict)
    gl: dict[GlDay, list[int]] = field(default_factory=dict)
    _last: tuple[datetime, date] | None = None

    def _day_of(self, recorded_time: datetime) -> date:
        """Give the business day of a time of recording, which is one and the same for a whole batch."""
        if self._last is None or self._last[0] is not recorded_time:
            self._last = recorded_time, business_date(recorded_time)
        return self._last[1]

    def add(self, recorded: Recorded, accounts: Mapping[int, Account]) -> None:
        """Add the settled postings of one transaction. ``accounts`` is by id."""
        entry, postings = recorded
        if not postings:
            return
        recorded_day = self._day_of(entry.recorded_time)
        day = recorded_day
        if entry.effective_time is not entry.recorded_time:
            day = business_date(entry.effective_time)
        seq, basis = entry.seq, entry.basis
        for account_id, _, layer, amount, _, _ in postings:
            if layer != _SETTLED:
                continue
            debit, credit = (-amount, 0) if amount < 0 else (0, amount)
            key = (account_id, day)
            sums = self.accounts.get(key)
            if sums is None:
                self.accounts[key] = [debit, credit, seq, seq]
            else:
                sums[0] += debit
                sums[1] += credit
                sums[3] = seq
            account = accounts[account_id]
            gl_key = (account.gl_code, account.asset, basis, day, recorded_day)
            gl_sums = self.gl.get(gl_key)
            if gl_sums is None:
                gl_sums = self.gl[gl_key] = [0, 0]
            gl_sums[0] += debit
            gl_sums[1] += credit
