"""Commit a batch: load, fold, write all of it set-based, commit.

As long as this process is the only one that writes, it knows where the journal ends, and a small batch is one
statement that writes there or not at all. A large one, a rare one, and whoever finds another writer's facts lock
the head first.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

from services.common.kernel.clock import Clock
from services.common.runtime.database import Connection, Database
from services.common.runtime.journal import Head, append_facts, lock_head, read_head
from services.points.codec.settlement import KEEP
from services.points.domain.batch import Batch, touched_by
from services.points.domain.command import (
    Command,
    HoldValue,
    RecordTicket,
    ReleaseHold,
    SettleCheckout,
    SpendHold,
)
from services.points.domain.decide import Answer, decide_all
from services.points.domain.ticket import TicketLimits
from services.points.store.batch import fits_one_statement, write_batch
from services.points.store.facts import to_facts
from services.points.store.load import load_batch, needs_of
from services.points.store.programmes import ProgrammeShelf
from services.points.store.save import save_batch

STATEMENT_COMMANDS_MAX: Final = 16
"""Commands of a batch that goes in one statement: more rows than theirs are cheaper by COPY."""

_Frequent: TypeAlias = RecordTicket | HoldValue | SpendHold | ReleaseHold | SettleCheckout


class _Decided(NamedTuple):
    """A batch that was loaded and folded, and what its callers hear once it is committed."""

    batch: Batch
    answers: list[Answer]
    now: datetime


class CommitBatch:
    """Commits batches of one shard: the function behind the group commit.

    ``on_commit`` is called after each batch that recorded something (it wakes the relay).
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        limits: TicketLimits,
        shard_id: int,
        on_commit: Callable[[], None],
    ) -> None:
        """Take the database and the clock; ``limits`` are those of a ticket's time."""
        self._db = db
        self._clock = clock
        self._limits = limits
        self._shard_id = shard_id
        self._on_commit = on_commit
        self._programmes = ProgrammeShelf(shard_id=shard_id)
        self._head: Head | None = None
        """Where the journal ended after this process' last batch; None when that is not known."""

    async def __call__(self, commands: Sequence[Command]) -> list[Answer]:
        """Decide commands in their order in one transaction, and give an answer to each."""
        # Whatever goes wrong from here on, the end of the journal is not known then.
        head, self._head = self._head, None
        answers = None
        if head is not None and _is_small(commands):
            answers = await self._commit_behind(head, commands)
        return await self._commit_locked(commands) if answers is None else answers

    async def _commit_behind(self, head: Head, commands: Sequence[Command]) -> list[Answer] | None:
        """Commit behind a head that is not locked; None when nothing was written, and the lock is needed.

        What is read is at least as new as the head. If anything of it is newer, so is the head by the time of writing.
        """
        async with self._db.connection() as conn:
            decided = await self._decide(conn, head, commands)
            batch = decided.batch
            if not batch.events:
                return self._answer(decided, head, await read_head(conn, self._shard_id))
            touched = touched_by(batch.events)
            if not fits_one_statement(batch, touched):
                return None
            facts = to_facts(batch.events)
            after = await write_batch(conn, head, batch, touched, facts, recorded_time=decided.now)
        if after is None:
            return None
        self._committed(batch, after)
        return decided.answers

    def _answer(self, decided: _Decided, head: Head, seen: Head) -> list[Answer] | None:
        """Answer what changes nothing, unless another writer has changed something meanwhile."""
        if seen != head:
            return None
        self._head = head
        return decided.answers

    async def _commit_locked(self, commands: Sequence[Command]) -> list[Answer]:
        """Commit while nobody else can.

        The time is read once the head is locked, so that the recorded times of the journal ascend with its numbers.
        """
        async with self._db.transaction() as conn:
            head = await lock_head(conn, self._shard_id)
            decided = await self._decide(conn, head, commands)
            batch = decided.batch
            if batch.events:
                touched = touched_by(batch.events)
                await save_batch(conn, batch, touched, shard_id=self._shard_id)
                facts = to_facts(batch.events)
                head = await append_facts(conn, head, facts, recorded_time=decided.now)
        self._committed(batch, head)
        return decided.answers

    async def _decide(self, conn: Connection, head: Head, commands: Sequence[Command]) -> _Decided:
        """Load what the commands name, and fold them."""
        now = self._clock()
        batch = Batch()
        batch.programmes = await self._programmes.load_as_of(conn, head.seq)
        await load_batch(conn, batch, needs_of(commands), shard_id=self._shard_id, now=now)
        answers = decide_all(batch, commands, now=now, limits=self._limits, keep=KEEP)
        return _Decided(batch, answers, now)

    def _committed(self, batch: Batch, head: Head) -> None:
        self._head = head
        if batch.events:
            self._programmes.keep(batch.programmes, seq=head.seq)
            self._on_commit()


def _is_small(commands: Sequence[Command]) -> bool:
    """Tell whether one statement can be the cheapest way to write what commands cause."""
    return len(commands) <= STATEMENT_COMMANDS_MAX and all(
        isinstance(command, _Frequent) for command in commands
    )
