"""Stored value as the rest of the wallet sees it: points and kitty in ``points``, prepaid money in ``ledger``.

The id of a leg is the id of its hold, so that every call may be repeated as it is; an
outcome that is unknown is found out by calling again. Nothing but balances raises.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.common.kernel.errors import Unavailable
from services.common.kernel.loyalty import LoyaltyAmount
from services.wallet.clients.answer import CallAnswer


class BalancesUnavailable(Unavailable):
    """Points or ledger did not tell what the shopper has; nothing was written."""

    reason = "BALANCES_UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueHold:
    """Points or kitty of a shopper to be held for a leg."""

    leg_id: UUID
    customer_id: UUID
    amount: LoyaltyAmount
    expire_time: datetime
    """Business time from which the hold is void by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyHold:
    """Prepaid money of a shopper to be held for a leg."""

    leg_id: UUID
    payment_id: UUID
    customer_id: UUID
    amount_minor: int
    currency_code: str
    expire_time: datetime
    """Business time from which the hold is void by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueBalances:
    """What a shopper can spend now, holds deducted; zeros where points knows no such member."""

    points: int
    kitty_minor: int


class ValueHolds(Protocol):
    """What the wallet asks of ``points``."""

    @property
    def in_doubt(self) -> bool:
        """Whether the last call got no answer: ask for something that holds nothing before a hold is begun."""

    async def hold(self, command: ValueHold) -> CallAnswer:
        """Hold the quantity, whole or not at all. DECLINED has the reason of points."""

    async def release(self, leg_id: UUID) -> CallAnswer:
        """Give a hold back. DECLINED: it was spent."""

    async def balances(self, customer_id: UUID) -> ValueBalances:
        """Tell what the shopper has.

        Raises:
            BalancesUnavailable: points did not answer in time.
        """


class MoneyHolds(Protocol):
    """What the wallet asks of ``ledger``."""

    @property
    def in_doubt(self) -> bool:
        """Whether the last call got no answer: ask for something that holds nothing before a hold is begun."""

    async def hold(self, command: MoneyHold) -> CallAnswer:
        """Hold the amount, whole or not at all. DECLINED has the reason of the ledger."""

    async def release(self, leg_id: UUID, *, payment_id: UUID) -> CallAnswer:
        """Void a hold. DECLINED: it was posted."""

    async def prepaid_minor(self, customer_id: UUID) -> int:
        """Tell what the shopper can spend of the prepaid balance, in minor units of EUR.

        Raises:
            BalancesUnavailable: the ledger did not answer in time.
        """
