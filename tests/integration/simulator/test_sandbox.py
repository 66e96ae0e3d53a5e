"""The sandbox provider as a server: Stripe's own client, and broken connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from time import perf_counter

import aiohttp
import pytest
import stripe

from services.simulator.sandbox.cards import CARDS
from services.simulator.sandbox.main import running_sandbox
from tests.integration.simulator.sandbox_client import (
    ANSWER_SECONDS_MAX,
    AS_USER,
    KEYS,
    TIMEOUT_SECONDS,
    authorize,
    client_of,
    settings_of,
)


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """Run a sandbox of the test's."""
    async with running_sandbox(settings_of(tmp_path)) as url:
        yield url


@pytest.fixture
async def client(url: str) -> AsyncIterator[stripe.StripeClient]:
    """Open Stripe's own client on it."""
    async with client_of(url) as client:
        yield client


@pytest.fixture
async def hasty(url: str) -> AsyncIterator[stripe.StripeClient]:
    """Open a client that soon gives up."""
    async with client_of(url, timeout_seconds=TIMEOUT_SECONDS) as client:
        yield client


class TestWithStripesClient:
    async def test_a_card_is_kept_reserved_taken_and_given_back(
        self, client: stripe.StripeClient
    ) -> None:
        """The whole way through the official client, with its own types."""
        v1 = client.v1
        customer = await v1.customers.create_async({"metadata": {"customer": "1"}})
        setup = await v1.setup_intents.create_async({"customer": customer.id})
        await v1.setup_intents.confirm_async(setup.id, {"payment_method": "pm_card_visa"})
        kept = await v1.setup_intents.retrieve_async(setup.id, {"expand": ["payment_method"]})
        assert isinstance(kept.payment_method, stripe.PaymentMethod)
        assert kept.payment_method.card is not None

        intent = await v1.payment_intents.create_async(
            {
                "amount": 1234,
                "currency": "eur",
                "customer": customer.id,
                "payment_method": kept.payment_method.id,
                "capture_method": "manual",
                "confirm": True,
                "expand": ["latest_charge"],
            }
        )
        assert isinstance(intent.latest_charge, stripe.Charge)
        taken = await v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 1000})
        refund = await v1.refunds.create_async({"payment_intent": intent.id})

        assert (kept.payment_method.card.last4, taken.amount_received) == ("4242", 1000)
        assert (refund.amount, refund.status) == (1000, "succeeded")
        listed = await v1.payment_intents.list_async({"customer": customer.id})
        assert [found.id for found in listed.data] == [intent.id]

    async def test_lists_are_paged_by_the_client(self, client: stripe.StripeClient) -> None:
        """The client's own paging finds every event, in both directions."""
        for number in range(6):
            await authorize(client, "pm_card_visa", key=str(number))

        page = await client.v1.events.list_async({"limit": 5})
        forwards = [event.id async for event in page.auto_paging_iter()]
        last = await client.v1.events.list_async({"limit": 5, "ending_before": forwards[-1]})
        backwards = [event.id async for event in last.auto_paging_iter()]

        assert len(forwards) == len(set(forwards)) == 12
        assert backwards == forwards[-2::-1]

    async def test_a_decline_is_a_card_error(self, client: stripe.StripeClient) -> None:
        """The client raises what it raises for Stripe's own declines."""
        with pytest.raises(stripe.CardError) as declined:
            await authorize(client, "pm_card_chargeDeclined", key="k")

        assert declined.value.code == "card_declined"
        assert declined.value.request_id is not None

    async def test_a_used_key_is_an_idempotency_error(self, client: stripe.StripeClient) -> None:
        """The client tells it from every other refusal; a replay says that it is one."""
        await authorize(client, "pm_card_visa", key="k")

        again = await authorize(client, "pm_card_visa", key="k")
        with pytest.raises(stripe.IdempotencyError):
            await authorize(client, "pm_card_mastercard", key="k")

        assert again.last_response is not None
        assert again.last_response.headers is not None
        assert again.last_response.headers["Idempotent-Replayed"] == "true"

    @pytest.mark.parametrize("key", ["", "sk_test_wrong", KEYS.publishable])
    async def test_only_its_key_opens_it(self, tmp_path: Path, key: str) -> None:
        """No key, a wrong one, a phone's: nobody reads payments with these."""
        async with (
            running_sandbox(settings_of(tmp_path)) as url,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
        ):
            for path in (
                "/v1/payment_intents",
                "/_sandbox/totals",
                "/_sandbox/cards",
                "/_sandbox/times",
            ):
                async with session.get(f"{url}{path}") as answer:
                    assert answer.status in (401, 403)

    async def test_a_user_and_password_do_too(self, tmp_path: Path) -> None:
        """Basic authentication with the key as the user, as curl writes it."""
        async with (
            running_sandbox(settings_of(tmp_path)) as url,
            aiohttp.ClientSession(headers=AS_USER) as session,
            session.get(f"{url}/_sandbox/cards") as answer,
        ):
            assert set(await answer.json()) == {card.name for card in CARDS}

    async def test_tells_how_long_a_keyed_request_took_once(self, tmp_path: Path) -> None:
        """A time stands under the request's key until it is read; what came without a key has none."""
        asked = perf_counter()
        async with (
            running_sandbox(settings_of(tmp_path)) as url,
            aiohttp.ClientSession(headers=AS_USER) as session,
        ):
            for headers in ({"Idempotency-Key": "first"}, {}):
                async with session.post(f"{url}/v1/customers", headers=headers) as answer:
                    assert answer.status == 200
            async with session.get(f"{url}/_sandbox/times") as answer:
                times = await answer.json()
            async with session.get(f"{url}/_sandbox/times") as answer:
                assert await answer.json() == {}

        assert list(times) == ["first"]
        assert times["first"]["seconds"] > 0
        assert asked <= times["first"]["began"] <= perf_counter()

    async def test_nothing_is_forgotten_by_order(self, tmp_path: Path) -> None:
        """A sandbox that was not started for it refuses a reset."""
        async with (
            running_sandbox(settings_of(tmp_path)) as url,
            aiohttp.ClientSession(headers=AS_USER) as session,
            session.post(f"{url}/_sandbox/reset") as answer,
        ):
            assert answer.status == 403


class TestFaults:
    @pytest.mark.parametrize("fault", ["hang", "dropAfterCommit", "late"])
    async def test_that_lose_the_answer_leave_the_payment(
        self, client: stripe.StripeClient, hasty: stripe.StripeClient, fault: str
    ) -> None:
        """The caller hears nothing; the payment is reserved, and the key says so in the end."""
        with pytest.raises(stripe.APIConnectionError):
            await authorize(hasty, f"pm_card_{fault}", key="k")

        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            again = None
            while again is None:
                again = await _unless_in_use(authorize(client, f"pm_card_{fault}", key="k"))
        assert again.status == "requires_capture"
        listed = await client.v1.payment_intents.list_async()
        assert [intent.id for intent in listed.data] == [again.id]

    @pytest.mark.parametrize("fault", ["hangBeforeCommit", "dropBeforeCommit"])
    async def test_that_lose_the_request_leave_nothing(
        self, client: stripe.StripeClient, hasty: stripe.StripeClient, fault: str
    ) -> None:
        """The caller hears nothing, and nothing is there; the next try does the work."""
        with pytest.raises(stripe.APIConnectionError):
            await authorize(hasty, f"pm_card_{fault}", key="k")

        assert (await client.v1.payment_intents.list_async()).data == []
        assert (await authorize(client, f"pm_card_{fault}", key="k")).status == "requires_capture"

    async def test_slow_is_an_answer_that_takes_its_time(self, client: stripe.StripeClient) -> None:
        """The answer comes, and it is the ordinary one."""
        assert (await authorize(client, "pm_card_slow", key="k")).status == "requires_capture"

    async def test_one_caller_does_not_hold_up_the_others(
        self, client: stripe.StripeClient, hasty: stripe.StripeClient
    ) -> None:
        """While some requests hang, others are answered."""
        hanging = [
            asyncio.create_task(authorize(hasty, "pm_card_hang", key=f"h{number}"))
            for number in range(20)
        ]
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            for number in range(20):
                await authorize(client, "pm_card_visa", key=f"v{number}")

        outcomes = await asyncio.gather(*hanging, return_exceptions=True)
        assert all(isinstance(outcome, stripe.APIConnectionError) for outcome in outcomes)


async def _unless_in_use(call: Awaitable[stripe.PaymentIntent]) -> stripe.PaymentIntent | None:
    """Return what the call returns, or None while its key is in use."""
    try:
        return await call
    except stripe.APIError as error:
        if error.http_status != 409:
            raise
        return None
