"""What is asked beforehand of what a shopper has, and what is left to the holds."""

import pytest

from services.common.kernel.ids import new_uuid7
from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.opening import CheckoutNotFound
from services.wallet.domain.paying import TendersInsufficient
from services.wallet.domain.tender import TenderKind
from tests.integration.wallet.world import (
    CARD_MINOR,
    DUE_MINOR,
    KITTY_MINOR,
    MIXED,
    PREPAID_MINOR,
    Wallet,
)

ALL_NAMED = {
    TenderKind.KITTY: KITTY_MINOR,
    TenderKind.PREPAID: PREPAID_MINOR,
    TenderKind.CARD: CARD_MINOR,
}


class TestAskingEarly:
    """What the shopper has is asked for while the checkout is being read."""

    async def test_is_asked_once_for_a_checkout_that_was_never_tried(self, wallet: Wallet) -> None:
        """The answer holds: no attempt of it can have ended in between."""
        await wallet.enrol("pm_card_visa")
        checkout_id = await wallet.open_claimed()

        await wallet.pay(checkout_id, [TenderKind.KITTY, TenderKind.CARD])

        assert wallet.world.purse.asked == 1

    async def test_is_asked_again_once_an_attempt_has_ended(self, wallet: Wallet) -> None:
        """The first answer may be of a moment at which that attempt still held something."""
        await wallet.enrol("pm_card_chargeDeclined")
        purse = wallet.world.purse
        purse.available[TenderKind.PREPAID] = DUE_MINOR
        checkout_id = await wallet.open_claimed()
        await wallet.pay(checkout_id, [TenderKind.CARD])
        purse.outdated = dict.fromkeys(TenderKind, 0)

        checkout = await wallet.pay(checkout_id, [TenderKind.PREPAID])

        assert checkout.state is CheckoutState.SETTLED

    async def test_whoever_names_no_means_pays_with_all(self, wallet: Wallet) -> None:
        """What those are stands with the shopper, who is read first."""
        await wallet.enrol("pm_card_visa")
        checkout_id = await wallet.open_claimed()

        checkout = await wallet.pay(checkout_id, [])

        assert checkout.state is CheckoutState.SETTLED
        assert {leg.kind for leg in checkout.legs} == set(MIXED)

    async def test_an_answer_that_nobody_needs_is_not_waited_for(self, wallet: Wallet) -> None:
        """A checkout that is not there is not there, whatever points and ledger say."""
        with pytest.raises(CheckoutNotFound):
            await wallet.pay(new_uuid7(), MIXED)


class TestNamedAmounts:
    """What a shopper named is held as named: nobody asks first whether it is there, since the hold tells."""

    async def test_are_held_without_asking_what_is_there(self, wallet: Wallet) -> None:
        """A balance may have changed by the time of its hold anyway."""
        await wallet.enrol("pm_card_visa")
        checkout_id = await wallet.open_claimed()

        checkout = await wallet.pay(checkout_id, amounts=ALL_NAMED)

        assert checkout.state is CheckoutState.SETTLED
        assert {leg.kind: leg.amount_minor for leg in checkout.legs} == ALL_NAMED
        assert wallet.world.purse.asked == 0

    async def test_that_are_not_there_are_a_declined_attempt(self, wallet: Wallet) -> None:
        """Nothing stays held, the card is never asked, and the shopper pays another way."""
        await wallet.enrol("pm_card_visa")
        checkout_id = await wallet.open_claimed()
        wallet.world.purse.available[TenderKind.KITTY] -= 1

        declined = await wallet.pay(checkout_id, amounts=ALL_NAMED)
        left = (wallet.world.purse.open_holds(), await wallet.world.intents())
        settled = await wallet.pay(checkout_id)

        assert (declined.state, declined.attempt) == (CheckoutState.OPEN, 1)
        assert declined.decline is not None
        assert declined.decline.code == "VALUE_INSUFFICIENT"
        assert left == ([], [])
        assert settled.state is CheckoutState.SETTLED

    async def test_only_means_without_one_are_asked(self, wallet: Wallet) -> None:
        """Their part follows from what they have."""
        await wallet.enrol("pm_card_visa")
        checkout_id = await wallet.open_claimed()
        kitty = {TenderKind.KITTY: KITTY_MINOR}

        checkout = await wallet.pay(checkout_id, amounts=kitty)

        assert checkout.state is CheckoutState.SETTLED
        assert wallet.world.purse.asked == 1

    async def test_that_pay_too_little_begin_nothing(self, wallet: Wallet) -> None:
        """That is known without asking anybody."""
        checkout_id = await wallet.open_claimed()

        with pytest.raises(TendersInsufficient):
            await wallet.pay(
                checkout_id, [TenderKind.KITTY], amounts={TenderKind.KITTY: KITTY_MINOR}
            )

        assert (await wallet.read(checkout_id)).attempt == 0
        assert wallet.world.purse.asked == 0

    async def test_are_asked_for_after_a_call_without_an_answer(self, wallet: Wallet) -> None:
        """While points or ledger are away a question fails and leaves nothing; a hold would leave a pending payment."""
        await wallet.enrol("pm_card_visa")
        checkout_id = await wallet.open_claimed()
        wallet.world.purse.in_doubt = True

        checkout = await wallet.pay(checkout_id, amounts=ALL_NAMED)

        assert checkout.state is CheckoutState.SETTLED
        assert wallet.world.purse.asked == 2
