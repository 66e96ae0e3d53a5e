"""What the Stripe adapter asks, and what it makes of every kind of answer."""

import logging
from dataclasses import replace
from typing import Any

import pytest
import stripe

from services.wallet.clients.provider import ProviderUnavailable
from services.wallet.clients.stripe import API_VERSION, open_stripe
from services.wallet.clients.stripe_http import NoAnswer, NotConnected
from services.wallet.domain.leg import Decline, LegPhase
from tests.unit.wallet.clients.scripted import (
    BROKEN,
    CALL,
    DECLINED,
    KEY_IN_USE,
    KEY_SPENT,
    REFUSED,
    STAYS_BROKEN,
    Answer,
    Reply,
    Request,
    adapter,
    failed,
    intent,
    listed,
    ok,
)

CREATE = ("post", "/v1/payment_intents")
LIST = ("get", "/v1/payment_intents")
READ = ("get", "/v1/payment_intents/pi_1")
CAPTURE = ("post", "/v1/payment_intents/pi_1/capture")
CANCEL = ("post", "/v1/payment_intents/pi_1/cancel")
REFUND = ("post", "/v1/refunds")
REFUNDS = ("get", "/v1/refunds")

KNOWN = replace(CALL, provider_reference="pi_1")
KEY = f"{CALL.leg_id}:authorize:1"
BURNT = intent("requires_payment_method", metadata={"leg": str(CALL.leg_id), "burnt": "true"})

UNCLEAR: list[Answer] = [
    BROKEN,
    KEY_IN_USE,
    KEY_SPENT,
    NoAnswer("timeout"),
    Reply(502, "<html>Bad gateway</html>"),
    Reply(404, "404: Not Found"),
    Reply(302, ""),
    Reply(200, ""),
    Reply(200, "{"),
    Reply(200, "[]"),
    Reply(200, "null"),
    Reply(200, '"requires_capture"'),
    Reply(400, '{"error": ["odd"]}'),
    Reply(400, '{"error": "invalid_client"}'),
    ok({"object": "payment_intent"}),
    ok({"object": "payment_intent", "id": "pi_1"}),
    ok({"object": "payment_intent", "id": 1, "status": "succeeded"}),
    ok(intent("processing")),
    ok(intent("brand_new_status")),
]
"""Answers that leave open whether what was asked happens."""


def _keys(requests: list[Request]) -> list[str]:
    return [request.headers["Idempotency-Key"] for request in requests]


class TestAuthorize:
    async def test_creates_and_confirms_in_one_request(self) -> None:
        """One request carries everything, under the leg's key, for the pinned version of the API."""
        provider, transport = adapter({CREATE: [ok(intent("requires_capture"))]})

        answer = await provider.authorize(CALL)

        [request] = transport.requests
        assert (answer.phase, answer.provider_reference) == (LegPhase.DONE, "pi_1")
        assert request.params == {
            "amount": "1234",
            "currency": "eur",
            "customer": "cus_1",
            "payment_method": "pm_1",
            "allowed_payment_method_types[0]": "card",
            "capture_method": "manual",
            "confirm": "true",
            "metadata[leg]": str(CALL.leg_id),
            "metadata[payment]": str(CALL.payment_id),
        }
        assert request.headers["Idempotency-Key"] == KEY
        assert request.headers["Stripe-Version"] == API_VERSION

    async def test_a_decline_carries_both_codes_and_the_reference(self) -> None:
        """The bank's no is told with the provider's code, the issuer's, and the payment it stands on."""
        provider, _ = adapter({CREATE: [DECLINED]})

        answer = await provider.authorize(CALL)

        assert answer.decline == Decline("card_declined", "insufficient_funds")
        assert (answer.phase, answer.provider_reference) == (LegPhase.DECLINED, "pi_1")

    @pytest.mark.parametrize("code", ["amount_too_small", "amount_too_large"])
    async def test_an_amount_that_no_card_can_pay_is_a_decline(self, code: str) -> None:
        """It stays refused, so the shopper reads why, and nothing of the payment was made."""
        refusal = failed(400, type="invalid_request_error", code=code, param="amount")
        provider, _ = adapter({CREATE: [refusal]})

        answer = await provider.authorize(CALL)

        assert (answer.phase, answer.decline) == (LegPhase.DECLINED, Decline(code))
        assert not answer.provider_reference

    @pytest.mark.parametrize(
        "reply",
        [
            REFUSED,
            failed(404, type="invalid_request_error", code="resource_missing"),
            failed(401, type="invalid_request_error"),
            failed(403, type="invalid_request_error"),
            failed(429, type="invalid_request_error", code="rate_limit"),
            NotConnected("no_connection"),
        ],
    )
    async def test_what_surely_did_nothing_is_not_sent(self, reply: Answer) -> None:
        """A wrong request, a wrong key, too many requests, no connection."""
        provider, _ = adapter({CREATE: [reply]})

        assert (await provider.authorize(CALL)).phase is LegPhase.NOT_SENT

    @pytest.mark.parametrize("reply", [*UNCLEAR, STAYS_BROKEN])
    async def test_everything_else_is_unknown(self, reply: Answer) -> None:
        """Whatever the provider or a proxy before it comes up with, no outcome is guessed."""
        provider, _ = adapter({CREATE: [reply]})

        assert (await provider.authorize(CALL)).phase is LegPhase.OUTCOME_UNKNOWN

    async def test_an_authentication_that_nobody_can_give_ends_the_payment(self) -> None:
        """The payment that waits for the shopper is canceled before the no is told."""
        provider, transport = adapter(
            {CREATE: [ok(intent("requires_action"))], CANCEL: [ok(intent("canceled"))]}
        )

        answer = await provider.authorize(CALL)

        assert answer.decline == Decline("authentication_required")
        assert _keys(transport.posts) == [KEY, f"{CALL.leg_id}:abandon:1"]

    async def test_a_payment_that_may_still_be_authenticated_is_unknown(self) -> None:
        """As long as the cancellation is not certain, the shopper could still confirm it."""
        provider, _ = adapter({CREATE: [ok(intent("requires_action"))], CANCEL: [BROKEN]})

        answer = await provider.authorize(CALL)

        assert (answer.phase, answer.provider_reference) == (LegPhase.OUTCOME_UNKNOWN, "pi_1")


class TestLadder:
    @pytest.mark.parametrize(
        "reply", [*UNCLEAR, REFUSED, NotConnected("x"), failed(429), failed(401)]
    )
    async def test_a_failed_repetition_says_nothing_of_the_first_call(self, reply: Answer) -> None:
        """That a repetition was refused or not sent does not make the first call undone."""
        provider, _ = adapter({LIST: [listed()], CREATE: [reply]})

        assert (await provider.retry_authorization(CALL)).phase is LegPhase.OUTCOME_UNKNOWN

    async def test_a_kept_failure_without_effect_has_not_happened(self) -> None:
        """The key answers its old failure for ever, and nothing is to be seen: it never happened."""
        provider, transport = adapter({LIST: [listed()], CREATE: [STAYS_BROKEN]})

        answer = await provider.retry_authorization(CALL)

        assert answer.phase is LegPhase.NOT_SENT
        assert [request.method for request in transport.requests] == ["get", "post", "get"]

    async def test_a_kept_failure_with_effect_has_happened(self) -> None:
        """Done, with a failure as its kept answer: the look after it finds the payment."""
        provider, _ = adapter(
            {LIST: [listed(), listed(intent("requires_capture"))], CREATE: [STAYS_BROKEN]}
        )

        assert (await provider.retry_authorization(CALL)).phase is LegPhase.DONE

    async def test_what_is_found_is_not_sent_again(self) -> None:
        """A look that finds the payment ends the retry and the burning before they begin."""
        provider, transport = adapter(
            {LIST: [listed(intent("requires_capture", metadata={}), intent("requires_capture"))]}
        )

        retried = await provider.retry_authorization(CALL)
        burnt = await provider.burn_authorization(CALL)

        assert retried == burnt
        assert retried.phase is LegPhase.DONE
        assert transport.posts == []

    async def test_a_look_that_finds_nothing_leaves_it_unknown(self) -> None:
        """Nothing to be seen may still be on its way."""
        provider, transport = adapter({LIST: [listed()]})

        assert (await provider.look_up_authorization(CALL)).phase is LegPhase.OUTCOME_UNKNOWN
        assert transport.requests[0].params == {"customer": "cus_1", "limit": "100"}

    async def test_a_look_that_cannot_see_everything_sends_nothing(self) -> None:
        """A list without end proves nothing, and neither does one that does not come."""
        full = listed(*[intent("succeeded", id=f"pi_{n}", metadata={}) for n in range(100)])
        endless, first = adapter({LIST: [full]})
        broken, second = adapter({LIST: [BROKEN]})

        answers = [await provider.burn_authorization(CALL) for provider in (endless, broken)] + [
            await provider.retry_authorization(CALL) for provider in (endless, broken)
        ]

        assert {answer.phase for answer in answers} == {LegPhase.OUTCOME_UNKNOWN}
        assert first.posts + second.posts == []
        assert first.requests[1].params["starting_after"] == "pi_99"

    async def test_burning_takes_the_same_key_for_what_nobody_can_confirm(self) -> None:
        """The key's new owner has no card and no shopper, and is canceled at once."""
        provider, transport = adapter(
            {LIST: [listed()], CREATE: [ok(BURNT)], CANCEL: [ok(intent("canceled"))]}
        )

        answer = await provider.burn_authorization(CALL)

        create, cancel = transport.posts
        assert answer.phase is LegPhase.NOT_SENT
        assert create.headers["Idempotency-Key"] == KEY
        assert create.params["metadata[burnt]"] == "true"
        assert {"confirm", "customer", "payment_method"}.isdisjoint(create.params)
        assert cancel.path == CANCEL[1]

    @pytest.mark.parametrize(
        ("replay", "phase"),
        [
            (ok(intent("requires_capture")), LegPhase.DONE),
            (DECLINED, LegPhase.DECLINED),
            (STAYS_BROKEN, LegPhase.NOT_SENT),
            (KEY_IN_USE, LegPhase.OUTCOME_UNKNOWN),
            (NoAnswer("timeout"), LegPhase.OUTCOME_UNKNOWN),
        ],
    )
    async def test_a_key_that_is_spent_tells_what_for(
        self, replay: Answer, phase: LegPhase
    ) -> None:
        """Where the key cannot be taken, its first request is answered again and never done again."""
        provider, transport = adapter({LIST: [listed()], CREATE: [KEY_SPENT, replay]})

        answer = await provider.burn_authorization(CALL)

        assert answer.phase is phase
        assert _keys(transport.posts) == [KEY, KEY]
        assert transport.posts[1].params["confirm"] == "true"

    @pytest.mark.parametrize("reply", [KEY_IN_USE, BROKEN, REFUSED, NotConnected("x")])
    async def test_a_key_that_may_be_in_use_is_not_burnt(self, reply: Answer) -> None:
        """Only a key that was taken, or whose execution has ended, proves anything."""
        provider, _ = adapter({LIST: [listed()], CREATE: [reply]})

        assert (await provider.burn_authorization(CALL)).phase is LegPhase.OUTCOME_UNKNOWN

    async def test_a_known_payment_is_read_by_its_name(self) -> None:
        """With a reference nothing has to be searched; a payment that is waited for stays unknown."""
        provider, transport = adapter({READ: [ok(intent("processing"))]})

        answer = await provider.look_up_authorization(KNOWN)

        assert (answer.phase, answer.provider_reference) == (LegPhase.OUTCOME_UNKNOWN, "pi_1")
        assert [request.path for request in transport.requests] == [READ[1]]


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
        assert _keys(transport.posts) == [f"{CALL.leg_id}:capture:1"]

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
        assert _keys(transport.posts) == [f"{CALL.leg_id}:refund:1"]


class TestAccount:
    async def test_a_shopper_is_a_pseudonym(self) -> None:
        """The provider learns our id of the shopper and nothing else."""
        provider, transport = adapter(
            {("post", "/v1/customers"): [ok({"object": "customer", "id": "cus_1"})]}
        )

        assert await provider.register_shopper(CALL.payment_id) == "cus_1"
        [request] = transport.requests
        assert request.params == {"metadata[customer]": str(CALL.payment_id)}
        assert request.headers["Idempotency-Key"] == f"{CALL.payment_id}:customer"

    @pytest.mark.parametrize("reply", [BROKEN, NoAnswer("timeout"), Reply(200, "[]"), REFUSED])
    async def test_trouble_with_an_enrolment_is_told_as_such(self, reply: Answer) -> None:
        """An enrolment that cannot begin is UNAVAILABLE; nothing was charged."""
        provider, _ = adapter({("post", "/v1/setup_intents"): [reply]})

        with pytest.raises(ProviderUnavailable):
            await provider.start_enrolment("cus_1", request_id=CALL.leg_id)

    @pytest.mark.parametrize(
        "card",
        [None, {}, {"brand": "visa", "last4": "4242", "exp_month": "12", "exp_year": 2040}],
    )
    async def test_an_enrolment_whose_card_cannot_be_read_is_trouble(self, card: object) -> None:
        """A method that shows no card is not taken over half."""
        document = {
            "object": "setup_intent",
            "id": "seti_1",
            "status": "succeeded",
            "customer": "cus_1",
            "payment_method": {"object": "payment_method", "id": "pm_1", "card": card},
        }
        provider, _ = adapter({("get", "/v1/setup_intents/seti_1"): [ok(document)]})

        with pytest.raises(ProviderUnavailable):
            await provider.read_enrolment("seti_1")


class TestSilence:
    async def test_nothing_of_a_request_is_logged(
        self,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Neither the SDK's log nor ours shows bodies, keys or secrets, even where its log is asked for."""
        secret = "seti_1_secret_abc"
        document = {"object": "setup_intent", "id": "seti_1", "client_secret": secret}
        provider, transport = adapter({("post", "/v1/setup_intents"): [ok(document)]})
        monkeypatch.setattr("stripe._util.STRIPE_LOG", "debug")
        monkeypatch.setattr("stripe.log", "debug")
        monkeypatch.setattr("stripe.enable_telemetry", True)

        with caplog.at_level(logging.DEBUG):
            async with open_stripe(
                api_key="sk_test_1", url="", timeout_seconds=1.0, connections_max=1
            ):
                enrolments = [
                    await provider.start_enrolment("cus_1", request_id=CALL.leg_id)
                    for _ in range(2)
                ]

        captured = capsys.readouterr()
        assert enrolments[0].client_secret == secret
        for text in (repr(enrolments), caplog.text, captured.out, captured.err):
            assert secret not in text
            assert "cus_1" not in text
        assert "X-Stripe-Client-Telemetry" not in transport.requests[1].headers

    def test_the_version_of_the_api_is_that_of_the_sdk(self) -> None:
        """A newer SDK is taken on deliberately: its types speak of its own version."""
        assert stripe.api_version == API_VERSION
