"""What a shopper can spend now: asked of points and ledger, together, and only where it matters."""

import asyncio
from collections.abc import Collection
from typing import Final
from uuid import UUID

from services.wallet.clients.stored_value import MoneyHolds, ValueBalances, ValueHolds
from services.wallet.domain.planner import Funds
from services.wallet.domain.tender import TenderKind

_NO_VALUE: Final = ValueBalances(points=0, kitty_minor=0)


class ReadFunds:
    """Asks for the balances that tenders need."""

    def __init__(self, values: ValueHolds, moneys: MoneyHolds) -> None:
        """Take whom to ask."""
        self._values = values
        self._moneys = moneys

    async def __call__(self, customer_id: UUID, kinds: Collection[TenderKind]) -> Funds:
        """Give what a shopper has of these means; 0 of the others.

        Raises:
            BalancesUnavailable: one of them did not tell.
        """
        values, prepaid_minor = await asyncio.gather(
            self._value(customer_id, kinds), self._money(customer_id, kinds)
        )
        return Funds(
            kitty_minor=values.kitty_minor, points=values.points, prepaid_minor=prepaid_minor
        )

    async def prepaid_minor(self, customer_id: UUID) -> int:
        """Give the prepaid balance in minor units, holds deducted.

        Raises:
            BalancesUnavailable: the ledger did not tell.
        """
        return await self._moneys.prepaid_minor(customer_id)

    async def _value(self, customer_id: UUID, kinds: Collection[TenderKind]) -> ValueBalances:
        if not any(kind.is_loyalty for kind in kinds):
            return _NO_VALUE
        return await self._values.balances(customer_id)

    async def _money(self, customer_id: UUID, kinds: Collection[TenderKind]) -> int:
        if TenderKind.PREPAID not in kinds:
            return 0
        return await self._moneys.prepaid_minor(customer_id)
