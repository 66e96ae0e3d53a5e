"""What a shopper may try: a card's least amount, attempts at one checkout, cards declined one after the other."""

import asyncio
from uuid import UUID

import pytest

from services.common.kernel.ids import new_uuid7
from services.wallet.config import Settings
from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.paying import AttemptsTooMany
from services.wallet.domain.planner import CardAmountTooSmall
from services.wallet.domain.tender import TenderKind, TenderRequest
from services.wallet.domain.top_up import TopUp, TopUpState
from services.wallet.usecases.declines import CardDeclinesTooMany
from services.wallet.usecases.pay import PayRequest
from tests.integration.wallet.world import DUE_MINOR, KITTY_MINOR, Wallet, World, settings

LEAST_MINOR = 50
ATTEMPTS_MAX = Settings.model_fields["attempts_max"].default
DECLINES_MAX = Settings.model_fields["declines_max"].default


async def top_up(wallet: Wallet, request_id: UUID) -> TopUp:
    """Put 50.00 EUR on the prepaid balance."""
    payment = await wallet.top_ups.top_up(
        request_id, amount_minor=5_000, payment_method_id=None, caller=wallet.world.shopper
    )
    assert isinstance(payment, TopUp)
    return payment


class TestLeastAmountOfACard:
    async def test_the_rest_for_the_card_is_never_too_small(self, wallet: Wallet) -> None:
        """Prepaid could leave the card 0.01: it leaves it 0.50, which the provider takes."""
        await wallet.enrol("pm_card_visa")
        wallet.world.purse.available[TenderKind.PREPAID] = DUE_MINOR - KITTY_MINOR - 1
        checkout_id = await wallet.open_claimed()

        checkout = await wallet.pay(checkout_id)

        assert checkout.state is CheckoutState.SETTLED
        assert checkout.legs[-1].amount_minor == LEAST_MINOR
        assert await wallet.world.captured_minor() == LEAST_MINOR

    async def test_exact_amounts_are_refused_before_anything_is_held(self, wallet: Wallet) -> None:
        """The shopper reads why; the provider hears nothing and the checkout stays as it was."""
        await wallet.enrol("pm_card_visa")
        wallet.world.purse.available[TenderKind.PREPAID] = DUE_MINOR
        checkout_id = await wallet.open_claimed()
        exact = PayRequest(
            request_id=new_uuid7(),
            request_hash=bytes(32),
            checkout_id=checkout_id,
            tenders=[
                TenderRequest(TenderKind.PREPAID, DUE_MINOR - 1, None),
                TenderRequest(TenderKind.CARD, 0, None),
            ],
        )

        with pytest.raises(CardAmountTooSmall):
            await wallet.paying.pay(exact, caller=wallet.world.shopper)

        assert (await wallet.read(checkout_id)).attempt == 0
        assert wallet.world.purse.holds == {}
        assert await wallet.world.intents() == []


class TestAttempts:
    async def test_a_checkout_is_tried_so_often_and_no_more(self, wallet: Wallet) -> None:
        """After its last attempt the till has to be paid; nobody is asked any more."""
        wallet.world.purse.stolen = TenderKind.PREPAID
        wallet.world.purse.available[TenderKind.PREPAID] = DUE_MINOR
        checkout_id = await wallet.open_claimed()
        for _ in range(ATTEMPTS_MAX):
            assert (await wallet.pay(checkout_id, [TenderKind.PREPAID])).decline is not None
        wallet.world.purse.stolen = None

        with pytest.raises(AttemptsTooMany):
            await wallet.pay(checkout_id, [TenderKind.PREPAID])

        checkout = await wallet.read(checkout_id)
        assert (checkout.state, checkout.attempt) == (CheckoutState.OPEN, ATTEMPTS_MAX)


class TestDeclines:
    async def test_card_after_card_is_stopped_and_other_means_pay(self, wallet: Wallet) -> None:
        """Declined top-ups bring the shopper to the limit; no card is asked then, the prepaid balance still pays."""
        await wallet.enrol("pm_card_chargeDeclined")
        first = new_uuid7()
        assert (await top_up(wallet, first)).state is TopUpState.FAILED
        for _ in range(DECLINES_MAX - 1):
            await top_up(wallet, new_uuid7())
        asked = len(await wallet.world.intents())
        wallet.world.purse.available[TenderKind.PREPAID] = DUE_MINOR
        checkout_id = await wallet.open_claimed()

        with pytest.raises(CardDeclinesTooMany):
            await top_up(wallet, new_uuid7())
        with pytest.raises(CardDeclinesTooMany):
            await wallet.pay(checkout_id, [TenderKind.CARD])

        assert (await top_up(wallet, first)).state is TopUpState.FAILED, "a repeat is answered"
        paid = await wallet.pay(checkout_id, [TenderKind.PREPAID, TenderKind.CARD])
        assert paid.state is CheckoutState.SETTLED
        assert len(await wallet.world.intents()) == asked

    async def test_cards_tried_all_at_once_are_stopped_like_one_after_the_other(
        self, wallet: Wallet
    ) -> None:
        """Whoever does not wait for the first no has no more cards asked than who does."""
        await wallet.enrol("pm_card_chargeDeclined")
        request_ids = [new_uuid7() for _ in range(3 * DECLINES_MAX)]

        answers = await asyncio.gather(
            *(top_up(wallet, request_id) for request_id in request_ids), return_exceptions=True
        )

        refused = [answer for answer in answers if isinstance(answer, CardDeclinesTooMany)]
        assert len(refused) == 2 * DECLINES_MAX
        assert len(await wallet.world.intents()) == DECLINES_MAX

    async def test_the_shopper_may_try_again_later(self, wallet: Wallet, world: World) -> None:
        """The span is one of business time."""
        await wallet.enrol("pm_card_chargeDeclined")
        for _ in range(DECLINES_MAX):
            await top_up(wallet, new_uuid7())
        world.clock.move_to(world.clock() + settings(world.database).declines_span)

        assert (await top_up(wallet, new_uuid7())).state is TopUpState.FAILED
