"""Read accounts: the account, its balances now and as of any time, its statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.common.kernel.clock import business_date, start_of_business_day
from services.common.runtime.database import Connection, Database
from services.common.runtime.journal import read_head
from services.ledger.domain.account import Account, AccountNotFound
from services.ledger.store import accounts
from services.ledger.store.accounts import AccountDirectory, Balances, StatementRow


@dataclass(frozen=True, slots=True)
class BalanceView:
    """An account's balances at one moment; ``seq`` is the last number of the journal that they count."""

    account: Account
    balances: Balances
    seq: int

    @property
    def available(self) -> int | None:
        """What can still go out, or None where nothing bounds it."""
        if self.account.floor is None:
            return None
        return self.balances.posted - self.balances.pending_out - self.account.floor


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Lines of a statement, newest first; ``next_place`` is where the next page begins, or None at the end."""

    account: Account
    rows: Sequence[StatementRow]
    next_place: tuple[int, int] | None


class ReadAccounts:
    """Reads of accounts. Each is by index and sees one moment of the data."""

    def __init__(self, db: Database, directory: AccountDirectory) -> None:
        self._db = db
        self._directory = directory

    async def account(self, name: str) -> Account:
        """Read an account.

        Raises:
            AccountNotFound: nobody opened it.
        """
        async with self._db.connection() as conn:
            return await self._find(conn, name)

    async def balance_now(self, name: str) -> BalanceView:
        """Read the balances now."""
        async with self._db.connection() as conn:
            account = await self._find(conn, name)
            balances, seq = await accounts.balance_now(conn, account.account_id)
        return BalanceView(account, balances, seq)

    async def balance_as_of_recorded(self, name: str, recorded_time: datetime) -> BalanceView:
        """Read the balances as everything recorded at or before a time left them."""
        async with self._db.connection() as conn:
            account = await self._find(conn, name)
            seq = await accounts.seq_as_of_recorded(conn, account.shard_id, recorded_time)
            balances = await accounts.balance_as_of_seq(conn, account.account_id, seq)
        return BalanceView(account, balances, seq)

    async def balance_as_of_effective(self, name: str, effective_time: datetime) -> BalanceView:
        """Read the settled balance of what takes effect at or before a time, whenever it was recorded.

        Holds have no effective time, so they count as nothing here.
        """
        day = business_date(effective_time)
        async with self._db.snapshot() as conn:
            account = await self._find(conn, name)
            head = await read_head(conn, account.shard_id)
            posted = await accounts.balance_as_of_effective(
                conn,
                account.account_id,
                effective_day=day,
                effective_time=effective_time,
                day_start=start_of_business_day(day),
            )
        return BalanceView(account, Balances(posted, 0, 0), head.seq)

    async def statement(self, name: str, *, before: tuple[int, int], limit: int) -> StatementPage:
        """Read a page of the statement: at most ``limit`` lines that lie before a place (seq, layer)."""
        async with self._db.connection() as conn:
            account = await self._find(conn, name)
            rows = await accounts.statement(
                conn, account.account_id, before=before, limit=limit + 1
            )
        page = rows[:limit]
        more = len(rows) > limit
        return StatementPage(account, page, (page[-1].seq, page[-1].layer) if more else None)

    async def _find(self, conn: Connection, name: str) -> Account:
        account = (await self._directory.by_name(conn, [name])).get(name)
        if account is None:
            raise AccountNotFound("No account of this name is open.", account=name)
        return account
