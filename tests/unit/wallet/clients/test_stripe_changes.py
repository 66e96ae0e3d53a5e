"""Captures, cancellations and refunds by the Stripe adapter, and what it makes of the answers."""

from dataclasses import replace
from typing import Any

import pytest

from services.wallet.clients.stripe_http import NotConnected
from services.wallet.domain.leg import LegPhase
from tests.unit.wallet.clients.scripted import (
    BROKEN,
    CALL,
    DECLINED,
    KEY_IN_USE,
    REFUSED,
    STAYS_BROKEN,
    Answer,
    adapter,
    intent,
    listed,
    ok,
)
from tests.unit.wallet.clients.stripe_answers import CAPTURE, KNOWN, READ, REFUND, REFUNDS, keys

SECOND = replace(KNOWN, try_number=2)
LEG = {"leg": str(CALL.leg_id)}
TRY = {"try": "2"}


class TestChanges:
    @pytest.mark.parametrize(
        ("reply", "seen", "phase"),
        [
            (ok(intent("succeeded")), None, LegPhase.DONE),
            (REFUSED, "succeeded", LegPhase.DONE),
            (REFUSED, "canceled", LegPhase.DECLINED),
            (REFUSED, "requires_capture", LegPhase.OUTCOME_UNKNOWN),
            (DECLINED, "requires_capture", LegPhase.OUTCOME_UNKNOWN),
            (BROKEN, None, LegPhase.OUTCOME_UNKNOWN),
            (NotConnected("x"), None, LegPhase.OUTCOME_UNKNOWN),
            (ok(intent("processing")), None, LegPhase.OUTCOME_UNKNOWN),
        ],
    )
    async def test_the_payment_itself_tells_why_a_capture_was_refused(
        self, reply: Answer, seen: str | None, phase: LegPhase
    ) -> None:
        """A refused capture is a no only where the payment shows that nothing is reserved."""
        script: dict[tuple[str, str], list[Answer]] = {CAPTURE: [reply]}
        if seen is not None:
            script[READ] = [ok(intent(seen))]
        provider, transport = adapter(script)

        assert (await provider.capture(KNOWN)).phase is phase
        assert transport.posts[0].params == {"amount_to_capture": "1234"}

    async def test_finding_out_sends_again_under_the_same_key(self) -> None:
        """What is still reserved is captured again; the key makes that safe."""
        provider, transport = adapter(
            {READ: [ok(intent("requires_capture"))], CAPTURE: [ok(intent("succeeded"))]}
        )

        answer = await provider.find_out_capture(KNOWN)

        assert answer.phase is LegPhase.DONE
        assert keys(transport.posts) == [f"{CALL.leg_id}:capture:1"]

    @pytest.mark.parametrize(
        ("reply", "seen", "phase"),
        [
            (STAYS_BROKEN, "requires_capture", LegPhase.NOT_SENT),
            (STAYS_BROKEN, "succeeded", LegPhase.DONE),
            (BROKEN, "requires_capture", LegPhase.OUTCOME_UNKNOWN),
            (KEY_IN_USE, "requires_capture", LegPhase.OUTCOME_UNKNOWN),
            (REFUSED, "requires_capture", LegPhase.OUTCOME_UNKNOWN),
            (REFUSED, "canceled", LegPhase.DECLINED),
        ],
    )
    async def test_a_dead_key_is_told_from_trouble(
        self, reply: Answer, seen: str, phase: LegPhase
    ) -> None:
        """Only a kept failure without effect asks for a try under a new key."""
        provider, _ = adapter(
            {READ: [ok(intent("requires_capture")), ok(intent(seen))], CAPTURE: [reply]}
        )

        assert (await provider.find_out_capture(KNOWN)).phase is phase

    @pytest.mark.parametrize(
        ("status", "phase"),
        [
            ("canceled", LegPhase.DONE),
            ("succeeded", LegPhase.DECLINED),
            ("processing", LegPhase.OUTCOME_UNKNOWN),
        ],
    )
    async def test_a_cancellation_is_read_off_the_payment(
        self, status: str, phase: LegPhase
    ) -> None:
        """Canceled is done, captured is a no, anything under way is unknown."""
        provider, transport = adapter({READ: [ok(intent(status))]})

        assert (await provider.find_out_cancellation(KNOWN)).phase is phase
        assert transport.posts == []

    @pytest.mark.parametrize(
        ("refund", "phase"),
        [
            ({"status": "succeeded"}, LegPhase.DONE),
            ({"status": "pending"}, LegPhase.OUTCOME_UNKNOWN),
            ({"status": "requires_action"}, LegPhase.OUTCOME_UNKNOWN),
            ({"status": "failed", "failure_reason": "lost_or_stolen_card"}, LegPhase.DECLINED),
            ({"status": "canceled"}, LegPhase.DECLINED),
        ],
    )
    async def test_a_refund_is_done_when_it_has_succeeded(
        self, refund: dict[str, Any], phase: LegPhase
    ) -> None:
        """A refund that the provider still works on is not done yet, and one that failed is a no."""
        document = {"object": "refund", "id": "re_1", "metadata": {"leg": str(CALL.leg_id)}}
        sent, _ = adapter({REFUND: [ok(document | refund)]})
        found, transport = adapter({REFUNDS: [listed(document | refund)]})

        answers = [await sent.refund(KNOWN), await found.find_out_refund(KNOWN)]

        assert [(answer.phase, answer.provider_reference) for answer in answers] == [
            (phase, "re_1")
        ] * 2
        assert transport.posts == []

    async def test_the_refund_of_another_leg_is_not_ours(self) -> None:
        """Only a refund that names the leg answers for it; otherwise ours is sent."""
        other = {"object": "refund", "id": "re_0", "status": "succeeded", "metadata": {"leg": "x"}}
        ours = {"object": "refund", "id": "re_1", "status": "succeeded"}
        provider, transport = adapter({REFUNDS: [listed(other)], REFUND: [ok(ours)]})

        answer = await provider.find_out_refund(KNOWN)

        assert answer.provider_reference == "re_1"
        assert keys(transport.posts) == [f"{CALL.leg_id}:refund:1"]

    @pytest.mark.parametrize("before", ["failed", "canceled"])
    async def test_a_refund_that_failed_before_says_nothing_of_the_next(self, before: str) -> None:
        """The second refund got no answer: the first one's failure is not its no, so it is sent again."""
        ended = {"object": "refund", "id": "re_1", "status": before, "metadata": LEG}
        ours = {"object": "refund", "id": "re_2", "status": "succeeded"}
        provider, transport = adapter({REFUNDS: [listed(ended)], REFUND: [ok(ours)]})

        answer = await provider.find_out_refund(SECOND)

        assert (answer.phase, answer.provider_reference) == (LegPhase.DONE, "re_2")
        assert keys(transport.posts) == [f"{CALL.leg_id}:refund:2"]

    async def test_a_refund_that_failed_is_still_a_no_for_its_own_try(self) -> None:
        """Each refund after the first says which try it is, so that its own failure is known again."""
        ended = {"object": "refund", "id": "re_2", "status": "failed", "metadata": LEG | TRY}
        provider, transport = adapter({REFUNDS: [listed(ended)]})

        answer = await provider.find_out_refund(SECOND)

        assert (answer.phase, answer.provider_reference) == (LegPhase.DECLINED, "re_2")
        assert transport.posts == []

    @pytest.mark.parametrize("status", ["succeeded", "pending"])
    async def test_a_refund_that_stands_answers_whatever_its_try(self, status: str) -> None:
        """What an earlier try brought about after all is found, and nothing is given back twice."""
        late = {"object": "refund", "id": "re_1", "status": status, "metadata": LEG}
        ended = {"object": "refund", "id": "re_2", "status": "failed", "metadata": LEG | TRY}
        provider, transport = adapter({REFUNDS: [listed(ended, late)]})

        answer = await provider.find_out_refund(SECOND)

        assert answer.phase is not LegPhase.DECLINED
        assert answer.provider_reference == "re_1"
        assert transport.posts == []

    async def test_the_first_refund_sends_what_it_always_sent(self) -> None:
        """A key's parameters never change, also not by an upgrade in the middle of a refund; later tries say so."""
        ours = {"object": "refund", "id": "re_1", "status": "succeeded"}
        provider, transport = adapter({REFUND: [ok(ours)]})

        for call in (KNOWN, SECOND):
            await provider.refund(call)

        assert [post.params.get("metadata[try]") for post in transport.posts] == [None, "2"]
