"""The journal: gapless facts in commit order, in blocks that a hash chain ties together.

A batch locks the shard's head first, so ``seq`` is assigned in commit order and a reader
that saw ``seq`` has seen everything before it. The journal is outbox, audit trail and the
truth that ``verify`` folds again.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from services.common.kernel.chain import GENESIS, block_hash, fact_bytes
from services.common.kernel.errors import Unavailable
from services.common.runtime.database import Connection, load_queries

QUERIES: Final = load_queries(__package__, "journal.sql")

_FACT_COLUMNS: Final = ("shard_id", "seq", "event_id", "event_type", "subject", "payload")
_BLOCKS_PAGE: Final = 500
_FACTS_PAGE: Final = 4_000
_BREAKS_MAX: Final = 100


class HeadLost(Unavailable):
    """Another writer moved the shard's head; nothing was written, retry by the same id."""

    reason = "SHARD_HEAD_LOST"


@dataclass(frozen=True, slots=True)
class Head:
    """Where a shard's journal ends. ``epoch`` fences off writers of an older time."""

    shard_id: int
    epoch: int
    seq: int
    head_hash: bytes


@dataclass(frozen=True, slots=True)
class Fact:
    """An event before it is journaled; ``subject`` is the aggregate it belongs to."""

    event_id: UUID
    event_type: int
    subject: UUID
    payload: bytes


@dataclass(frozen=True, slots=True)
class RecordedFact:
    """A fact of the shared table, with its place and its block's time."""

    seq: int
    event_id: UUID
    event_type: int
    subject: UUID
    payload: bytes
    recorded_time: datetime


class ReadFacts(Protocol):
    """Reads (seq, canonical bytes) of an inclusive range of a shard's facts, in order."""

    def __call__(
        self, conn: Connection, shard_id: int, seq_from: int, seq_to: int
    ) -> Awaitable[Sequence[tuple[int, bytes]]]:
        """Give what there is; a missing seq is simply not in the answer."""
        ...


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """A block that does not prove its facts, and in which way."""

    seq_from: int
    seq_to: int
    problem: str


@dataclass(slots=True)
class ChainReport:
    """What ``verify_chain`` covered and found; at most the first hundred breaks."""

    shard_id: int
    blocks: int = 0
    facts: int = 0
    breaks: list[ChainBreak] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Tell whether every block proves its facts and the last one is the head."""
        return not self.breaks

    @property
    def detail(self) -> str:
        """Say where the first break is; nothing where there is none."""
        if not self.breaks:
            return ""
        first = self.breaks[0]
        return f"facts {first.seq_from} to {first.seq_to}: {first.problem}"

    def note(self, seq_from: int, seq_to: int, problem: str) -> None:
        """Keep a break, unless there are so many that one more tells nothing."""
        if len(self.breaks) < _BREAKS_MAX:
            self.breaks.append(ChainBreak(seq_from, seq_to, problem))


@dataclass(frozen=True, slots=True)
class _Block:
    seq_from: int
    seq_to: int
    recorded_time: datetime
    prev_hash: bytes
    hash: bytes


async def lock_head(conn: Connection, shard_id: int) -> Head:
    """Lock the shard's head until the transaction ends. Always the batch's first lock."""
    row = await conn.fetchrow(QUERIES["lock_head"], shard_id)
    assert row is not None, "a shard exists from its migration on"
    return Head(*row)


async def read_head(conn: Connection, shard_id: int) -> Head:
    """Read the shard's head without locking it."""
    row = await conn.fetchrow(QUERIES["read_head"], shard_id)
    assert row is not None, "a shard exists from its migration on"
    return Head(*row)


async def append_facts(
    conn: Connection, head: Head, facts: Sequence[Fact], *, recorded_time: datetime
) -> Head:
    """Append a batch's facts to the shared table as one block, and give the new head.

    The caller holds the lock of ``lock_head``. Two round trips whatever the number of
    facts. Nothing to append changes nothing.

    Raises:
        HeadLost: the head is not where the caller saw it.
    """
    if not facts:
        return head
    rows = [
        (head.shard_id, seq, fact.event_id, fact.event_type, fact.subject, fact.payload)
        for seq, fact in enumerate(facts, head.seq + 1)
    ]
    await conn.copy_records_to_table("fact", records=rows, columns=_FACT_COLUMNS)
    return await append_block(
        conn,
        head,
        seq_to=head.seq + len(facts),
        facts=_canonical(head, facts),
        recorded_time=recorded_time,
    )


def sealed(head: Head, facts: Sequence[Fact], *, recorded_time: datetime) -> Head:
    """Give the head as it is after a block of these facts, for who writes them in a statement of its own."""
    return seal_block(
        head,
        seq_to=head.seq + len(facts),
        facts=_canonical(head, facts),
        recorded_time=recorded_time,
    )


def sealed_parameters(
    head: Head, after: Head, facts: Sequence[Fact], *, recorded_time: datetime
) -> tuple[object, ...]:
    """Give the first parameters of a statement that writes a whole batch: heads, time, columns of the facts."""
    return (
        head.shard_id,
        head.epoch,
        head.seq,
        head.head_hash,
        after.seq,
        after.head_hash,
        recorded_time,
        [fact.event_id for fact in facts],
        [fact.event_type for fact in facts],
        [fact.subject for fact in facts],
        [fact.payload for fact in facts],
    )


async def append_block(
    conn: Connection,
    head: Head,
    *,
    seq_to: int,
    facts: Sequence[bytes],
    recorded_time: datetime,
) -> Head:
    """Seal the facts after the head, up to ``seq_to``, in a block, and give the new head.

    ``facts`` are the canonical bytes, one per seq in order, for journals that keep facts
    in tables of their own. One round trip.

    Raises:
        HeadLost: the head is not where the caller saw it.
    """
    moved_to = seal_block(head, seq_to=seq_to, facts=facts, recorded_time=recorded_time)
    await move_head(conn, head, moved_to, recorded_time=recorded_time)
    return moved_to


async def move_head(
    conn: Connection, head: Head, moved_to: Head, *, recorded_time: datetime
) -> None:
    """Write a sealed block and move the head to its end. One round trip, and the fence: it locks the head.

    Raises:
        HeadLost: the head is not where the caller saw it.
    """
    moved = await conn.fetchval(
        QUERIES["append_block"],
        head.shard_id,
        head.epoch,
        head.seq,
        moved_to.seq,
        recorded_time,
        head.head_hash,
        moved_to.head_hash,
    )
    if moved != 1:
        raise HeadLost("Another writer moved the shard's head.", shard_id=head.shard_id)


def _canonical(head: Head, facts: Sequence[Fact]) -> list[bytes]:
    return [
        fact_bytes(
            seq=seq,
            event_id=fact.event_id,
            event_type=fact.event_type,
            subject=fact.subject,
            payload=fact.payload,
        )
        for seq, fact in enumerate(facts, head.seq + 1)
    ]


def seal_block(head: Head, *, seq_to: int, facts: Sequence[bytes], recorded_time: datetime) -> Head:
    """Give the head as it is after a block of facts, by their canonical bytes."""
    assert len(facts) == seq_to - head.seq, "one fact for each seq"
    new_hash = block_hash(
        head.head_hash,
        shard_id=head.shard_id,
        seq_from=head.seq + 1,
        seq_to=seq_to,
        recorded_time=recorded_time,
        facts=facts,
    )
    return Head(head.shard_id, head.epoch, seq_to, new_hash)


async def facts_after(conn: Connection, shard_id: int, seq: int, limit: int) -> list[RecordedFact]:
    """Give at most ``limit`` facts of the shared table that follow ``seq``, in order."""
    rows = await conn.fetch(QUERIES["facts_after"], shard_id, seq, limit)
    if not rows:
        return []
    times = await conn.fetch(QUERIES["block_times"], shard_id, rows[0]["seq"], rows[-1]["seq"])
    blocks = iter(times)
    seq_to, recorded_time = next(blocks)
    facts = []
    for row in rows:
        while row["seq"] > seq_to:
            seq_to, recorded_time = next(blocks)
        facts.append(
            RecordedFact(
                seq=row["seq"],
                event_id=row["event_id"],
                event_type=row["event_type"],
                subject=row["subject"],
                payload=row["payload"],
                recorded_time=recorded_time,
            )
        )
    return facts


async def read_fact_bytes(
    conn: Connection, shard_id: int, seq_from: int, seq_to: int
) -> list[tuple[int, bytes]]:
    """Give (seq, canonical bytes) of the shared table's facts in an inclusive range.

    It is the ``read_facts`` that ``verify_chain`` takes for services without a journal of
    their own.
    """
    rows = await conn.fetch(QUERIES["facts_between"], shard_id, seq_from, seq_to)
    return [
        (
            row["seq"],
            fact_bytes(
                seq=row["seq"],
                event_id=row["event_id"],
                event_type=row["event_type"],
                subject=row["subject"],
                payload=row["payload"],
            ),
        )
        for row in rows
    ]


async def verify_chain(conn: Connection, shard_id: int, read_facts: ReadFacts) -> ChainReport:
    """Recompute a shard's whole chain from its facts, streaming, and report every break.

    A fact that is changed, missing or too many, a block that is changed, missing or does
    not follow the one before it, and a head that is not the last block are all breaks.
    Facts beyond the head are the concern of the caller's ``read_facts`` tables. Writers
    need not stop: the journal only grows, and the check ends at the head it saw first;
    on a ``snapshot()`` it also fits whatever else is read there.
    """
    head = await read_head(conn, shard_id)
    report = ChainReport(shard_id)
    seq, prev_hash = 0, GENESIS
    async for blocks in _pages_of_blocks(conn, shard_id, up_to=head.seq):
        found = await read_facts(conn, shard_id, blocks[0].seq_from, blocks[-1].seq_to)
        facts = dict(found)
        if len(facts) != len(found):
            report.note(blocks[0].seq_from, blocks[-1].seq_to, "a fact appears twice")
        report.facts += len(facts)
        for block in blocks:
            report.blocks += 1
            if block.seq_from != seq + 1:
                report.note(seq + 1, block.seq_from, "blocks do not follow one another")
            if block.prev_hash != prev_hash:
                report.note(block.seq_from, block.seq_to, "previous hash differs")
            _check_block(report, block, facts)
            seq, prev_hash = block.seq_to, block.hash
    if (seq, prev_hash) != (head.seq, head.head_hash):
        report.note(seq, head.seq, "the last block is not the head")
    return report


def _check_block(report: ChainReport, block: _Block, facts: dict[int, bytes]) -> None:
    wanted = range(block.seq_from, block.seq_to + 1)
    missing = [seq for seq in wanted if seq not in facts]
    if missing:
        report.note(missing[0], missing[-1], f"{len(missing)} facts are missing")
        return
    expected = block_hash(
        block.prev_hash,
        shard_id=report.shard_id,
        seq_from=block.seq_from,
        seq_to=block.seq_to,
        recorded_time=block.recorded_time,
        facts=(facts[seq] for seq in wanted),
    )
    if expected != block.hash:
        report.note(block.seq_from, block.seq_to, "hash differs from that of the facts")


async def _pages_of_blocks(
    conn: Connection, shard_id: int, *, up_to: int
) -> AsyncIterator[list[_Block]]:
    """Yield consecutive blocks in pages that hold a bounded number of facts."""
    seq = 0
    while seq < up_to:
        rows = await conn.fetch(QUERIES["blocks_after"], shard_id, seq, _BLOCKS_PAGE)
        page: list[_Block] = []
        for block in (_Block(*row) for row in rows):
            if page and block.seq_to - page[0].seq_from >= _FACTS_PAGE:
                yield page
                page = []
            if block.seq_to <= up_to:
                page.append(block)
            seq = block.seq_to
        if page:
            yield page
        if len(rows) < _BLOCKS_PAGE:
            return
