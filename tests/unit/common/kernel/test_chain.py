"""Canonical bytes and block hashes."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.common.kernel.chain import GENESIS, block_hash, epoch_micros, fact_bytes

NOW = datetime(2017, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@dataclass(frozen=True)
class Block:
    """A block's arguments, so that a test can change one of them."""

    prev: bytes = GENESIS
    shard_id: int = 0
    seq_from: int = 1
    seq_to: int = 2
    recorded_time: datetime = NOW
    facts: tuple[bytes, ...] = (b"one", b"two")

    def hash(self) -> bytes:
        """Hash it."""
        return block_hash(
            self.prev,
            shard_id=self.shard_id,
            seq_from=self.seq_from,
            seq_to=self.seq_to,
            recorded_time=self.recorded_time,
            facts=self.facts,
        )


class TestFactBytes:
    """The canonical bytes of a fact."""

    def test_are_as_documented(self) -> None:
        """Anyone can write a verifier from the documentation: these bytes never change."""
        event_id, subject = UUID(int=1), UUID(int=2)

        found = fact_bytes(seq=3, event_id=event_id, event_type=4, subject=subject, payload=b"five")

        assert found == b"\0" * 7 + b"\3" + event_id.bytes + b"\0\4" + subject.bytes + b"five"


class TestBlockHash:
    """The hash that ties a block to the one before."""

    def test_is_as_documented(self) -> None:
        """The header is big-endian, and every fact is preceded by its length."""
        header = bytes(4) + bytes(7) + b"\1" + bytes(7) + b"\2"
        header += epoch_micros(NOW).to_bytes(8, "big", signed=True)

        expected = sha256(GENESIS + header + b"\0\0\0\3one" + b"\0\0\0\3two").digest()

        assert Block().hash() == expected

    def test_covers_every_part(self) -> None:
        """No part can change without changing the hash."""
        block = Block()
        others = [
            replace(block, prev=b"\1" * 32),
            replace(block, shard_id=1),
            replace(block, seq_from=2),
            replace(block, seq_to=3),
            replace(block, recorded_time=NOW + timedelta(microseconds=1)),
            replace(block, facts=(b"one", b"twO")),
            replace(block, facts=(b"onet", b"wo")),
            replace(block, facts=(b"two", b"one")),
        ]

        hashes = {other.hash() for other in [block, *others]}

        assert len(hashes) == 1 + len(others)

    @given(st.lists(st.binary(max_size=40), min_size=2, max_size=6), st.data())
    def test_a_changed_byte_changes_it(self, facts: list[bytes], data: st.DataObject) -> None:
        """Flipping any one bit of any fact is seen."""
        place = data.draw(st.integers(0, len(facts) - 1))
        bits = len(facts[place]) * 8
        before = replace(Block(), facts=tuple(facts)).hash()
        if bits == 0:
            facts[place] = b"\0"
        else:
            flipped = int.from_bytes(facts[place], "big") ^ 1 << data.draw(st.integers(0, bits - 1))
            facts[place] = flipped.to_bytes(bits // 8, "big")

        assert replace(Block(), facts=tuple(facts)).hash() != before

    def test_the_zone_of_an_instant_does_not_matter(self) -> None:
        """The same instant gives the same microseconds in any zone."""
        assert epoch_micros(NOW) == epoch_micros(NOW.astimezone())
