"""A sandbox provider for a test, and Stripe's own client on it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import stripe

from services.simulator.sandbox.main import SandboxSettings
from services.simulator.sandbox.provider import Keys
from services.simulator.sandbox.server import Delays

KEYS = Keys("sk_test_secret", "pk_test_open")

AS_USER = {"Authorization": aiohttp.encode_basic_auth(KEYS.secret, "")}

WEBHOOK_SECRET = "whsec_test"

TIMEOUT_SECONDS = 1.0

ANSWER_SECONDS_MAX = 60
PATIENT_SECONDS = 60.0
"""For calls that nothing is to disturb: a busy machine may take its time."""


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
async def client_of(
    url: str, *, timeout_seconds: float = PATIENT_SECONDS
) -> AsyncIterator[stripe.StripeClient]:
    """Open Stripe's own client on a sandbox; it never repeats anything by itself."""
    transport = stripe.AIOHTTPClient(timeout=timeout_seconds)
    try:
        yield stripe.StripeClient(
            KEYS.secret, base_addresses={"api": url}, http_client=transport, max_network_retries=0
        )
    finally:
        await transport.close_async()  # type: ignore[no-untyped-call]  # the SDK's own lacks types


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


async def until(enough: Callable[[], bool]) -> None:
    """Wait until there is enough."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while True:
            if enough():
                return
            await asyncio.sleep(0.02)
