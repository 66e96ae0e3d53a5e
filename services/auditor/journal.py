"""The hash chain of any journal: no gap, contiguous blocks, recomputed hashes, a true head.

A journal is given as two sorted streams, its facts' canonical bytes and its blocks, so that the
ledger's transactions and the other services' events pass through the same proof.
"""

import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from services.auditor.report import Check
from services.auditor.tally import Listener, Tally
from services.common.kernel.chain import GENESIS, block_hash


@dataclass(frozen=True, slots=True)
class JournalFact:
    """One number of a journal with the bytes that its block's hash covers."""

    shard_id: int
    seq: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """One committed batch as stored."""

    shard_id: int
    seq_from: int
    seq_to: int
    recorded_time: datetime
    prev_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class StoredHead:
    """The head of a shard as stored: the last number and the last hash."""

    shard_id: int
    seq: int
    head_hash: bytes


class ChainAudit:
    """Proves one service's journal while its facts and blocks stream by."""

    def __init__(self, service: str, *, listener: Listener) -> None:
        """Start with nothing seen; ``service`` names the checks."""
        self._sequence = Tally(f"{service}.sequence", listener=listener)
        self._blocks = Tally(f"{service}.blocks", listener=listener)
        self._hashes = Tally(f"{service}.hash_chain", listener=listener)
        self._heads: dict[int, StoredHead] = {}
        """The head that each shard's blocks lead to, as far as they were seen."""

    async def run(
        self,
        facts: AsyncIterator[JournalFact],
        blocks: AsyncIterator[Block],
        heads: list[StoredHead],
    ) -> list[Check]:
        """Prove the chain; facts come by shard and number, blocks by shard and last number."""
        fact = await anext(facts, None)
        async for block in blocks:
            content: list[bytes] = []
            head = self._heads.get(block.shard_id, StoredHead(block.shard_id, 0, GENESIS))
            expected = head.seq + 1
            while fact is not None and (fact.shard_id, fact.seq) <= (block.shard_id, block.seq_to):
                self._follow(block, fact, expected)
                content.append(fact.content)
                expected = fact.seq + 1
                fact = await anext(facts, None)
            self._sequence.cover(len(content))
            if expected != block.seq_to + 1:
                self._sequence.blame(
                    f"shard {block.shard_id}: seq {expected} to {block.seq_to} are missing"
                )
            self._link(block, head)
            self._prove(block, content)
            self._heads[block.shard_id] = StoredHead(block.shard_id, block.seq_to, block.hash)
        while fact is not None:
            self._sequence.cover(1)
            self._sequence.blame(f"shard {fact.shard_id}: seq {fact.seq} is in no block")
            fact = await anext(facts, None)
        self._compare_heads(heads)
        return self._close()

    def _follow(self, block: Block, fact: JournalFact, expected: int) -> None:
        """Numbers follow one another without a gap, within the shard of their block."""
        if fact.shard_id != block.shard_id:
            self._sequence.blame(f"shard {fact.shard_id}: seq {fact.seq} is in no block")
        elif fact.seq > expected:
            self._sequence.blame(
                f"shard {fact.shard_id}: seq {expected} to {fact.seq - 1} are missing"
            )
        elif fact.seq < expected:
            self._sequence.blame(f"shard {fact.shard_id}: seq {fact.seq} is there twice")

    def _link(self, block: Block, head: StoredHead) -> None:
        """A block begins where the one before it ended, and carries its hash."""
        self._blocks.cover(1)
        where = f"shard {block.shard_id}: block {block.seq_from}..{block.seq_to}"
        self._blocks.expect(
            holds=block.seq_from == head.seq + 1 and block.seq_to >= block.seq_from,
            offender=f"{where} does not follow seq {head.seq}",
        )
        self._blocks.expect(
            holds=block.prev_hash == head.head_hash,
            offender=f"{where} does not carry its predecessor's hash",
        )

    def _prove(self, block: Block, content: list[bytes]) -> None:
        """A block's hash is the hash of what is stored now."""
        self._hashes.cover(len(content))
        where = f"shard {block.shard_id}: block {block.seq_from}..{block.seq_to}"
        self._hashes.expect(
            holds=_recomputed(block, content) == block.hash,
            offender=f"{where} is not what was hashed",
        )

    def _compare_heads(self, heads: list[StoredHead]) -> None:
        """Every shard's head is its last block, and no shard lost its head."""
        for head in heads:
            reached = self._heads.pop(head.shard_id, StoredHead(head.shard_id, 0, GENESIS))
            self._blocks.expect(
                holds=reached == head,
                offender=f"shard {head.shard_id}: the head is not the last block's seq {reached.seq} and hash",
            )
        for shard_id in self._heads:
            self._blocks.blame(f"shard {shard_id}: has blocks and no head")

    def _close(self) -> list[Check]:
        """Return the three verdicts."""
        return [
            self._sequence.close("numbers run without a gap"),
            self._blocks.close("blocks are contiguous and end at the head"),
            self._hashes.close("every block's hash recomputed from its facts"),
        ]


def _recomputed(block: Block, content: list[bytes]) -> bytes | None:
    """Hash a block as its writer did; None when its own columns cannot belong to any block."""
    try:
        return block_hash(
            block.prev_hash,
            shard_id=block.shard_id,
            seq_from=block.seq_from,
            seq_to=block.seq_to,
            recorded_time=block.recorded_time,
            facts=content,
        )
    except (AssertionError, struct.error):
        return None
