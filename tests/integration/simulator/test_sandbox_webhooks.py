"""The sandbox provider's webhooks, and whoever hears them."""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import stripe
from aiohttp import web

from deploy.local.ports import any_free_port
from services.simulator.sandbox.main import running_sandbox
from tests.integration.simulator.sandbox_client import (
    AS_USER,
    WEBHOOK_SECRET,
    authorize,
    client_of,
    settings_of,
    until,
)


class Listener:
    """Whoever is told by webhooks; it refuses at first, as often as it is asked to."""

    def __init__(self, *, refusals: int = 0) -> None:
        self.refusals = refusals
        self.believed: list[dict[str, Any]] = []
        self.forged = 0
        self.port = any_free_port()

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
