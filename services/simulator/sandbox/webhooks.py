"""Signed webhooks: every event is told to one URL until it answers, in no particular order."""

import asyncio
import hmac
import time
from functools import partial
from typing import Final

import aiohttp
import structlog

from services.simulator.sandbox.committer import Committer
from services.simulator.sandbox.store import Delivery, Store

_BATCH_MAX: Final = 16
"""Deliveries under way at a time."""
_GATHER_SECONDS: Final = 0.1
"""Between two looks at what waits: events of a busy moment are told together, a moment after the answers."""
_ANSWER_SECONDS_MAX: Final = 5.0
_ATTEMPTS_MAX: Final = 20
_PAUSE_SECONDS_FIRST: Final = 0.5
_PAUSE_SECONDS_MAX: Final = 60.0
_IDLE_SECONDS_MAX: Final = 5.0
_REDIRECT: Final = 300

_log: Final = structlog.get_logger()


def sign(payload: str, *, secret: str, now: int) -> str:
    """Return the ``Stripe-Signature`` header of a payload: its second and its HMAC-SHA256."""
    signed = hmac.new(secret.encode(), f"{now}.{payload}".encode(), "sha256")
    return f"t={now},v1={signed.hexdigest()}"


def pause_seconds(attempts: int) -> float:
    """Return how long to wait after so many attempts in vain."""
    return min(_PAUSE_SECONDS_FIRST * 2.0**attempts, _PAUSE_SECONDS_MAX)


class Webhooks:
    """Delivers what waits, from the state and in the background: a restart goes on where the last process ended."""

    def __init__(self, committer: Committer, *, url: str, secret: str) -> None:
        """Take where to deliver to and the secret that signs."""
        self._committer = committer
        self._url = url
        self._secret = secret
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Look at once: something new waits."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS_MAX)
        looked = 0.0
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await asyncio.sleep(max(0.0, looked + _GATHER_SECONDS - time.monotonic()))
                looked = time.monotonic()
                self._news.clear()
                due = await self._committer.run(_due)
                if not due:
                    await self._wait()
                    continue
                arrived = await asyncio.gather(*(self._deliver(session, item) for item in due))
                outcome = list(zip(due, arrived, strict=True))
                await self._committer.run(partial(_record, outcome=outcome))

    async def _wait(self) -> None:
        next_due = await self._committer.run(Store.next_delivery)
        seconds = _IDLE_SECONDS_MAX
        if next_due is not None:
            seconds = min(max(next_due - time.time(), 0.0), seconds)
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def _deliver(self, session: aiohttp.ClientSession, item: Delivery) -> bool:
        """Try one delivery; tell whether it is over."""
        secret = "somebody else's" if item.badly_signed else self._secret
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(item.payload, secret=secret, now=int(time.time())),
            "User-Agent": "Stripe/1.0 (cagnotte sandbox)",
        }
        try:
            async with session.post(self._url, data=item.payload, headers=headers) as answer:
                accepted = answer.status < _REDIRECT
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
        # A badly signed one has done its work when it is refused.
        return accepted or item.badly_signed


def _due(store: Store) -> list[Delivery]:
    return store.due_deliveries(now=time.time(), limit=_BATCH_MAX)


def _record(store: Store, *, outcome: list[tuple[Delivery, bool]]) -> None:
    now = time.time()
    for item, over in outcome:
        if over:
            store.end_delivery(item.seq)
        elif item.attempts + 1 >= _ATTEMPTS_MAX:
            store.end_delivery(item.seq)
            _log.warning("sandbox.webhook_given_up", attempts=item.attempts + 1)
        else:
            store.postpone_delivery(item.seq, due=now + pause_seconds(item.attempts))
