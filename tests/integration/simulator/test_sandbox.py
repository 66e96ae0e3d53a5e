"""The sandbox provider as a server: Stripe's own client, broken connections, webhooks, and a kill."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import stripe
from aiohttp import web

from services.simulator.sandbox.cards import CARDS
from services.simulator.sandbox.main import SandboxSettings, running_sandbox
from services.simulator.sandbox.provider import Keys
from services.simulator.sandbox.server import Delays

KEYS = Keys("sk_test_secret", "pk_test_open")
AS_USER = {"Authorization": aiohttp.encode_basic_auth(KEYS.secret, "")}
WEBHOOK_SECRET = "whsec_test"
TIMEOUT_SECONDS = 1.0
ANSWER_SECONDS_MAX = 30


def settings_of(folder: Path, *, webhook_url: str = "") -> SandboxSettings:
    """Return the settings of a sandbox whose slow cards are quick."""
    return SandboxSettings(
        host="127.0.0.1",
        port=0,
        folder=folder,
        keys=KEYS,
        webhook_url=webhook_url,
        webhook_secret=WEBHOOK_SECRET,
        delays=Delays(slow_seconds=0.1, late_seconds=TIMEOUT_SECONDS + 0.3),
    )


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[stripe.StripeClient]:
    """Open Stripe's own client on a sandbox; it never repeats anything by itself."""
    transport = stripe.AIOHTTPClient(timeout=TIMEOUT_SECONDS)
    try:
        yield stripe.StripeClient(
            KEYS.secret, base_addresses={"api": url}, http_client=transport, max_network_retries=0
        )
    finally:
        await transport.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[stripe.StripeClient]:
    """Open Stripe's own client on a sandbox of the test's."""
    async with running_sandbox(settings_of(tmp_path)) as url, client_of(url) as client:
        yield client


async def authorize(client: stripe.StripeClient, card: str, *, key: str) -> stripe.PaymentIntent:
    """Reserve 10.00 EUR on a card."""
    return await client.v1.payment_intents.create_async(
        {
            "amount": 1000,
            "currency": "eur",
            "payment_method": card,
            "capture_method": "manual",
            "confirm": True,
            "error_on_requires_action": True,
        },
        {"idempotency_key": key},
    )


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
        assert times["first"] > 0

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
        self, client: stripe.StripeClient, fault: str
    ) -> None:
        """The caller hears nothing; the payment is reserved, and the key says so in the end."""
        with pytest.raises(stripe.APIConnectionError):
            await authorize(client, f"pm_card_{fault}", key="k")

        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            again = None
            while again is None:
                again = await _unless_in_use(authorize(client, f"pm_card_{fault}", key="k"))
        assert again.status == "requires_capture"
        listed = await client.v1.payment_intents.list_async()
        assert [intent.id for intent in listed.data] == [again.id]

    @pytest.mark.parametrize("fault", ["hangBeforeCommit", "dropBeforeCommit"])
    async def test_that_lose_the_request_leave_nothing(
        self, client: stripe.StripeClient, fault: str
    ) -> None:
        """The caller hears nothing, and nothing is there; the next try does the work."""
        with pytest.raises(stripe.APIConnectionError):
            await authorize(client, f"pm_card_{fault}", key="k")

        assert (await client.v1.payment_intents.list_async()).data == []
        assert (await authorize(client, f"pm_card_{fault}", key="k")).status == "requires_capture"

    async def test_slow_is_an_answer_that_takes_its_time(self, client: stripe.StripeClient) -> None:
        """The answer comes, and it is the ordinary one."""
        assert (await authorize(client, "pm_card_slow", key="k")).status == "requires_capture"

    async def test_one_caller_does_not_hold_up_the_others(
        self, client: stripe.StripeClient
    ) -> None:
        """While some requests hang, others are answered."""
        hanging = [
            asyncio.create_task(authorize(client, "pm_card_hang", key=f"h{number}"))
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


class Listener:
    """Whoever is told by webhooks; it refuses at first, as often as it is asked to."""

    def __init__(self, *, refusals: int = 0) -> None:
        self.refusals = refusals
        self.believed: list[dict[str, Any]] = []
        self.forged = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.port}/provider/webhooks"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for the body, on the same port each time."""
        app = web.Application()
        app.router.add_post("/provider/webhooks", self._hear)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self.port = runner.addresses[0][1]
            yield
        finally:
            await runner.cleanup()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until it has heard enough."""
        await until(enough)

    def types(self) -> list[str]:
        """Return what it was told about payments, in order."""
        return [
            event["type"].removeprefix("payment_intent.")
            for event in self.believed
            if event["type"].startswith("payment_intent.")
        ]

    async def _hear(self, request: web.Request) -> web.Response:
        payload = await request.text()
        try:
            stripe.WebhookSignature.verify_header(
                payload, request.headers["Stripe-Signature"], WEBHOOK_SECRET, tolerance=300
            )
        except stripe.SignatureVerificationError:
            self.forged += 1
            return web.Response(status=400)
        if self.refusals > 0:
            self.refusals -= 1
            return web.Response(status=503)
        self.believed.append(json.loads(payload))
        return web.Response()


async def until(enough: Callable[[], bool]) -> None:
    """Wait until there is enough."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while True:
            if enough():
                return
            await asyncio.sleep(0.02)


async def pay(url: str, card: str) -> None:
    """Reserve and take 10.00 EUR."""
    async with client_of(url) as client:
        intent = await authorize(client, card, key=f"{card}/{os.urandom(4).hex()}")
        await client.v1.payment_intents.capture_async(intent.id)


class TestWebhooks:
    async def test_tell_what_happened_until_they_are_heard(self, tmp_path: Path) -> None:
        """A listener that fails at first is told again, everything in the end."""
        listener = Listener(refusals=2)
        async with (
            listener.listening(),
            running_sandbox(settings_of(tmp_path, webhook_url=listener.url)) as url,
        ):
            await pay(url, "pm_card_visa")
            await listener.until(lambda: len(listener.believed) == 2)

        assert sorted(listener.types()) == ["amount_capturable_updated", "succeeded"]

    async def test_come_twice_out_of_order_and_forged_where_the_card_says_so(
        self, tmp_path: Path
    ) -> None:
        """What Stripe warns of happens here on purpose."""
        listener = Listener()
        async with (
            listener.listening(),
            running_sandbox(settings_of(tmp_path, webhook_url=listener.url)) as url,
        ):
            await pay(url, "pm_card_webhookTwice")
            await listener.until(lambda: len(listener.believed) == 4)
            await pay(url, "pm_card_webhookBadlySigned")
            await listener.until(lambda: (len(listener.believed), listener.forged) == (6, 2))
            await pay(url, "pm_card_webhookReordered")
            await listener.until(lambda: len(listener.believed) == 8)

        assert listener.types()[-2:] == ["succeeded", "amount_capturable_updated"]

    async def test_go_on_after_a_restart(self, tmp_path: Path) -> None:
        """What could not be told before the end is told after the next start."""
        listener = Listener()
        async with listener.listening():
            pass
        settings = settings_of(tmp_path, webhook_url=listener.url)
        async with running_sandbox(settings) as url:
            await pay(url, "pm_card_visa")

        async with listener.listening(), running_sandbox(settings):
            await listener.until(lambda: len(listener.believed) == 2)

    async def test_are_repeated_by_order(self, tmp_path: Path) -> None:
        """An operator can have any event told again."""
        listener = Listener()
        async with (
            listener.listening(),
            running_sandbox(settings_of(tmp_path, webhook_url=listener.url)) as url,
            aiohttp.ClientSession(headers=AS_USER) as session,
        ):
            await pay(url, "pm_card_webhookMissing")
            async with session.get(f"{url}/v1/events?type=payment_intent.succeeded") as listed:
                event = (await listed.json())["data"][0]["id"]
            assert listener.believed == []

            async with session.post(f"{url}/_sandbox/deliver/{event}") as planned:
                assert planned.status == 200
            await listener.until(lambda: listener.types() == ["succeeded"])
            async with session.post(f"{url}/_sandbox/deliver/evt_none") as unknown:
                assert unknown.status == 404


class TestKill:
    async def test_loses_nothing_that_was_answered(self, tmp_path: Path) -> None:
        """Killed in the middle of many payments: every answer is still true, and every key remembers."""
        answered: dict[str, str] = {}
        async with sandbox_process(tmp_path) as (process, url), client_of(url) as client:

            async def shop(name: str) -> None:
                for number in range(1_000):
                    key = f"{name}/{number}"
                    answered[key] = (await authorize(client, "pm_card_visa", key=key)).id

            shoppers = [asyncio.create_task(shop(str(number))) for number in range(8)]
            await until(lambda: len(answered) >= 200)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            ended = await asyncio.gather(*shoppers, return_exceptions=True)

        assert all(isinstance(outcome, stripe.APIConnectionError) for outcome in ended)
        async with sandbox_process(tmp_path) as (_, url), client_of(url) as client:
            again = {key: (await authorize(client, "pm_card_visa", key=key)).id for key in answered}
            assert again == answered

    async def test_leaves_no_card_number_or_key_on_the_disk(self, tmp_path: Path) -> None:
        """Files and log hold tokens only."""
        async with sandbox_process(tmp_path) as (_, url), client_of(url) as client:
            method = await client.v1.payment_methods.create_async(
                {
                    "type": "card",
                    "card": {
                        "number": "4000000000009995",
                        "exp_month": 12,
                        "exp_year": 2030,
                        "cvc": "987",
                    },
                }
            )
            with pytest.raises(stripe.CardError):
                await authorize(client, method.id, key="k")

        contents = read_files(tmp_path)
        assert len(contents) >= 2
        for content in contents:
            assert b"400000000000" not in content
            assert KEYS.secret.encode() not in content


def read_files(folder: Path) -> list[bytes]:
    """Return what every file of the folder holds."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@asynccontextmanager
async def sandbox_process(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run the sandbox as the process that it is; its log is in the folder."""
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.simulator.sandbox"),
            *("--listen=127.0.0.1:0", f"--dir={folder / 'state'}"),
            env=os.environ | {"SANDBOX_KEY": KEYS.secret},
            stderr=log,
        )
    try:
        yield process, await _address(folder / "log", process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _address(log: Path, pid: int) -> str:
    """Wait for the line in which a new process says where it listens."""
    await until(lambda: bool(_addresses(log, pid)))
    return _addresses(log, pid)[0]


def _addresses(log: Path, pid: int) -> list[str]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line["address"] for line in lines if line.get("pid") == pid]
