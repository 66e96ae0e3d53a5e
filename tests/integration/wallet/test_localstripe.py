"""The Stripe adapter against localstripe, an independent counterpart.

It shows that somebody else's reading of Stripe's API agrees with ours on requests, answers,
errors and signatures. What it cannot show, and where it is shown instead:

- idempotency keys, which it ignores: no replay, no conflict, no burnt key (the sandbox, and
  answer by answer ``tests/unit/wallet/clients/test_stripe.py``);
- looking a payment up among its shopper's, and the event list by cursor: its lists take no
  such filters and refuse them, which the adapter calls unknown, or unavailable (the sandbox);
- that a capture after a cancellation, or a refund above the capture, is refused: it lets
  both happen (the sandbox);
- the issuer's reason of a decline, and declines of most of Stripe's test cards;
- events of cancellations, refunds and authorizations; webhooks twice, late or out of order;
- slow, hanging, lost or failing answers, 429 (the sandbox);
- a card's network, its country, and that a succeeded enrolment belongs to its shopper;
- the present name of one parameter, ``allowed_payment_method_types``: it speaks an older
  version of the API and refuses what it does not know, so a door before it renames this one.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.common.kernel.ids import new_uuid7
from services.wallet.api.webhooks import PATH, open_webhooks
from services.wallet.clients.provider import CardCall, ProviderEvent, ProviderUnavailable
from services.wallet.clients.stripe import StripeProvider, open_stripe
from services.wallet.domain.leg import Decline, LegPhase
from tests.integration.wallet.localstripe import KEY, Localstripe, run_localstripe

AMOUNT_MINOR = 4321
ASKS_FOR_AUTHENTICATION = "4000002760003184"
HEARD_SECONDS_MAX = 60.0


@pytest.fixture
async def localstripe(tmp_path: Path) -> AsyncIterator[Localstripe]:
    """Run one."""
    async with run_localstripe(tmp_path) as running:
        yield running


@pytest.fixture
async def provider(localstripe: Localstripe) -> AsyncIterator[StripeProvider]:
    """Open the adapter on it."""
    async with open_stripe(
        api_key=KEY, url=localstripe.url, timeout_seconds=20.0, connections_max=4
    ) as provider:
        yield provider


async def _call(provider: StripeProvider, method: str) -> CardCall:
    return CardCall(
        payment_id=new_uuid7(),
        leg_id=new_uuid7(),
        try_number=1,
        amount_minor=AMOUNT_MINOR,
        currency_code="EUR",
        provider_customer=await provider.register_shopper(new_uuid7()),
        provider_method=method,
        provider_reference="",
    )


async def _authorized(provider: StripeProvider) -> CardCall:
    call = await _call(provider, "pm_card_visa")
    answer = await provider.authorize(call)
    assert answer.phase is LegPhase.DONE
    return replace(call, provider_reference=answer.provider_reference)


class TestLocalstripe:
    async def test_a_card_is_enrolled(
        self, provider: StripeProvider, localstripe: Localstripe
    ) -> None:
        """A setup intent that the phone has confirmed gives the card's tokens."""
        customer = await provider.register_shopper(new_uuid7())
        enrolment = await provider.start_enrolment(customer, request_id=new_uuid7())
        before = await provider.read_enrolment(enrolment.provider_reference)
        await localstripe.post(
            f"/v1/setup_intents/{enrolment.provider_reference}/confirm",
            payment_method="pm_card_visa",
            client_secret=enrolment.client_secret,
        )

        card = await provider.read_enrolment(enrolment.provider_reference)

        assert before is None
        assert card is not None
        assert (card.provider_customer, card.brand, card.last_four) == (customer, "visa", "4242")
        assert card.fingerprint

    async def test_a_payment_is_authorized_captured_and_refunded(
        self, provider: StripeProvider
    ) -> None:
        """The whole way of a payment, with a look after every step."""
        call = await _authorized(provider)

        looked_up = await provider.look_up_authorization(call)
        captured = [await provider.capture(call), await provider.find_out_capture(call)]
        refunded = [await provider.refund(call), await provider.find_out_refund(call)]

        assert looked_up.phase is LegPhase.DONE
        assert [answer.phase for answer in captured] == [LegPhase.DONE] * 2
        assert refunded[0].phase is LegPhase.DONE
        assert refunded[1] == refunded[0]

    async def test_a_second_capture_and_a_second_cancellation_are_seen_to_be_done(
        self, provider: StripeProvider
    ) -> None:
        """It refuses both, and the payment itself tells that nothing is left to do."""
        captured, canceled = await _authorized(provider), await _authorized(provider)
        await provider.capture(captured)
        await provider.cancel(canceled)

        assert (await provider.capture(captured)).phase is LegPhase.DONE
        assert (await provider.cancel(canceled)).phase is LegPhase.DONE
        assert (await provider.find_out_cancellation(canceled)).phase is LegPhase.DONE
        assert (await provider.find_out_capture(canceled)).decline == Decline("payment_canceled")
        assert (await provider.cancel(captured)).decline == Decline("payment_captured")

    async def test_a_decline_is_told_by_its_code(self, provider: StripeProvider) -> None:
        """A card that the bank refuses is DECLINED."""
        answer = await provider.authorize(await _call(provider, "pm_card_chargeCustomerFail"))

        assert answer.decline == Decline("card_declined")

    async def test_an_authentication_that_nobody_can_give_is_a_decline(
        self, provider: StripeProvider, localstripe: Localstripe
    ) -> None:
        """A payment that waits for the shopper's bank is canceled."""
        method = await localstripe.post(
            "/v1/payment_methods",
            **{
                "type": "card",
                "card[number]": ASKS_FOR_AUTHENTICATION,
                "card[exp_month]": "12",
                "card[exp_year]": "2040",
                "card[cvc]": "123",
            },
        )
        call = await _call(provider, str(method["id"]))

        answer = await provider.authorize(call)

        assert answer.decline == Decline("authentication_required")
        call = replace(call, provider_reference=answer.provider_reference)
        assert (await provider.find_out_cancellation(call)).phase is LegPhase.DONE

    async def test_what_it_cannot_show_is_never_taken_for_an_outcome(
        self, provider: StripeProvider
    ) -> None:
        """Filters that it refuses leave an authorization unknown, and the event list unavailable."""
        call = await _call(provider, "pm_card_visa")

        answers = [
            await provider.look_up_authorization(call),
            await provider.retry_authorization(call),
            await provider.burn_authorization(call),
        ]

        assert {answer.phase for answer in answers} == {LegPhase.OUTCOME_UNKNOWN}
        with pytest.raises(ProviderUnavailable):
            await provider.list_events(after="")

    async def test_its_webhooks_are_genuine(
        self, provider: StripeProvider, localstripe: Localstripe
    ) -> None:
        """Somebody else's signature is verified, and the event tells of our payment."""
        heard: list[ProviderEvent] = []
        arrived = asyncio.Event()

        async def hear(event: ProviderEvent) -> None:
            heard.append(event)
            if event.event_type == "payment_intent.succeeded":
                arrived.set()

        secret = "whsec_of_localstripe"
        async with open_webhooks("127.0.0.1:0", secret=secret, hear=hear) as door:
            url = f"http://{door}{PATH}"
            await localstripe.post("/_config/webhooks/ours", url=url, secret=secret)
            call = await _authorized(provider)
            await provider.capture(call)
            async with asyncio.timeout(HEARD_SECONDS_MAX):
                await arrived.wait()

        assert (call.provider_reference, call.payment_id) in {
            (event.object_reference, event.payment_id) for event in heard
        }
