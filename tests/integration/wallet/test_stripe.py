"""The Stripe adapter against the sandbox provider: authorizations, whatever card is behind them."""

from dataclasses import replace

import pytest

from services.wallet.clients.answer import CallAnswer
from services.wallet.domain.leg import Decline, LegPhase
from tests.integration.wallet.card_desk import AMOUNT_MINOR, CardDesk
from tests.integration.wallet.probing import found_out


class TestAuthorize:
    async def test_reserves_the_amount_and_takes_nothing(self, desk: CardDesk) -> None:
        """A card that says yes has the amount reserved, under the reference that is answered."""
        call = await desk.call("pm_card_visa")

        answer = await desk.provider.authorize(call)

        [intent] = await desk.intents(call)
        assert answer == CallAnswer(phase=LegPhase.DONE, provider_reference=intent["id"])
        assert intent["status"] == "requires_capture"
        assert (intent["amount_capturable"], intent["amount_received"]) == (AMOUNT_MINOR, 0)
        assert intent["metadata"] == {"leg": str(call.leg_id), "payment": str(call.payment_id)}

    @pytest.mark.parametrize(
        ("card", "decline"),
        [
            ("pm_card_chargeDeclined", Decline("card_declined", "generic_decline")),
            (
                "pm_card_chargeDeclinedInsufficientFunds",
                Decline("card_declined", "insufficient_funds"),
            ),
            ("pm_card_chargeDeclinedExpiredCard", Decline("expired_card", "expired_card")),
        ],
    )
    async def test_a_no_of_the_bank_is_declined_with_its_reasons(
        self, desk: CardDesk, card: str, decline: Decline
    ) -> None:
        """A decline carries the provider's code and the issuer's, and a look finds the same."""
        call = await desk.call(card)

        answer = await desk.provider.authorize(call)

        assert (answer.phase, answer.decline) == (LegPhase.DECLINED, decline)
        assert await desk.provider.look_up_authorization(call) == answer

    async def test_a_card_that_asks_for_authentication_is_declined_and_left_nowhere(
        self, desk: CardDesk
    ) -> None:
        """Nobody at the till can go through the bank's authentication: the payment is canceled."""
        call = await desk.call("pm_card_authenticationRequired")

        answer = await desk.provider.authorize(call)

        [intent] = await desk.intents(call)
        assert answer.decline == Decline("authentication_required")
        assert intent["status"] == "canceled"

    async def test_a_refused_request_was_not_sent(self, desk: CardDesk) -> None:
        """What the provider calls wrong did nothing."""
        call = replace(await desk.call("pm_card_visa"), provider_method="pm_unknown")

        answer = await desk.provider.authorize(call)

        assert answer.phase is LegPhase.NOT_SENT
        assert await desk.intents(call) == []

    @pytest.mark.parametrize(
        ("amount_minor", "code"), [(49, "amount_too_small"), (100_000_000, "amount_too_large")]
    )
    async def test_an_amount_that_no_card_can_pay_is_declined_on_every_rung(
        self, desk: CardDesk, amount_minor: int, code: str
    ) -> None:
        """The shopper reads the provider's code; asking again and burning the key tell the same."""
        call = replace(await desk.call("pm_card_visa"), amount_minor=amount_minor)

        answers = [
            await desk.provider.authorize(call),
            await desk.provider.retry_authorization(call),
            await desk.provider.burn_authorization(call),
        ]

        assert {answer.decline for answer in answers} == {Decline(code)}
        assert await desk.intents(call) == []

    @pytest.mark.parametrize(
        ("fault", "first", "last"),
        [
            ("hang", LegPhase.OUTCOME_UNKNOWN, LegPhase.DONE),
            ("hangBeforeCommit", LegPhase.OUTCOME_UNKNOWN, LegPhase.DONE),
            ("dropAfterCommit", LegPhase.OUTCOME_UNKNOWN, LegPhase.DONE),
            ("dropBeforeCommit", LegPhase.OUTCOME_UNKNOWN, LegPhase.DONE),
            ("error500AfterCommit", LegPhase.OUTCOME_UNKNOWN, LegPhase.DONE),
            ("error500BeforeCommit", LegPhase.OUTCOME_UNKNOWN, LegPhase.NOT_SENT),
            ("late", LegPhase.OUTCOME_UNKNOWN, LegPhase.DONE),
            ("slow", LegPhase.OUTCOME_UNKNOWN, LegPhase.DONE),
            ("tooManyRequests", LegPhase.NOT_SENT, LegPhase.DONE),
        ],
    )
    async def test_whatever_fails_on_the_way_is_found_out(
        self, desk: CardDesk, fault: str, first: LegPhase, last: LegPhase
    ) -> None:
        """A faulty call is never guessed, and climbing the ladder ends with at most one reservation."""
        call = await desk.call(f"pm_card_{fault}")

        assert (await desk.facing(fault).authorize(call)).phase is first
        answer = await found_out(desk.provider, call, wanted=True)

        assert answer.phase is last
        open_references = [
            intent["id"]
            for intent in await desk.intents(call)
            if intent["status"] == "requires_capture"
        ]
        assert open_references == ([answer.provider_reference] if last is LegPhase.DONE else [])

    @pytest.mark.parametrize(
        ("fault", "last"),
        [
            ("hang", LegPhase.DONE),
            ("hangBeforeCommit", LegPhase.NOT_SENT),
            ("dropAfterCommit", LegPhase.DONE),
            ("dropBeforeCommit", LegPhase.NOT_SENT),
            ("error500AfterCommit", LegPhase.DONE),
            ("error500BeforeCommit", LegPhase.NOT_SENT),
            ("late", LegPhase.DONE),
            ("slow", LegPhase.DONE),
        ],
    )
    async def test_what_is_not_wanted_any_more_is_never_brought_about(
        self, desk: CardDesk, fault: str, last: LegPhase
    ) -> None:
        """Finding out without a retry ends with the reservation that was made, or with a burnt key."""
        call = await desk.call(f"pm_card_{fault}")
        first = await desk.facing(fault).authorize(call)

        answer = await found_out(desk.provider, call, wanted=False)
        # The first request arrives after all, much later.
        await desk.provider.authorize(call)

        assert (first.phase, answer.phase) == (LegPhase.OUTCOME_UNKNOWN, last)
        open_intents = [
            intent for intent in await desk.intents(call) if intent["status"] == "requires_capture"
        ]
        assert len(open_intents) == (1 if last is LegPhase.DONE else 0)

    async def test_a_forgotten_key_reserves_nothing_twice(self, desk: CardDesk) -> None:
        """A payment that stands is found before anything is sent, whatever the key would do."""
        call = await desk.authorized("pm_card_visa")
        forgotten = replace(call, try_number=2, provider_reference="")

        retried = await desk.provider.retry_authorization(forgotten)
        burnt = await desk.provider.burn_authorization(forgotten)

        assert retried.provider_reference == burnt.provider_reference == call.provider_reference
        assert len(await desk.intents(call)) == 1

    async def test_a_burnt_key_stays_burnt_when_its_answer_is_lost(self, desk: CardDesk) -> None:
        """Burning again answers the same, and leaves no payment open."""
        call = await desk.call("pm_card_visa")

        answers = [await desk.provider.burn_authorization(call) for _ in range(2)]

        assert [answer.phase for answer in answers] == [LegPhase.NOT_SENT] * 2
        assert (await desk.provider.retry_authorization(call)).phase is LegPhase.OUTCOME_UNKNOWN
        burnt = await desk.sandbox.get(f"/v1/payment_intents/{answers[0].provider_reference}")
        assert (burnt["status"], burnt["customer"]) == ("canceled", None)
        assert await desk.intents(call) == []
