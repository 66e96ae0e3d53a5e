"""Accounts and their balances."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from services.common.kernel.errors import AlreadyExists, NotFound

SHARD_SHIFT: Final = 48
"""Bits of an account id below its shard: room for 281 trillion journal numbers a shard."""

BALANCE_MAX: Final = 2**63 - 1
"""Largest absolute balance: PostgreSQL's ``bigint``."""


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """What a chart or a caller says about an account before it is open."""

    name: str
    asset: str
    floor: int | None
    gl_code: str


@dataclass(frozen=True, slots=True)
class Account:
    """An open account. It never changes; ``account_id`` never leaves the service."""

    account_id: int
    shard_id: int
    open_seq: int
    name: str
    asset: str
    floor: int | None
    gl_code: str
    open_time: datetime

    def matches(self, spec: AccountSpec) -> bool:
        """Tell whether opening it again with ``spec`` would ask for the same account."""
        return (self.name, self.asset, self.floor, self.gl_code) == (
            spec.name,
            spec.asset,
            spec.floor,
            spec.gl_code,
        )


class AccountNotFound(NotFound):
    """No account of this name is open."""

    reason: ClassVar[str] = "ACCOUNT_NOT_FOUND"


class TransactionNotFound(NotFound):
    """No transaction of this id is recorded."""

    reason: ClassVar[str] = "TRANSACTION_NOT_FOUND"


class AccountDiffers(AlreadyExists):
    """An account of this name is open with another asset, floor or GL code."""

    reason: ClassVar[str] = "ACCOUNT_DIFFERS"


def account_id_of(*, shard_id: int, open_seq: int) -> int:
    """Derive an account's id from the place of its opening in the journal: unique without a sequence of its own."""
    return shard_id << SHARD_SHIFT | open_seq


class AccountState:
    """The balances of one account inside a batch: the fold's working copy of a locked row.

    ``account`` is None while the account is only planned: a command names it, a pattern of the chart describes it,
    and it opens when the command is accepted. What a fold asks for again and again lies beside the balances.
    """

    __slots__ = (
        "account",
        "account_id",
        "asset",
        "floor",
        "gl_key",
        "pending_in",
        "pending_out",
        "posted",
        "spec",
    )

    def __init__(
        self,
        spec: AccountSpec,
        account: Account | None,
        *,
        posted: int,
        pending_out: int,
        pending_in: int,
    ) -> None:
        self.spec = spec
        self.asset = spec.asset
        self.floor = spec.floor
        self.gl_key = spec.gl_code, spec.asset
        self.account: Account | None = None
        self.account_id = 0
        if account is not None:
            self.open(account)
        self.posted = posted
        self.pending_out = pending_out
        self.pending_in = pending_in

    def open(self, account: Account) -> None:
        """Take the account that was opened as planned, or read."""
        self.account = account
        self.account_id = account.account_id

    def restore(self, posted: int, pending_out: int, pending_in: int) -> None:
        """Put back balances taken earlier: the undo of a linked group."""
        self.posted = posted
        self.pending_out = pending_out
        self.pending_in = pending_in
