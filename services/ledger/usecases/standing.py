"""What the writer remembers between batches: the accounts as the last folded batch left them, and the head it made."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from services.common.runtime.journal import Head
from services.ledger.domain.account import AccountState
from services.ledger.domain.batch import Changes, Result
from services.ledger.domain.book import Book


@dataclass(slots=True, eq=False)
class Standing:
    """The accounts that recent batches touched, and the head that the last of these batches makes.

    Whatever is folded upon it stands or falls with the batches before: ``broken`` says that one of them was not
    written as it was folded, or may not have been.
    """

    head: Head
    accounts: dict[str, AccountState] = field(default_factory=dict)
    broken: bool = False

    def missing(self, names: Iterable[str]) -> list[str]:
        """Give those of ``names`` that are not remembered."""
        return [name for name in names if name not in self.accounts]

    def advance(self, book: Book, changes: Changes, head: Head) -> None:
        """Go on to the head that a folded batch makes, with the accounts that it opened."""
        for account in changes.opened:
            self.accounts[account.name] = book.accounts[account.name]
        self.head = head


@dataclass(frozen=True, slots=True)
class Folded:
    """A batch that is decided and not yet written.

    ``changes`` and the holds of ``book`` are its own; the accounts of ``book`` go on changing under the next batch.
    """

    standing: Standing
    before: Head
    after: Head
    recorded_time: datetime
    book: Book
    changes: Changes
    results: list[Result]

    @property
    def empty(self) -> bool:
        """Tell that there is nothing to write: every outcome was known already, or leaves no trace."""
        return self.after.seq == self.before.seq
