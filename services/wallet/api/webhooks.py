"""The HTTP door of the provider: signed webhooks come in, and each is a hint to look at a payment.

A webhook may come late, twice, out of order or never; it is never believed, only followed.
It is answered with success as soon as it is written down, whatever kind of event it tells
of, since the provider repeats for days what it gets no success for.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from services.common.kernel.errors import DomainError
from services.common.runtime.database import is_infrastructure_failure
from services.wallet.clients.provider import ProviderEvent
from services.wallet.clients.stripe_webhooks import BadSignature, UnreadableEvent, read_webhook

PATH: Final = "/provider/webhooks"

_BODY_BYTES_MAX: Final = 512 * 1024
_BODY_SECONDS_MAX: Final = 10.0
_GRACE_SECONDS: Final = 5.0
_SIGNATURE_HEADER: Final = "Stripe-Signature"

Hear = Callable[[ProviderEvent], Awaitable[None]]
"""Writes an event down, once however often it comes, and has its payment looked at."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_webhooks(listen: str, *, secret: str, hear: Hear) -> AsyncIterator[str]:
    """Take webhooks at ``host:port`` (port 0 takes a free one), and give the address.

    TLS is that of the proxy in front, which is the only one that should reach it.
    """
    assert secret, "without a secret anybody could sign"
    host, _, port = listen.rpartition(":")
    app = web.Application(client_max_size=_BODY_BYTES_MAX)
    app.router.add_post(PATH, _Receiver(secret, hear).receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        bound_host, bound_port, *_ = runner.addresses[0]
        yield f"{bound_host}:{bound_port}"
    finally:
        await runner.cleanup()


class _Receiver:
    def __init__(self, secret: str, hear: Hear) -> None:
        self._secret = secret
        self._hear = hear

    async def receive(self, request: web.Request) -> web.Response:
        """Take one webhook; the answer says no more than its status."""
        try:
            event = await self._read(request)
        except BadSignature:
            return _refused(HTTPStatus.BAD_REQUEST, "bad_signature")
        except UnreadableEvent:
            return _refused(HTTPStatus.BAD_REQUEST, "unreadable")
        except web.HTTPRequestEntityTooLarge:
            return _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
        except TimeoutError:
            return _refused(HTTPStatus.REQUEST_TIMEOUT, "too_slow")
        try:
            await self._hear(event)
        except Exception as error:
            if not isinstance(error, DomainError) and not is_infrastructure_failure(error):
                raise
            log.warning("wallet.webhook_not_kept", exc_info=error)
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return web.Response(status=HTTPStatus.OK)

    async def _read(self, request: web.Request) -> ProviderEvent:
        async with asyncio.timeout(_BODY_SECONDS_MAX):
            body = await request.read()
        signature = request.headers.get(_SIGNATURE_HEADER, "")
        return read_webhook(body, signature=signature, secret=self._secret)


def _refused(status: HTTPStatus, reason: str) -> web.Response:
    log.warning("wallet.webhook_refused", reason=reason)
    return web.Response(status=status)
