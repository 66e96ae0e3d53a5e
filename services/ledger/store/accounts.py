"""Accounts and their balances."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.common.runtime.database import Connection, load_queries
from services.ledger.domain.account import Account, AccountSpec, AccountState
from services.ledger.domain.transaction import Layer

QUERIES: Final = load_queries(__package__, "accounts.sql")


class Balances(NamedTuple):
    """The three balances of an account, credit positive but ``pending_out``."""

    posted: int
    pending_out: int
    pending_in: int

    def state_of(self, account: Account) -> AccountState:
        """Give an account with these balances, to be folded upon."""
        spec = AccountSpec(account.name, account.asset, account.floor, account.gl_code)
        return AccountState(spec, account, **self._asdict())


class StatementRow(NamedTuple):
    """One posting of an account with its transaction."""

    transaction_id: UUID
    seq: int
    effective_time: datetime
    recorded_time: datetime
    purpose: str
    reference: str
    layer: int
    amount: int
    balance_after: int


class AccountDirectory:
    """Accounts by name and by id, the most recently used ones in memory.

    Accounts never change, so nothing here ever goes stale; balances are never kept. One directory serves one shard.
    """

    def __init__(self, *, shard_id: int, size_max: int) -> None:
        assert size_max > 0, "an empty directory would read every batch"
        self._shard_id = shard_id
        self._size_max = size_max
        self._by_name: OrderedDict[str, Account] = OrderedDict()
        self._by_id: dict[int, Account] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def remember(self, accounts: Iterable[Account]) -> None:
        """Keep committed accounts, forgetting those that were not used for longest."""
        for account in accounts:
            self._by_name[account.name] = account
            self._by_id[account.account_id] = account
        while len(self._by_name) > self._size_max:
            _, forgotten = self._by_name.popitem(last=False)
            del self._by_id[forgotten.account_id]

    async def by_name(self, conn: Connection, names: Collection[str]) -> dict[str, Account]:
        """Find the open accounts among these names; the others are simply not in the answer."""
        found: dict[str, Account] = {}
        missing: list[str] = []
        for name in names:
            account = self._by_name.get(name)
            if account is None:
                missing.append(name)
            else:
                self._by_name.move_to_end(name)
                found[name] = account
        if missing:
            rows = await conn.fetch(QUERIES["accounts_by_name"], self._shard_id, missing)
            read = [Account(*row) for row in rows]
            self.remember(read)
            found.update((account.name, account) for account in read)
        return found

    async def by_id(self, conn: Connection, account_ids: Collection[int]) -> dict[int, Account]:
        """Find accounts by their ids, which exist."""
        found = {i: self._by_id[i] for i in account_ids if i in self._by_id}
        missing = [account_id for account_id in account_ids if account_id not in found]
        if missing:
            rows = await conn.fetch(QUERIES["accounts_by_id"], missing)
            read = [Account(*row) for row in rows]
            self.remember(read)
            found.update((account.account_id, account) for account in read)
        assert len(found) == len(set(account_ids)), "postings name open accounts"
        return found


async def read_balances(conn: Connection, account_ids: Sequence[int]) -> Mapping[int, Balances]:
    """Read the balances of open accounts. They are true as long as the shard's head stands where it did."""
    rows = await conn.fetch(QUERIES["read_balances"], account_ids)
    assert len(rows) == len(account_ids), "every open account has a balance"
    return {row[0]: Balances(row[1], row[2], row[3]) for row in rows}


async def balance_now(conn: Connection, account_id: int) -> tuple[Balances, int]:
    """Give the balances now, and the journal's number that they count."""
    row = await conn.fetchrow(QUERIES["balance_now"], account_id)
    assert row is not None, "every open account has a balance"
    return Balances(row[0], row[1], row[2]), row[3]


async def seq_as_of_recorded(conn: Connection, shard_id: int, recorded_time: datetime) -> int:
    """Give the last number recorded at or before a time, 0 before the first."""
    seq = await conn.fetchval(QUERIES["seq_as_of_recorded"], shard_id, recorded_time)
    return seq or 0


async def balance_as_of_seq(conn: Connection, account_id: int, seq: int) -> Balances:
    """Give the balances as a number of the journal left them."""
    rows = await conn.fetch(QUERIES["balance_as_of_seq"], account_id, seq)
    by_layer = {row[0]: row[1] for row in rows}
    return Balances(
        by_layer.get(Layer.SETTLED, 0),
        -by_layer.get(Layer.HELD_OUT, 0),
        by_layer.get(Layer.HELD_IN, 0),
    )


async def balance_as_of_effective(
    conn: Connection,
    account_id: int,
    *,
    effective_day: date,
    effective_time: datetime,
    day_start: datetime,
) -> int:
    """Give the settled balance that takes effect at or before a time, whose business day is given with its start."""
    posted = await conn.fetchval(
        QUERIES["balance_as_of_effective"], account_id, effective_day, effective_time, day_start
    )
    return int(posted)


async def statement(
    conn: Connection, account_id: int, *, before: tuple[int, int], limit: int
) -> list[StatementRow]:
    """Give postings of an account, newest first, that lie before a place (seq, layer)."""
    rows = await conn.fetch(QUERIES["statement"], account_id, before[0], before[1], limit)
    return [StatementRow._make(row) for row in rows]
