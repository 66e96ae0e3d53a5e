"""Expire value: end the holds and lots whose time is over, chunk by chunk through the queue."""

import asyncio
from typing import Final, NoReturn

import structlog

from services.common.kernel.errors import DomainError
from services.common.kernel.ids import new_uuid7
from services.common.kernel.loyalty import LoyaltyAmount, LoyaltyCurrency
from services.common.runtime.database import is_infrastructure_failure
from services.common.runtime.telemetry import current_traceparent
from services.points.domain.command import ExpireValue
from services.points.domain.holding import SweepOutcome
from services.points.usecases.execute import Queue, execute

CHUNK_MAX: Final = 1000
"""Holds, and lots, that one command ends: the tickets between two of them wait little."""

log = structlog.get_logger(__name__)


async def expire_value(queue: Queue) -> SweepOutcome:
    """End all that is over now, and count it."""
    holds = lots = 0
    amounts = dict.fromkeys(LoyaltyCurrency, 0)
    more = True
    while more:
        command = ExpireValue(new_uuid7(), current_traceparent(), CHUNK_MAX)
        outcome = await execute(queue, command, SweepOutcome)
        holds += outcome.expired_holds
        lots += outcome.expired_lots
        for amount in outcome.expired_amounts:
            amounts[amount.currency] += amount.quantity
        more = outcome.more
    total = tuple(LoyaltyAmount(currency, quantity) for currency, quantity in amounts.items())
    return SweepOutcome(holds, lots, total, more=False)


async def sweep_value(queue: Queue, *, idle_seconds: float) -> NoReturn:
    """Expire value for ever. Decisions never depend on it: what is over cannot be used."""
    while True:
        try:
            outcome = await expire_value(queue)
            if outcome.expired_holds or outcome.expired_lots:
                log.info(
                    "points.value_expired",
                    holds=outcome.expired_holds,
                    lots=outcome.expired_lots,
                )
        except Exception as error:
            if not isinstance(error, DomainError) and not is_infrastructure_failure(error):
                raise
            log.warning("points.sweep_failed", exc_info=error)
        await asyncio.sleep(idle_seconds)
