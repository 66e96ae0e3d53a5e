"""How requests travel to the provider: bounded in number, time and size, and never followed elsewhere.

The SDK lets its user bring the transport. Ours exists for what its own one cannot tell:
whether a request that failed was surely never sent. It also ends each request by our
deadline, reads no more than a bounded body, and follows no redirection with our key.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import stripe

_BODY_BYTES_MAX: Final = 4 * 1024 * 1024
_CONNECT_SECONDS_MAX: Final = 3.0
_KEEPALIVE_SECONDS: Final = 20.0


class NoAnswer(stripe.APIConnectionError):
    """A request may have been sent, and no whole answer came; ``cause`` is a word for the log."""

    def __init__(self, cause: str) -> None:
        """Say why in a word."""
        super().__init__(cause)  # type: ignore[no-untyped-call]  # the SDK's own lacks types


class NotConnected(NoAnswer):
    """No connection was had, so nothing was sent."""


class Transport(stripe.HTTPClient):
    """The SDK's requests over one pool of kept connections.

    A request waits for its turn among ``connections_max`` within its own deadline, so that
    a provider that hangs cannot pile up more than that.
    """

    name = "aiohttp"

    def __init__(
        self, session: aiohttp.ClientSession, *, timeout_seconds: float, connections_max: int
    ) -> None:
        """Take an open session, which its maker closes."""
        super().__init__()
        self._session = session
        self._timeout_seconds = timeout_seconds
        self._turns = asyncio.Semaphore(connections_max)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request and read its answer whole.

        Raises:
            NotConnected: nothing was sent.
            NoAnswer: it may have been sent, and no whole answer came.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_seconds
        await self._take_turn(deadline)
        try:
            async with asyncio.timeout_at(deadline):
                return await self._exchange(method, url, headers, post_data)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotConnected("no_connection") from error
        except TimeoutError as error:
            raise NoAnswer("timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer("connection_lost") from error
        finally:
            self._turns.release()

    async def close_async(self) -> None:
        """Leave the session to its maker."""

    async def _take_turn(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError as error:
            raise NotConnected("too_many_calls") from error

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        async with self._session.request(
            method, url, headers=headers, data=post_data, allow_redirects=False
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _BODY_BYTES_MAX:
                    response.close()
                    raise NoAnswer("answer_too_large")
            return bytes(body), response.status, response.headers


def open_session(*, connections_max: int) -> aiohttp.ClientSession:
    """Open a session for a ``Transport``: no cookies, no proxy from the environment."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=connections_max, keepalive_timeout=_KEEPALIVE_SECONDS, ttl_dns_cache=60
        ),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS_MAX),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
