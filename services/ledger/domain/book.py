"""The working set of one batch: what the fold reads and changes.

The use case fills a book with the locked rows that the commands touch, folds the commands over it, and writes what the
book has gathered. A book is mutable for speed; folding the same commands over equal books gives equal results.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import partial
from typing import NamedTuple, Protocol
from uuid import UUID

from services.ledger.domain.account import (
    Account,
    AccountSpec,
    AccountState,
    account_id_of,
)
from services.ledger.domain.journal import Entry, JournalFact


class Openable(Protocol):
    """What opens accounts by name: the chart."""

    def spec_for(self, name: str) -> AccountSpec | None:
        """Describe the account that a name opens by itself, or None."""


class Frozen(NamedTuple):
    """The part of a recorded transaction that answers a retry, as it is read."""

    request_hash: bytes
    status: int
    seq: int
    recorded_time: datetime


class HoldState(IntEnum):
    """Where a hold stands. The numbers are stored: they never change."""

    OPEN = 0
    POSTED = 1
    VOIDED = 2
    EXPIRED = 3


@dataclass(slots=True)
class Hold:
    """A hold inside a batch. ``legs`` gives the signed amount that it reserves on each account."""

    hold_id: UUID
    legs: tuple[tuple[str, int], ...]
    expire_time: datetime
    state: HoldState
    resolve_seq: int | None

    def restore(self) -> None:
        """Open it again: the undo of a linked group, since only an open hold changes."""
        self.state = HoldState.OPEN
        self.resolve_seq = None


@dataclass(slots=True)
class Original:
    """An accepted transaction that a reversal names.

    ``left`` is what of its settled legs no reversal has taken back yet, signed: empty once all is.
    """

    kind: int
    basis: int
    left: tuple[tuple[str, int], ...]

    def take_back(self, part: Mapping[str, int]) -> None:
        """Leave what a part of the legs, as the original moved it, does not take."""
        self.left = tuple(
            (name, rest) for name, amount in self.left if (rest := amount - part.get(name, 0))
        )

    def restore(self, left: tuple[tuple[str, int], ...]) -> None:
        """Forget a reversal: the undo of a linked group."""
        self.left = left


class Book:
    """One shard's working set for one batch.

    ``targets`` are the ids that commands of this batch name as originals: what the batch itself records under them must
    be kept. ``journal`` gathers the batch's facts in the order of their numbers.
    """

    __slots__ = (
        "accounts",
        "accounts_by_id",
        "chart",
        "ended_holds",
        "frozen",
        "holds",
        "journal",
        "new_holds",
        "originals",
        "reversals",
        "seq",
        "shard_id",
        "targets",
        "undo",
    )

    def __init__(
        self, *, shard_id: int, seq: int, chart: Openable, targets: Collection[UUID] = ()
    ) -> None:
        self.shard_id = shard_id
        self.seq = seq
        self.chart = chart
        self.targets = frozenset(targets)
        self.accounts: dict[str, AccountState] = {}
        self.accounts_by_id: dict[int, AccountState] = {}
        self.frozen: dict[UUID, Frozen | Entry] = {}
        self.holds: dict[UUID, Hold] = {}
        self.originals: dict[UUID, Original] = {}
        self.journal: list[JournalFact] = []
        self.new_holds: list[Hold] = []
        self.ended_holds: list[Hold] = []
        self.reversals: list[tuple[UUID, int]] = []
        self.undo: list[Callable[[], object]] | None = None

    def load_account(
        self, account: Account, *, posted: int, pending_out: int, pending_in: int
    ) -> None:
        """Add an open account with the balances of its locked row."""
        spec = AccountSpec(account.name, account.asset, account.floor, account.gl_code)
        state = AccountState(
            spec, account, posted=posted, pending_out=pending_out, pending_in=pending_in
        )
        self.accounts[account.name] = self.accounts_by_id[account.account_id] = state

    def adopt_accounts(
        self, accounts: dict[str, AccountState], accounts_by_id: dict[int, AccountState]
    ) -> None:
        """Go on from the accounts that earlier batches have left, in these very dictionaries."""
        self.accounts, self.accounts_by_id = accounts, accounts_by_id

    def find_account(self, name: str) -> AccountState | None:
        """Give an account's state: open, or planned when the chart opens its name by itself."""
        state = self.accounts.get(name)
        if state is None and (spec := self.chart.spec_for(name)) is not None:
            state = AccountState(spec, None, posted=0, pending_out=0, pending_in=0)
        return state

    def open_account(self, state: AccountState, *, now: datetime) -> Account:
        """Open a planned account: the next fact of the journal."""
        assert state.account is None, "an account opens once"
        spec = state.spec
        self.seq += 1
        account = Account(
            account_id=account_id_of(shard_id=self.shard_id, open_seq=self.seq),
            shard_id=self.shard_id,
            open_seq=self.seq,
            name=spec.name,
            asset=spec.asset,
            floor=spec.floor,
            gl_code=spec.gl_code,
            open_time=now,
        )
        state.open(account)
        self.accounts[spec.name] = self.accounts_by_id[account.account_id] = state
        self.journal.append(account)
        if self.undo is not None:
            self.undo.append(partial(self._close_account, account))
        return account

    def _close_account(self, account: Account) -> None:
        """Take an opening back: the undo of a linked group."""
        del self.accounts[account.name], self.accounts_by_id[account.account_id]

    def begin_group(self) -> "Mark":
        """Start to keep an undo list, for a linked group."""
        assert self.undo is None, "groups do not nest"
        self.undo = []
        return Mark(
            self.seq,
            len(self.journal),
            len(self.new_holds),
            len(self.ended_holds),
            len(self.reversals),
        )

    def end_group(self) -> None:
        """Keep what the group did."""
        self.undo = None

    def roll_back(self, mark: "Mark") -> None:
        """Take back all that happened since ``begin_group`` gave the mark."""
        assert self.undo is not None, "there is nothing to take back"
        for step in reversed(self.undo):
            step()
        self.undo = None
        self.seq = mark.seq
        del self.journal[mark.journal :]
        del self.new_holds[mark.new_holds :]
        del self.ended_holds[mark.ended_holds :]
        del self.reversals[mark.reversals :]

    def balances(self) -> Mapping[str, tuple[int, int, int]]:
        """Give (posted, pending_out, pending_in) by account name."""
        return {
            name: (state.posted, state.pending_out, state.pending_in)
            for name, state in self.accounts.items()
        }


class Mark(NamedTuple):
    """Where a book stood when a linked group began."""

    seq: int
    journal: int
    new_holds: int
    ended_holds: int
    reversals: int
