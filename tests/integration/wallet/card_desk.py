"""A desk where new shoppers pay by card, through the Stripe adapter, at the sandbox provider."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from services.common.kernel.ids import new_uuid7
from services.wallet.clients.provider import CardCall
from services.wallet.clients.stripe import StripeProvider, open_stripe
from services.wallet.domain.leg import LegPhase
from tests.integration.wallet.sandbox import KEY, Sandbox

AMOUNT_MINOR = 4321
PATIENT_SECONDS = 60.0
HASTY_SECONDS = 1.0
"""Shorter than what is slow, and long enough for the sandbox to have received what was sent, and kept it."""
SILENT_FAULTS = {"hang", "hangbeforecommit", "late", "slow"}
"""The faults that a caller notices by its deadline alone."""


@dataclass(frozen=True, slots=True)
class CardDesk:
    """An adapter, one with a short deadline, and the provider that they talk to."""

    provider: StripeProvider
    hasty: StripeProvider
    sandbox: Sandbox

    def facing(self, fault: str) -> StripeProvider:
        """Give the adapter that gets to know of a fault soonest without being hurried itself."""
        return self.hasty if fault.lower() in SILENT_FAULTS else self.provider

    async def call(self, card: str) -> CardCall:
        """Prepare the payment of a new shopper with a card that the sandbox knows by its name."""
        return CardCall(
            payment_id=new_uuid7(),
            leg_id=new_uuid7(),
            try_number=1,
            amount_minor=AMOUNT_MINOR,
            currency_code="EUR",
            provider_customer=await self.provider.register_shopper(new_uuid7()),
            provider_method=card,
            provider_reference="",
        )

    async def authorized(self, card: str) -> CardCall:
        """Authorize a payment of a new shopper."""
        call = await self.call(card)
        answer = await self.provider.authorize(call)
        assert answer.phase is LegPhase.DONE
        return replace(call, provider_reference=answer.provider_reference)

    async def captured(self, card: str) -> CardCall:
        """Capture a payment of a new shopper."""
        call = await self.authorized(card)
        assert (await self.provider.capture(call)).phase is LegPhase.DONE
        return call

    async def intents(self, call: CardCall) -> list[dict[str, Any]]:
        """List the payments of the shopper as the provider keeps them, without what burnt a key."""
        answer = await self.sandbox.get(f"/v1/payment_intents?customer={call.provider_customer}")
        items = answer["data"]
        assert isinstance(items, list)
        return items


@asynccontextmanager
async def open_adapter(
    url: str,
    *,
    key: str = KEY,
    timeout_seconds: float = PATIENT_SECONDS,
    connections_max: int = 8,
) -> AsyncIterator[StripeProvider]:
    """Open an adapter on whatever speaks Stripe's API there."""
    async with open_stripe(
        api_key=key, url=url, timeout_seconds=timeout_seconds, connections_max=connections_max
    ) as provider:
        yield provider
