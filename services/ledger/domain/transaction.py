"""Commands and outcomes: what callers ask of the ledger and what it answers.

Amounts are signed inside the ledger, **credit positive**: a customer's money is a debt, so a floor of zero reads
naturally. The sides DEBIT and CREDIT exist only at the door.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from services.common.kernel.errors import InvalidArgument

AMOUNT_MAX: Final = 10**12
"""Largest amount of one leg, in smallest units: ten billion euros. Sums of a day stay far inside 64 bits."""


class Kind(IntEnum):
    """What a recorded transaction does. The numbers are stored and hashed: they never change."""

    POSTED = 1
    HOLD = 2
    HOLD_POSTED = 3
    HOLD_VOIDED = 4
    REVERSAL = 5
    HOLD_EXPIRED = 6


class Basis(IntEnum):
    """For whose books a transaction counts."""

    COMMON = 1
    FR_GAAP = 2
    IFRS = 3


class Layer(IntEnum):
    """Which of an account's three balances a posting changes.

    HELD_OUT counts what open holds may take (its balance is the negative of ``pending_out``), HELD_IN what they may
    bring.
    """

    SETTLED = 0
    HELD_OUT = 1
    HELD_IN = 2


class Refusal(IntEnum):
    """Why a command is refused; the numbers of ``cagnotte.ledger.v1.ErrorReason``, stored as ``transaction.status``."""

    REQUEST_ID_REUSED = 1
    ACCOUNT_NOT_FOUND = 2
    ASSET_MISMATCH = 3
    INSUFFICIENT_FUNDS = 4
    BALANCE_OVERFLOW = 5
    HOLD_NOT_FOUND = 6
    HOLD_CLOSED = 7
    HOLD_EXPIRED = 8
    PART_EXCEEDS_WHOLE = 9
    EXPIRE_TIME_PASSED = 10
    TRANSACTION_NOT_FOUND = 11
    ALREADY_REVERSED = 12
    NOT_REVERSIBLE = 13
    LINK_GROUP_FAILED = 14
    ACCOUNT_DIFFERS = 15


ACCEPTED: Final = 0
"""The ``status`` of an accepted transaction; any other value is a :class:`Refusal`."""


class Leg(NamedTuple):
    """One leg: a signed amount (credit positive) in the smallest unit of an asset, on one account."""

    account: str
    amount: int
    asset: str


class TransactionCommand(NamedTuple):
    """One transaction to decide.

    ``legs`` is empty for the whole of a hold or of an original. ``target_id`` names the hold to end or the transaction
    to reverse. ``effective_time`` is None for "when it is recorded". ``request_hash`` covers the content as the caller
    sent it and tells a retry from a reused id.
    """

    transaction_id: UUID
    kind: Kind
    legs: tuple[Leg, ...]
    effective_time: datetime | None
    basis: Basis
    purpose: str
    reference: str
    target_id: UUID | None
    expire_time: datetime | None
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """Open an account; its name is the key that makes a retry safe."""

    name: str
    asset: str
    floor: int | None
    gl_code: str


@dataclass(frozen=True, slots=True)
class LinkedGroup:
    """Transactions decided all or nothing, in their order."""

    commands: tuple[TransactionCommand, ...]


class Outcome(NamedTuple):
    """What became of one command. ``seq`` is 0 when nothing was recorded under this content."""

    transaction_id: UUID
    status: int
    seq: int
    recorded_time: datetime
    replayed: bool

    @property
    def refusal(self) -> Refusal | None:
        """Why it was refused, or None when it was accepted."""
        return Refusal(self.status) if self.status else None


class NotBalanced(InvalidArgument):
    """The legs do not sum to zero per asset. Nothing is recorded."""

    reason: ClassVar[str] = "NOT_BALANCED"


class AccountRepeated(InvalidArgument):
    """Two legs name one account, whose single posting would have to say one amount. Nothing is recorded."""

    reason: ClassVar[str] = "ACCOUNT_REPEATED"


class EffectiveTimeOutOfRange(InvalidArgument):
    """A transaction would count further ahead than settlement ever does: a mistake. Nothing is recorded."""

    reason: ClassVar[str] = "EFFECTIVE_TIME_OUT_OF_RANGE"


class InvalidCommand(InvalidArgument):
    """A field breaks a rule that the protos cannot state. Nothing is recorded."""

    reason: ClassVar[str] = "INVALID_COMMAND"


class RequestIdReused(InvalidArgument):
    """The id was used before with other content. The first answer stands."""

    reason: ClassVar[str] = "REQUEST_ID_REUSED"


_REPEATED: Final = "an account occurs twice"


def repeated_leg(legs: Sequence[Leg]) -> int | None:
    """Give the place of the first leg whose account an earlier leg names, or None."""
    seen: set[str] = set()
    for place, leg in enumerate(legs):
        if leg.account in seen:
            return place
        seen.add(leg.account)
    return None


def leg_fault(legs: Sequence[Leg]) -> str | None:
    """Say what is wrong with the legs of one command, or None.

    Two legs of one asset are by far the most common shape and are checked first, without a dictionary.
    """
    if len(legs) == 2:  # noqa: PLR2004 -- the shape itself
        first, second = legs
        if first.account == second.account:
            return _REPEATED
        if first.asset == second.asset and first.amount + second.amount == 0:
            return None
    elif len({leg.account for leg in legs}) != len(legs):
        return _REPEATED
    sums: dict[str, int] = {}
    for leg in legs:
        sums[leg.asset] = sums.get(leg.asset, 0) + leg.amount
    for asset, total in sums.items():
        if total:
            return f"debits and credits of {asset} differ by {abs(total)}"
    return None
