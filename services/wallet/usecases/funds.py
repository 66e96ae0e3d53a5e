"""What a shopper can spend now: asked of points and ledger, together, and only where it matters."""

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

from services.wallet.clients.stored_value import MoneyHolds, ValueBalances, ValueHolds
from services.wallet.domain.planner import Funds, undetermined
from services.wallet.domain.tender import TenderKind, TenderRequest


class ReadFunds:
    """Asks for the balances that tenders need."""

    def __init__(self, values: ValueHolds, moneys: MoneyHolds) -> None:
        """Take whom to ask."""
        self._values = values
        self._moneys = moneys

    def to_ask(self, requests: Sequence[TenderRequest]) -> frozenset[TenderKind]:
        """Give the means of which a plan has to know what they have.

        An exact amount need not be asked for: its hold tells. But where the last call got no answer, a hold would
        leave the shopper waiting for the end of the trouble; a question that fails leaves nothing behind.
        """
        unsure = {request.kind for request in requests if self._in_doubt(request.kind)}
        return undetermined(requests) | unsure

    def _in_doubt(self, kind: TenderKind) -> bool:
        match kind:
            case TenderKind.KITTY | TenderKind.POINTS:
                return self._values.in_doubt
            case TenderKind.PREPAID:
                return self._moneys.in_doubt
            case TenderKind.CARD:
                return False

    async def __call__(self, customer_id: UUID, kinds: Collection[TenderKind]) -> Funds:
        """Give what a shopper has of these means, and nothing about the others.

        Raises:
            BalancesUnavailable: one of them did not tell.
        """
        of_value = any(kind.is_loyalty for kind in kinds)
        of_money = TenderKind.PREPAID in kinds
        if of_value and of_money:
            values, prepaid_minor = await asyncio.gather(
                self._values.balances(customer_id), self._moneys.prepaid_minor(customer_id)
            )
            return _funds(values)._replace(prepaid_minor=prepaid_minor)
        if of_value:
            return _funds(await self._values.balances(customer_id))
        if of_money:
            return Funds(prepaid_minor=await self._moneys.prepaid_minor(customer_id))
        return Funds()

    async def prepaid_minor(self, customer_id: UUID) -> int:
        """Give the prepaid balance in minor units, holds deducted.

        Raises:
            BalancesUnavailable: the ledger did not tell.
        """
        return await self._moneys.prepaid_minor(customer_id)


def _funds(values: ValueBalances) -> Funds:
    return Funds(kitty_minor=values.kitty_minor, points=values.points)
