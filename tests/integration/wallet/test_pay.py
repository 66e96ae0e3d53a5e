"""Paying end to end: database, driver, provider; every attempt is settled, or without effect."""

import asyncio
from datetime import timedelta

import pytest

from services.common.kernel.ids import new_uuid7
from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.leg import LegOperation, LegPhase
from services.wallet.domain.opening import (
    CheckoutNotCancellable,
    CheckoutNotClaimed,
    CheckoutNotFound,
    CheckoutNotOpen,
    ClaimedByAnother,
    RequestIdReused,
)
from services.wallet.domain.paying import TendersInsufficient
from services.wallet.domain.tender import TenderKind
from tests.integration.wallet.world import (
    CARD_MINOR,
    DUE_MINOR,
    KITTY_MINOR,
    PREPAID_MINOR,
    TILL,
    Wallet,
    somebody_else,
)

YES = [
    "pm_card_visa",
    "pm_card_hang",
    "pm_card_dropAfterCommit",
    "pm_card_dropBeforeCommit",
    "pm_card_error500AfterCommit",
    "pm_card_hangBeforeCommit",
    "pm_card_late",
    "pm_card_slow",
    "pm_card_captureHang",
    "pm_card_captureDropAfterCommit",
    "pm_card_captureError500AfterCommit",
    "pm_card_captureError500BeforeCommit",
    "pm_card_captureDropBeforeCommit",
    "pm_card_captureLate",
]
"""Cards that are charged in the end, whatever happens on the way."""
NO = [
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_card_tooManyRequests",
    "pm_card_error500BeforeCommit",
    "pm_card_captureExpired",
]
"""Cards that are not."""


class TestPay:
    async def test_settles_three_tenders(self, wallet: Wallet) -> None:
        """Kitty and prepaid are held, the rest is captured from the card, and the basket is paid."""
        await wallet.enrol("pm_card_visa")
        checkout_id = await wallet.open_claimed()

        checkout = await wallet.pay(checkout_id)

        assert checkout.state is CheckoutState.SETTLED
        amounts = [leg.amount_minor for leg in checkout.legs]
        assert amounts == [KITTY_MINOR, PREPAID_MINOR, CARD_MINOR]
        assert await wallet.world.captured_minor() == CARD_MINOR
        assert len(wallet.world.purse.open_holds()) == 2

    async def test_settles_without_a_card(self, wallet: Wallet) -> None:
        """Stored value alone pays; the provider hears nothing."""
        wallet.world.purse.available[TenderKind.PREPAID] = DUE_MINOR
        checkout_id = await wallet.open_claimed()

        checkout = await wallet.pay(checkout_id, [TenderKind.PREPAID])

        assert checkout.state is CheckoutState.SETTLED
        assert [leg.kind for leg in checkout.legs] == [TenderKind.PREPAID]

    async def test_holds_outlast_the_attempt(self, wallet: Wallet) -> None:
        """An attempt is given up after a week; what it settled at the last moment has a month to be booked."""
        wallet.world.purse.available[TenderKind.PREPAID] = DUE_MINOR

        checkout = await wallet.pay(await wallet.open_claimed(), [TenderKind.PREPAID])

        now = wallet.world.clock()
        assert checkout.give_up_time == now + timedelta(days=7)
        assert checkout.hold_expire_time == now + timedelta(days=37)

    @pytest.mark.parametrize("card", YES)
    async def test_a_provider_that_hangs_or_lies_is_found_out(
        self, wallet: Wallet, card: str
    ) -> None:
        """Lost answers, stored 500s and dropped connections end charged once."""
        await wallet.enrol(card)
        checkout_id = await wallet.open_claimed()
        await wallet.pay(checkout_id)

        checkout = await wallet.at_rest(checkout_id)

        assert checkout.state is CheckoutState.SETTLED
        assert await wallet.world.captured_minor() == CARD_MINOR

    @pytest.mark.parametrize("card", NO)
    async def test_a_no_leaves_no_trace_but_its_reason(self, wallet: Wallet, card: str) -> None:
        """A decline releases everything, and the shopper may pay otherwise."""
        await wallet.enrol(card)
        checkout_id = await wallet.open_claimed()
        await wallet.pay(checkout_id)

        checkout = await wallet.at_rest(checkout_id)

        assert (checkout.state, checkout.attempt) == (CheckoutState.OPEN, 1)
        assert checkout.decline is not None
        assert wallet.world.purse.open_holds() == []
        assert await wallet.world.captured_minor() == 0

    async def test_a_declined_shopper_pays_otherwise(self, wallet: Wallet) -> None:
        """The second attempt has its own legs, and settles."""
        await wallet.enrol("pm_card_chargeDeclined")
        wallet.world.purse.available[TenderKind.PREPAID] = DUE_MINOR
        checkout_id = await wallet.open_claimed()
        await wallet.pay(checkout_id, [TenderKind.CARD])

        checkout = await wallet.pay(checkout_id, [TenderKind.PREPAID])

        assert (checkout.state, checkout.attempt) == (CheckoutState.SETTLED, 2)
        assert checkout.ever_declined

    async def test_lost_answers_of_holds_are_asked_for_again(self, wallet: Wallet) -> None:
        """A hold without an answer is repeated under its id, and held once."""
        await wallet.enrol("pm_card_visa")
        wallet.world.purse.failures = 3
        checkout_id = await wallet.open_claimed()

        checkout = await wallet.pay(checkout_id)

        assert checkout.state is CheckoutState.SETTLED
        assert checkout.ever_unknown
        assert wallet.world.purse.available[TenderKind.KITTY] == 0
        assert len(wallet.world.purse.holds) == 2

    async def test_a_hold_that_is_refused_undoes_the_other(self, wallet: Wallet) -> None:
        """What was there when the plan was made is gone: nothing stays held, the card is never asked."""
        await wallet.enrol("pm_card_visa")
        checkout_id = await wallet.open_claimed()
        wallet.world.purse.stolen = TenderKind.PREPAID

        checkout = await wallet.pay(checkout_id)

        assert checkout.state is CheckoutState.OPEN
        assert checkout.decline is not None
        assert checkout.decline.code == "VALUE_INSUFFICIENT"
        assert wallet.world.purse.open_holds() == []
        assert await wallet.world.intents() == []


class TestPending:
    async def test_a_hanging_provider_is_answered_with_pending_in_time(
        self, wallet: Wallet
    ) -> None:
        """The till hears PROCESSING within its budget, and the last word later."""
        await wallet.enrol("pm_card_hang")
        checkout_id = await wallet.open_claimed()
        wallet.engine.in_time.budget_seconds = 0.2

        pending = await wallet.pay(checkout_id)

        assert pending.state is CheckoutState.PROCESSING
        assert (await wallet.at_rest(checkout_id)).state is CheckoutState.SETTLED


class TestRepeats:
    async def test_the_same_request_twice_at_once_is_one_attempt(self, wallet: Wallet) -> None:
        """Both callers hear of the same payment."""
        await wallet.enrol("pm_card_visa")
        checkout_id, request_id = await wallet.open_claimed(), new_uuid7()

        first, second = await asyncio.gather(
            wallet.pay(checkout_id, request_id=request_id),
            wallet.pay(checkout_id, request_id=request_id),
        )

        assert first.state is second.state is CheckoutState.SETTLED
        assert await wallet.world.captured_minor() == CARD_MINOR

    async def test_a_repeat_after_the_end_gets_the_end(self, wallet: Wallet) -> None:
        """Its balances are spent by then, and it asks for nothing again."""
        await wallet.enrol("pm_card_visa")
        checkout_id, request_id = await wallet.open_claimed(), new_uuid7()
        await wallet.pay(checkout_id, request_id=request_id)

        again = await wallet.pay(checkout_id, request_id=request_id)

        assert again.state is CheckoutState.SETTLED
        assert await wallet.world.captured_minor() == CARD_MINOR

    async def test_another_content_under_the_same_id_is_refused(self, wallet: Wallet) -> None:
        """A changed set of tenders needs a new id."""
        await wallet.enrol("pm_card_chargeDeclined")
        checkout_id, request_id = await wallet.open_claimed(), new_uuid7()
        await wallet.pay(checkout_id, request_id=request_id)

        with pytest.raises(RequestIdReused):
            await wallet.pay(checkout_id, [TenderKind.CARD], request_id=request_id)

    async def test_two_different_attempts_at_once_are_one_payment(self, wallet: Wallet) -> None:
        """The second phone of the same shopper finds the checkout being paid."""
        await wallet.enrol("pm_card_visa")
        checkout_id = await wallet.open_claimed()

        answers = await asyncio.gather(
            *(wallet.pay(checkout_id, [TenderKind.CARD]) for _ in range(5)), return_exceptions=True
        )

        assert sum(isinstance(answer, CheckoutNotOpen) for answer in answers) == 4
        assert await wallet.world.captured_minor() == DUE_MINOR


class TestClaim:
    async def test_two_phones_race_for_one_checkout(self, wallet: Wallet) -> None:
        """One gets it; the other hears that it is claimed, and cannot see or pay it."""
        checkout_id = await wallet.open_checkout()
        callers = [wallet.world.shopper, somebody_else()]

        answers = await asyncio.gather(
            *(wallet.checkouts.claim(checkout_id, caller=caller) for caller in callers),
            return_exceptions=True,
        )

        lost = next(
            caller
            for caller, answer in zip(callers, answers, strict=True)
            if isinstance(answer, ClaimedByAnother)
        )
        with pytest.raises(CheckoutNotFound):
            await wallet.engine.reader.checkout(checkout_id, caller=lost)
        assert sum(isinstance(answer, ClaimedByAnother) for answer in answers) == 1

    async def test_an_unclaimed_checkout_is_not_paid(self, wallet: Wallet) -> None:
        """Whoever pays has claimed it first."""
        checkout_id = await wallet.open_checkout()

        with pytest.raises(CheckoutNotClaimed):
            await wallet.pay(checkout_id)

    async def test_tenders_that_do_not_suffice_begin_nothing(self, wallet: Wallet) -> None:
        """The refusal tells how much is missing."""
        checkout_id = await wallet.open_claimed()

        with pytest.raises(TendersInsufficient) as refused:
            await wallet.pay(checkout_id, [TenderKind.KITTY])

        assert refused.value.metadata["missing_minor"] == str(DUE_MINOR - KITTY_MINOR)
        assert (await wallet.read(checkout_id)).attempt == 0


class TestCancel:
    async def test_cancelling_while_the_provider_hangs_undoes_everything(
        self, wallet: Wallet
    ) -> None:
        """What is unknown is found out first; then nothing is held or charged."""
        await wallet.enrol("pm_card_hang")
        checkout_id = await wallet.open_claimed()
        wallet.engine.in_time.budget_seconds = 0.2
        await wallet.pay(checkout_id)

        await wallet.checkouts.cancel(checkout_id, caller=TILL)

        checkout = await wallet.at_rest(checkout_id)
        assert checkout.state is CheckoutState.CANCELLED
        assert wallet.world.purse.open_holds() == []
        assert await wallet.world.captured_minor() == 0

    async def test_cancel_races_pay(self, wallet: Wallet) -> None:
        """Whoever is first, the end is settled and charged, or cancelled and free."""
        await wallet.enrol("pm_card_visa")
        for _ in range(6):
            checkout_id = await wallet.open_claimed()
            before = await wallet.world.captured_minor()

            await asyncio.gather(
                wallet.pay(checkout_id, [TenderKind.CARD]),
                wallet.checkouts.cancel(checkout_id, caller=TILL),
                return_exceptions=True,
            )

            checkout = await wallet.at_rest(checkout_id)
            charged = await wallet.world.captured_minor() - before
            assert (checkout.state, charged) in {
                (CheckoutState.SETTLED, DUE_MINOR),
                (CheckoutState.CANCELLED, 0),
            }

    async def test_what_is_settled_is_not_cancelled(self, wallet: Wallet) -> None:
        """It is refunded instead."""
        await wallet.enrol("pm_card_visa")
        checkout_id = await wallet.open_claimed()
        await wallet.pay(checkout_id)

        with pytest.raises(CheckoutNotCancellable):
            await wallet.checkouts.cancel(checkout_id, caller=TILL)


class TestRefund:
    @pytest.mark.parametrize(
        "card",
        [
            "pm_card_visa",
            "pm_card_refundHang",
            "pm_card_refundDropAfterCommit",
            "pm_card_refundDropBeforeCommit",
            "pm_card_refundError500AfterCommit",
            "pm_card_refundError500BeforeCommit",
        ],
    )
    async def test_gives_the_card_its_money_back_once(self, wallet: Wallet, card: str) -> None:
        """Whatever happens to the answers, one refund of the whole leg is made."""
        await wallet.enrol(card)
        checkout_id, request_id = await wallet.open_claimed(), new_uuid7()
        await wallet.pay(checkout_id)

        await wallet.checkouts.refund(checkout_id, request_id=request_id)

        checkout = await wallet.at_rest(checkout_id)
        again = await wallet.checkouts.refund(checkout_id, request_id=request_id)
        assert checkout.state is CheckoutState.REFUNDED
        assert again == checkout
        card_leg = checkout.card_leg
        assert card_leg is not None
        assert card_leg.stands(LegOperation.REFUND, LegPhase.DONE)
        assert await wallet.world.refunded_minor() == CARD_MINOR
