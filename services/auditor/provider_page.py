"""Reading what a payment provider has, through its Stripe-compatible API: every payment, every refund.

The wallet's adapter is left aside on purpose: what it believes is what is being proven.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from uuid import UUID

import aiohttp

from services.auditor.parallel import AuditError, ProviderSource

STRIPE: Final = "https://api.stripe.com"
PAGE_ITEMS: Final = 100
"""As many as the API gives at a time."""

TRIES_MAX: Final = 5
_TIMEOUT_SECONDS: Final = 30
_PAUSE_SECONDS: Final = 0.5

NOBODY: Final = UUID(int=0)
"""Stands for a leg that no metadata names."""


class Intent(NamedTuple):
    """A payment at the provider (a payment intent); times are Unix seconds."""

    reference: str
    status: str
    amount_minor: int
    received_minor: int
    currency_code: str
    is_burnt: bool
    create_time: int


class Refund(NamedTuple):
    """A refund at the provider."""

    reference: str
    status: str
    amount_minor: int
    currency_code: str
    intent: str
    create_time: int


@asynccontextmanager
async def reading_provider(source: ProviderSource) -> AsyncIterator["ProviderPages"]:
    """Open a connection to the provider for as long as the context lasts."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    headers = {"Authorization": f"Bearer {source.key}"}
    base = (source.url or STRIPE).rstrip("/")
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        yield ProviderPages(session, base)


class ProviderPages:
    """The lists of the provider, newest first, page by page."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        """Take an open session with the key in it."""
        self._session = session
        self._base = base

    async def intents(self) -> AsyncIterator[tuple[UUID, Intent]]:
        """Give every payment with the leg that its metadata names."""
        async for item in self._items("payment_intents"):
            metadata = item.get("metadata") or {}
            yield (
                _leg_of(metadata),
                Intent(
                    reference=item["id"],
                    status=item["status"],
                    amount_minor=item["amount"],
                    received_minor=item["amount_received"],
                    currency_code=item["currency"].upper(),
                    is_burnt="burnt" in metadata,
                    create_time=item["created"],
                ),
            )

    async def refunds(self) -> AsyncIterator[tuple[UUID, Refund]]:
        """Give every refund with the leg that its metadata names."""
        async for item in self._items("refunds"):
            yield (
                _leg_of(item.get("metadata") or {}),
                Refund(
                    reference=item["id"],
                    status=item["status"],
                    amount_minor=item["amount"],
                    currency_code=item["currency"].upper(),
                    intent=item["payment_intent"] or "",
                    create_time=item["created"],
                ),
            )

    async def _items(self, name: str) -> AsyncIterator[Mapping[str, Any]]:
        """Walk a list to its end."""
        query = {"limit": str(PAGE_ITEMS)}
        while True:
            page = await self._get(name, query)
            for item in page["data"]:
                yield item
            if not page["has_more"] or not page["data"]:
                return
            query["starting_after"] = page["data"][-1]["id"]

    async def _get(self, name: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        """Read a page; trouble on the way is tried again, for reading changes nothing."""
        trouble = ""
        for number in range(TRIES_MAX):
            await asyncio.sleep(number * _PAUSE_SECONDS)
            try:
                async with self._session.get(f"{self._base}/v1/{name}", params=query) as answer:
                    if answer.status == HTTPStatus.OK:
                        page: Mapping[str, Any] = await answer.json()
                        return page
                    trouble = f"HTTP {answer.status}"
                    if not _may_pass(answer.status):
                        break
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                trouble = type(error).__name__
        raise AuditError(f"cannot read {name} of the payment provider: {trouble}")


def _may_pass(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _leg_of(metadata: Mapping[str, str]) -> UUID:
    """Give the leg that metadata names."""
    try:
        return UUID(metadata.get("leg", ""))
    except ValueError:
        return NOBODY
