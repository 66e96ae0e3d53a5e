"""The Stripe adapter against the sandbox provider: captures, cancellations and refunds."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from services.wallet.clients.answer import CallAnswer
from services.wallet.clients.provider import CardCall
from services.wallet.clients.stripe import StripeProvider
from services.wallet.domain.leg import Decline, LegPhase
from tests.integration.wallet.card_desk import AMOUNT_MINOR, CardDesk
from tests.integration.wallet.probing import repeated

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
        self, desk: CardDesk, stage: str, fault: str
    ) -> None:
        """A faulty capture, cancellation or refund is unknown at first, and done once in the end."""
        card = f"pm_card_{stage}{fault}"
        call = await (desk.captured(card) if stage == "refund" else desk.authorized(card))
        find_out = _finder(desk.provider, stage)

        assert (await _sender(desk.facing(fault), stage)(call)).phase is LegPhase.OUTCOME_UNKNOWN
        answer = await repeated(find_out, call)
        if answer.phase is LegPhase.NOT_SENT:
            # The key's kept failure would be the answer for ever: the next try has a new one.
            assert fault == "Error500BeforeCommit"
            call = replace(call, try_number=2)
            await _sender(desk.provider, stage)(call)
            answer = await repeated(find_out, call)

        assert answer.phase is LegPhase.DONE
        [intent] = await desk.intents(call)
        refunds = await desk.sandbox.get(f"/v1/refunds?payment_intent={call.provider_reference}")
        captured = 0 if stage == "cancel" else AMOUNT_MINOR
        assert intent["amount_received"] == captured
        assert intent["status"] == ("canceled" if stage == "cancel" else "succeeded")
        assert _amounts(refunds) == ([AMOUNT_MINOR] if stage == "refund" else [])

    async def test_a_capture_that_comes_too_late_is_declined(self, desk: CardDesk) -> None:
        """Where the bank has given the amount free, nothing can be captured any more."""
        call = await desk.authorized("pm_card_captureExpired")

        answer = await desk.provider.capture(call)

        assert answer.decline == Decline("payment_canceled")
        assert (await desk.provider.find_out_capture(call)).decline == answer.decline

    async def test_capture_and_cancellation_exclude_each_other(self, desk: CardDesk) -> None:
        """What is captured cannot be canceled, what is canceled cannot be captured."""
        captured = await desk.captured("pm_card_visa")
        canceled = await desk.authorized("pm_card_visa")
        assert (await desk.provider.cancel(canceled)).phase is LegPhase.DONE

        assert (await desk.provider.cancel(captured)).decline == Decline("payment_captured")
        assert (await desk.provider.capture(canceled)).decline == Decline("payment_canceled")

    async def test_repetitions_change_nothing(self, desk: CardDesk) -> None:
        """Every operation may be sent again under its key, and answers the same."""
        call = await desk.captured("pm_card_visa")
        refunded = await desk.provider.refund(call)

        assert (await desk.provider.capture(call)).phase is LegPhase.DONE
        assert await desk.provider.refund(call) == refunded
        assert await desk.provider.find_out_refund(call) == refunded
        [intent] = await desk.intents(call)
        assert intent["amount_received"] == AMOUNT_MINOR

    async def test_what_others_have_refunded_is_declined(self, desk: CardDesk) -> None:
        """A refund that somebody else gave, by hand at the provider, is not given twice."""
        call = await desk.captured("pm_card_visa")
        await desk.sandbox.post("/v1/refunds", payment_intent=call.provider_reference)

        answer = await desk.provider.refund(call)

        assert answer.decline == Decline("charge_already_refunded")
        assert (await desk.provider.find_out_refund(call)).decline == answer.decline


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
