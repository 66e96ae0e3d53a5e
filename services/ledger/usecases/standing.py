"""What the writer remembers between batches: the accounts as the last folded batch left them, and the head it made."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from services.common.runtime.journal import Head
from services.ledger.domain.account import AccountState
from services.ledger.domain.batch import Changes, Result
from services.ledger.domain.book import Book
from services.ledger.store.copy_rows import JournalRows
from services.ledger.store.sums import Carrying, Sums


@dataclass(slots=True, eq=False)
class Standing:
    """The accounts that recent batches touched, and the head that the last of these batches makes.

    Whatever is folded upon it stands or falls with the batches before: ``broken`` says that one of them was not
    written as it was folded, or may not have been. ``recorded_time`` is when the head was made: nothing is recorded
    earlier, whatever a clock says that was set back, or another process's before it.
    """

    head: Head
    recorded_time: datetime
    accounts: dict[str, AccountState] = field(default_factory=dict)
    accounts_by_id: dict[int, AccountState] = field(default_factory=dict)
    carrying: Carrying = field(default_factory=Carrying)
    broken: asyncio.Event = field(default_factory=asyncio.Event)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Give those of ``names`` that are not remembered."""
        return [name for name in names if name not in self.accounts]

    def remember(self, state: AccountState) -> None:
        """Keep an open account, as it was read."""
        self.accounts[state.spec.name] = self.accounts_by_id[state.account_id] = state


@dataclass(frozen=True, slots=True)
class Folded:
    """A batch that is decided and not yet written.

    ``changes`` and the holds of ``book`` are its own; the accounts of ``book`` go on changing under the next batch.
    ``rows`` are the journal's as they will be written, or None for a small batch, which is one statement.
    """

    standing: Standing
    before: Head
    after: Head
    recorded_time: datetime
    book: Book
    changes: Changes
    sums: Sums
    rows: JournalRows | None
    results: list[Result]

    @property
    def empty(self) -> bool:
        """Tell that there is nothing to write: every outcome was known already, or leaves no trace."""
        return self.after.seq == self.before.seq
