"""What the Stripe adapter asks to authorize a payment, and what it makes of every kind of answer."""

import pytest

from services.wallet.clients.stripe import API_VERSION
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
    adapter,
    failed,
    intent,
    listed,
    ok,
)
from tests.unit.wallet.clients.stripe_answers import (
    BURNT,
    CANCEL,
    CREATE,
    KEY,
    KNOWN,
    LIST,
    READ,
    UNCLEAR,
    keys,
)


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
        assert keys(transport.posts) == [KEY, f"{CALL.leg_id}:abandon:1"]

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
        assert keys(transport.posts) == [KEY, KEY]
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
