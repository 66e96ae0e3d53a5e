"""Answer within the time that a till waits: with the end of a payment, or else as it is then."""

import asyncio
from contextlib import suppress
from typing import Final
from uuid import UUID

from services.common.runtime.deadlines import outgoing_timeout
from services.common.runtime.group_commit import Draining
from services.wallet.domain.command import (
    RequestCancellation,
    StartPayment,
    StartRefund,
    StartTopUp,
)
from services.wallet.domain.opening import PaymentOutcome
from services.wallet.domain.payment import Payment
from services.wallet.usecases.drive import Driver
from services.wallet.usecases.execute import Queue, execute
from services.wallet.usecases.watch import Watcher, WatchHub

_MARGIN_SECONDS: Final = 0.1
"""Left of the caller's deadline for the answer itself."""

Begins = StartPayment | StartTopUp | StartRefund | RequestCancellation
"""Commands after which something is on its way."""


class InTime:
    """Executes what begins, drives it in the background, and waits for its end as long as it may."""

    def __init__(
        self, queue: Queue, hub: WatchHub, driver: Driver, *, budget_seconds: float
    ) -> None:
        """Take the queue, and ``budget_seconds`` of machine time for each answer."""
        self._queue = queue
        self._hub = hub
        self._driver = driver
        self.budget_seconds = budget_seconds
        """How long an answer may take, in seconds of machine time."""

    async def execute(self, command: Begins) -> Payment:
        """Execute a command, and give the payment at rest, or as it is when the time is over.

        Raises:
            DomainError: the command was refused; nothing has begun.
        """
        with self._hub.watching(_payment_of(command)) as watcher:
            outcome = await execute(self._queue, command, PaymentOutcome)
            if not outcome.replayed:
                self._driver.drive(outcome.payment)
            return await self._await_rest(watcher, outcome.payment)

    async def await_rest(self, payment: Payment) -> Payment:
        """Give a payment at rest, or as it is when the time is over."""
        with self._hub.watching(payment.payment_id) as watcher:
            await self._hub.look_at((payment.payment_id,))
            return await self._await_rest(watcher, payment)

    async def _await_rest(self, watcher: Watcher, payment: Payment) -> Payment:
        watcher.offer(payment)
        seconds = min(self.budget_seconds, outgoing_timeout(self.budget_seconds) - _MARGIN_SECONDS)
        with suppress(TimeoutError, Draining):
            async with asyncio.timeout(max(0.0, seconds)):
                while payment.in_flight:
                    payment = await watcher.newer_than(payment.version)
        return payment


def _payment_of(command: Begins) -> UUID:
    return command.top_up_id if isinstance(command, StartTopUp) else command.checkout_id
