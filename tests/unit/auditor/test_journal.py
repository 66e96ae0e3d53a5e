"""The proof of a hash chain, over chains made in memory."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from services.auditor.journal import Block, ChainAudit, JournalFact, StoredHead
from services.auditor.tally import ignore_progress
from services.common.kernel.chain import GENESIS, block_hash

NOW = datetime(2017, 1, 1, 12, tzinfo=UTC)
T = TypeVar("T")


async def stream(rows: Iterable[T]) -> AsyncIterator[T]:
    """Give rows as a database would."""
    for row in rows:
        yield row


def make_journal(
    sizes: list[int], *, shard_id: int = 0
) -> tuple[list[JournalFact], list[Block], StoredHead]:
    """Make a sound journal with blocks of these sizes."""
    facts: list[JournalFact] = []
    blocks: list[Block] = []
    prev, seq = GENESIS, 0
    for size in sizes:
        batch = [
            JournalFact(shard_id, seq + i, f"fact {seq + i}".encode()) for i in range(1, size + 1)
        ]
        bounds = (seq + 1, seq + size)
        digest = block_hash(
            prev,
            shard_id=shard_id,
            seq_from=bounds[0],
            seq_to=bounds[1],
            recorded_time=NOW,
            facts=[fact.content for fact in batch],
        )
        blocks.append(Block(shard_id, *bounds, NOW, prev, digest))
        facts.extend(batch)
        prev, seq = digest, seq + size
    return facts, blocks, StoredHead(shard_id, seq, prev)


async def failing(
    facts: list[JournalFact], blocks: list[Block], heads: list[StoredHead]
) -> set[str]:
    """Audit a journal and return the names of the checks that fail."""
    audit = ChainAudit("ledger", listener=ignore_progress)
    checks = await audit.run(stream(facts), stream(blocks), heads)
    return {check.name.removeprefix("ledger.") for check in checks if not check.ok}


class TestChainAudit:
    """A sound chain passes; whatever is changed in it is named."""

    async def test_accepts_a_sound_chain_of_two_shards(self) -> None:
        """Every shard has a chain of its own, and all of them are covered."""
        first, second = make_journal([3, 1, 2]), make_journal([2], shard_id=1)
        audit = ChainAudit("ledger", listener=ignore_progress)

        checks = await audit.run(
            stream(first[0] + second[0]), stream(first[1] + second[1]), [first[2], second[2]]
        )

        assert [(check.name, check.ok, check.checked) for check in checks] == [
            ("ledger.sequence", True, 8),
            ("ledger.blocks", True, 4),
            ("ledger.hash_chain", True, 8),
        ]

    async def test_accepts_an_empty_journal(self) -> None:
        """A shard that never wrote has a head at the genesis hash and nothing else."""
        assert await failing([], [], [StoredHead(0, 0, GENESIS)]) == set()

    @pytest.mark.parametrize("place", range(6))
    async def test_misses_a_deleted_fact(self, place: int) -> None:
        """A deleted fact leaves a gap, wherever it was."""
        facts, blocks, head = make_journal([3, 1, 2])
        del facts[place]
        assert await failing(facts, blocks, [head]) == {"sequence", "hash_chain"}

    @pytest.mark.parametrize("place", range(6))
    async def test_sees_an_altered_fact(self, place: int) -> None:
        """One other byte is another hash."""
        facts, blocks, head = make_journal([3, 1, 2])
        facts[place] = replace(facts[place], content=b"another fact")
        assert await failing(facts, blocks, [head]) == {"hash_chain"}

    async def test_sees_facts_that_were_never_hashed(self) -> None:
        """What stands behind the last block was never committed by the service."""
        facts, blocks, head = make_journal([2])
        facts.append(JournalFact(0, 3, b"smuggled in"))
        assert await failing(facts, blocks, [head]) == {"sequence"}

    async def test_sees_a_repeated_number(self) -> None:
        """A number stands for one fact only."""
        facts, blocks, head = make_journal([2])
        assert "sequence" in await failing([facts[0], *facts], blocks, [head])

    @pytest.mark.parametrize("place", range(3))
    async def test_misses_a_deleted_block(self, place: int) -> None:
        """A deleted block breaks the contiguity, or the head when it was the last."""
        facts, blocks, head = make_journal([3, 1, 2])
        del blocks[place]
        assert "blocks" in await failing(facts, blocks, [head])

    @pytest.mark.parametrize(
        "change",
        [
            {"seq_from": 0},
            {"seq_from": 5},
            {"recorded_time": NOW.replace(second=1)},
            {"prev_hash": b"short"},
            {"prev_hash": bytes(32)},
            {"hash": bytes(32)},
            {"shard_id": 7},
        ],
    )
    async def test_sees_an_altered_block(self, change: dict[str, Any]) -> None:
        """Every column of a block is either hashed or follows from its neighbours."""
        facts, blocks, head = make_journal([3, 1, 2])
        blocks[1] = replace(blocks[1], **change)
        assert await failing(facts, blocks, [head])

    @pytest.mark.parametrize("change", [{"seq": 5}, {"seq": 7}, {"head_hash": bytes(32)}])
    async def test_sees_an_altered_head(self, change: dict[str, Any]) -> None:
        """The head is the last block's number and hash."""
        facts, blocks, head = make_journal([3, 1, 2])
        altered = replace(head, **change)
        assert await failing(facts, blocks, [altered]) == {"blocks"}

    async def test_misses_a_deleted_head(self) -> None:
        """Blocks without a head are no journal."""
        facts, blocks, _ = make_journal([3])
        assert await failing(facts, blocks, []) == {"blocks"}
