"""Expire holds: release, through the same queue as everything else, the holds whose time is over."""

import asyncio
from typing import Final, NoReturn

import structlog

from services.common.kernel.clock import Clock
from services.common.kernel.errors import DomainError
from services.common.runtime.database import Database, is_infrastructure_failure
from services.common.runtime.group_commit import GroupCommit
from services.ledger.domain.batch import Result, Unit
from services.ledger.domain.expiry import expire_hold
from services.ledger.store.transactions import holds_due

BATCH_MAX: Final = 500
"""Holds read at a time."""

log = structlog.get_logger(__name__)


async def expire_holds(
    db: Database, engine: GroupCommit[Unit, Result], clock: Clock, *, shard_id: int
) -> int:
    """Release every hold of the shard whose time is over, and give how many were tried.

    A hold that is posted or voided meanwhile stays as it is: the queue orders them.
    """
    tried = 0
    while True:
        async with db.connection() as conn:
            due = await holds_due(conn, shard_id, now=clock(), limit=BATCH_MAX)
        if not due:
            return tried
        commands = [expire_hold(hold.hold_id, expire_time=hold.expire_time) for hold in due]
        await engine.submit_many(commands)
        tried += len(due)
        if len(due) < BATCH_MAX:
            return tried


class SweepHolds:
    """Expires holds again and again. Run ``run()`` as a loop of the process.

    That an expired hold is never posted does not hang on this loop: the fold checks the time.
    """

    def __init__(
        self,
        db: Database,
        engine: GroupCommit[Unit, Result],
        clock: Clock,
        *,
        shard_id: int,
        idle_seconds: float,
    ) -> None:
        self._db = db
        self._engine = engine
        self._clock = clock
        self._shard_id = shard_id
        self._idle_seconds = idle_seconds

    async def run(self) -> NoReturn:
        """Sweep for ever; a database that is away is waited for."""
        while True:
            try:
                tried = await expire_holds(
                    self._db, self._engine, self._clock, shard_id=self._shard_id
                )
                if tried:
                    log.info("ledger.holds_expired", holds=tried)
            except Exception as error:
                if not isinstance(error, DomainError) and not is_infrastructure_failure(error):
                    raise
                log.warning("ledger.sweep_failed", exc_info=error)
            await asyncio.sleep(self._idle_seconds)
