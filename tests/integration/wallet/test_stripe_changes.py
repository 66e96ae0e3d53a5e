"""The Stripe adapter against the sandbox provider: captures, cancellations and refunds."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from services.wallet.clients.answer import CallAnswer
from services.wallet.clients.provider import CardCall
from services.wallet.clients.stripe import StripeProvider
from services.wallet.domain.leg import Decline, LegPhase
from tests.integration.wallet.probing import repeated
from tests.integration.wallet.shop import AMOUNT_MINOR, Shop

Ask = Callable[[CardCall], Awaitable[CallAnswer]]


class TestChanges:
    @pytest.mark.parametrize(
        "fault",
        [
            "Hang",
            "HangBeforeCommit",
            "DropAfterCommit",
            "DropBeforeCommit",
            "Error500AfterCommit",
            "Error500BeforeCommit",
            "Late",
            "Slow",
            "TooManyRequests",
        ],
    )
    @pytest.mark.parametrize("stage", ["capture", "cancel", "refund"])
    async def test_whatever_fails_on_the_way_is_found_out_and_done_once(
        self, shop: Shop, stage: str, fault: str
    ) -> None:
        """A faulty capture, cancellation or refund is unknown at first, and done once in the end."""
        card = f"pm_card_{stage}{fault}"
        call = await (shop.captured(card) if stage == "refund" else shop.authorized(card))
        find_out = _finder(shop.provider, stage)

        assert (await _sender(shop.facing(fault), stage)(call)).phase is LegPhase.OUTCOME_UNKNOWN
        answer = await repeated(find_out, call)
        if answer.phase is LegPhase.NOT_SENT:
            # The key's kept failure would be the answer for ever: the next try has a new one.
            assert fault == "Error500BeforeCommit"
            call = replace(call, try_number=2)
            await _sender(shop.provider, stage)(call)
            answer = await repeated(find_out, call)

        assert answer.phase is LegPhase.DONE
        [intent] = await shop.intents(call)
        refunds = await shop.sandbox.get(f"/v1/refunds?payment_intent={call.provider_reference}")
        captured = 0 if stage == "cancel" else AMOUNT_MINOR
        assert intent["amount_received"] == captured
        assert intent["status"] == ("canceled" if stage == "cancel" else "succeeded")
        assert _amounts(refunds) == ([AMOUNT_MINOR] if stage == "refund" else [])

    async def test_a_capture_that_comes_too_late_is_declined(self, shop: Shop) -> None:
        """Where the bank has given the amount free, nothing can be captured any more."""
        call = await shop.authorized("pm_card_captureExpired")

        answer = await shop.provider.capture(call)

        assert answer.decline == Decline("payment_canceled")
        assert (await shop.provider.find_out_capture(call)).decline == answer.decline

    async def test_capture_and_cancellation_exclude_each_other(self, shop: Shop) -> None:
        """What is captured cannot be canceled, what is canceled cannot be captured."""
        captured = await shop.captured("pm_card_visa")
        canceled = await shop.authorized("pm_card_visa")
        assert (await shop.provider.cancel(canceled)).phase is LegPhase.DONE

        assert (await shop.provider.cancel(captured)).decline == Decline("payment_captured")
        assert (await shop.provider.capture(canceled)).decline == Decline("payment_canceled")

    async def test_repetitions_change_nothing(self, shop: Shop) -> None:
        """Every operation may be sent again under its key, and answers the same."""
        call = await shop.captured("pm_card_visa")
        refunded = await shop.provider.refund(call)

        assert (await shop.provider.capture(call)).phase is LegPhase.DONE
        assert await shop.provider.refund(call) == refunded
        assert await shop.provider.find_out_refund(call) == refunded
        [intent] = await shop.intents(call)
        assert intent["amount_received"] == AMOUNT_MINOR

    async def test_what_others_have_refunded_is_declined(self, shop: Shop) -> None:
        """A refund that somebody else gave, by hand at the provider, is not given twice."""
        call = await shop.captured("pm_card_visa")
        await shop.sandbox.post("/v1/refunds", payment_intent=call.provider_reference)

        answer = await shop.provider.refund(call)

        assert answer.decline == Decline("charge_already_refunded")
        assert (await shop.provider.find_out_refund(call)).decline == answer.decline


def _sender(provider: StripeProvider, stage: str) -> Ask:
    return {
        "capture": provider.capture,
        "cancel": provider.cancel,
        "refund": provider.refund,
    }[stage]


def _finder(provider: StripeProvider, stage: str) -> Ask:
    return {
        "capture": provider.find_out_capture,
        "cancel": provider.find_out_cancellation,
        "refund": provider.find_out_refund,
    }[stage]


def _amounts(page: dict[str, Any]) -> list[int]:
    return [item["amount"] for item in page["data"]]
