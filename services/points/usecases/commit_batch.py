"""Commit a batch: lock the head, load, fold, write all of it set-based, commit."""

from collections.abc import Callable, Sequence

from services.common.kernel.clock import Clock
from services.common.runtime.database import Database
from services.common.runtime.journal import append_facts, lock_head
from services.points.codec.settlement import KEEP
from services.points.domain.batch import Batch, touched_by
from services.points.domain.command import Command
from services.points.domain.decide import Answer, decide_all
from services.points.domain.ticket import TicketLimits
from services.points.store.facts import to_facts
from services.points.store.load import load_batch, needs_of
from services.points.store.programmes import ProgrammeShelf
from services.points.store.save import save_batch


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

    async def __call__(self, commands: Sequence[Command]) -> list[Answer]:
        """Decide commands in their order in one transaction, and give an answer to each.

        The time is read once the head is locked, so that the recorded times of the journal
        ascend with its numbers.
        """
        needs = needs_of(commands)
        batch = Batch()
        async with self._db.transaction() as conn:
            head = await lock_head(conn, self._shard_id)
            now = self._clock()
            batch.programmes = await self._programmes.load_as_of(conn, head.seq)
            await load_batch(conn, batch, needs, shard_id=self._shard_id, now=now)
            answers = decide_all(batch, commands, now=now, limits=self._limits, keep=KEEP)
            if batch.events:
                touched = touched_by(batch.events)
                await save_batch(conn, batch, touched, shard_id=self._shard_id)
                facts = to_facts(batch.events)
                head = await append_facts(conn, head, facts, recorded_time=now)
        if batch.events:
            self._programmes.keep(batch.programmes, seq=head.seq)
            self._on_commit()
        return answers
