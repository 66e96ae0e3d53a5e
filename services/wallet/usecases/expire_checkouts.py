"""Expire checkouts that nobody has paid in time, chunk by chunk through the queue."""

import asyncio
from typing import Final, NoReturn

import structlog

from services.common.kernel.errors import DomainError
from services.common.kernel.ids import new_uuid7
from services.common.runtime.database import is_infrastructure_failure
from services.wallet.domain.command import ExpireCheckouts
from services.wallet.domain.opening import SweepOutcome
from services.wallet.usecases.execute import Queue, execute

CHUNK_MAX: Final = 200
"""Checkouts that one command ends; the ids of their facts derive from the command's."""

log = structlog.get_logger(__name__)


async def expire_checkouts(queue: Queue) -> int:
    """End all open checkouts whose time is over now, and count them."""
    expired, more = 0, True
    while more:
        command = ExpireCheckouts(event_id=new_uuid7(), trace_parent="", limit=CHUNK_MAX)
        outcome = await execute(queue, command, SweepOutcome)
        expired += outcome.expired
        more = outcome.more
    return expired


async def sweep_checkouts(queue: Queue, *, idle_seconds: float) -> NoReturn:
    """Expire checkouts for ever. No decision waits for it: whose time is over cannot be paid."""
    while True:
        try:
            expired = await expire_checkouts(queue)
            if expired:
                log.info("wallet.checkouts_expired", checkouts=expired)
        except Exception as error:
            if not isinstance(error, DomainError) and not is_infrastructure_failure(error):
                raise
            log.warning("wallet.sweep_failed", error=repr(error))
        await asyncio.sleep(idle_seconds)
