"""Paying end to end: database, driver, provider; every attempt is settled, or without effect."""

from uuid import UUID

import pytest

from services.wallet.domain.checkout import Checkout, CheckoutState
from services.wallet.domain.tender import TenderKind
from tests.integration.wallet.shop import (
    DUE_MINOR,
    KITTY_MINOR,
    PREPAID_MINOR,
    Shop,
)

CARD_MINOR = DUE_MINOR - KITTY_MINOR - PREPAID_MINOR


async def captured_minor(shop: Shop, provider_customer: str) -> int:
    """Sum what the provider says to have captured from the shopper."""
    intents = await shop.world.intents(provider_customer)
    assert {intent["status"] for intent in intents} <= {"succeeded", "canceled"}
    return sum(intent["amount_received"] for intent in intents)


class TestPay:
    async def test_settles_three_tenders(self, shop: Shop) -> None:
        """Kitty and prepaid are held, the rest is captured from the card, and the basket is paid."""
        customer = await shop.enrol("pm_card_visa")
        checkout_id = await shop.open_claimed()

        checkout = await shop.pay(checkout_id)

        assert checkout.state is CheckoutState.SETTLED
        assert [leg.amount_minor for leg in checkout.legs] == [
            KITTY_MINOR,
            PREPAID_MINOR,
            CARD_MINOR,
        ]
        assert await captured_minor(shop, customer) == CARD_MINOR
        assert len(shop.world.purse.open_holds()) == 2
