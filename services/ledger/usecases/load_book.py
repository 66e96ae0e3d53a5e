"""Fill the book of a batch: accounts that are remembered, the others from the tables, and named holds and originals."""

from collections.abc import Iterable, Mapping, Sequence

from services.common.runtime.database import Connection
from services.ledger.domain.account import Account
from services.ledger.domain.batch import Needs
from services.ledger.domain.book import Book, Hold, HoldState, Openable, Original
from services.ledger.domain.journal import Posting
from services.ledger.domain.transaction import Layer
from services.ledger.store import accounts, transactions
from services.ledger.store.accounts import AccountDirectory
from services.ledger.store.transactions import Target
from services.ledger.usecases.standing import Standing


class BookLoader:
    """Loads books of one shard upon what is standing. What it reads is true while the shard's head does not move."""

    def __init__(self, directory: AccountDirectory, chart: Openable, *, shard_id: int) -> None:
        self._directory = directory
        self._chart = chart
        self._shard_id = shard_id

    def open_book(self, standing: Standing, needs: Needs) -> Book:
        """Give a book with the accounts that are remembered; those that it opens will be, too."""
        book = Book(
            shard_id=self._shard_id,
            seq=standing.head.seq,
            chart=self._chart,
            targets=needs.targets,
        )
        book.adopt_accounts(standing.accounts, standing.accounts_by_id)
        return book

    async def remember(self, conn: Connection, standing: Standing, names: Iterable[str]) -> None:
        """Read accounts that are not standing yet; names under which nothing is open are left out."""
        found = await self._directory.by_name(conn, standing.missing(names))
        await self._read_balances(conn, standing, found.values())

    async def load(self, conn: Connection, standing: Standing, needs: Needs) -> Book:
        """Give a book with all that a batch touches, holds and originals included."""
        await self.remember(conn, standing, needs.names)
        if not needs.targets:
            return self.open_book(standing, needs)
        targets = await transactions.load_targets(conn, self._shard_id, needs.targets)
        of_targets = {posting.account_id for _, postings in targets for posting in postings}
        by_id = await self._directory.by_id(conn, of_targets) if of_targets else {}
        unknown = [a for a in by_id.values() if a.name not in standing.accounts]
        await self._read_balances(conn, standing, unknown)
        book = self.open_book(standing, needs)
        for target, postings in targets:
            _load_target(book, target, postings, by_id)
        return book

    @staticmethod
    async def _read_balances(
        conn: Connection, standing: Standing, unknown: Iterable[Account]
    ) -> None:
        by_id = {account.account_id: account for account in unknown}
        if not by_id:
            return
        balances = await accounts.read_balances(conn, list(by_id))
        for account_id, account in by_id.items():
            standing.remember(balances[account_id].state_of(account))


def _load_target(
    book: Book, target: Target, postings: Sequence[Posting], by_id: Mapping[int, Account]
) -> None:
    """Add a hold or an original, from what its postings, and those of its reversals, say."""
    held: list[tuple[str, int]] = []
    left: dict[str, int] = {}
    for posting in postings:
        name = by_id[posting.account_id].name
        if posting.layer == Layer.SETTLED:
            left[name] = left.get(name, 0) + posting.amount
        else:
            held.append((name, posting.amount))
    if target.state is not None:
        assert target.expire_time is not None, "every hold has its time"
        book.holds[target.transaction_id] = Hold(
            target.transaction_id,
            tuple(held),
            target.expire_time,
            HoldState(target.state),
            target.resolve_seq,
        )
    book.originals[target.transaction_id] = Original(
        target.kind, target.basis, tuple((name, rest) for name, rest in left.items() if rest)
    )
