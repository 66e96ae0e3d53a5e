"""The hash chain over journal facts: canonical bytes and block hashes.

The bytes are defined here and nowhere else, never by a database's row rendering, so that
anyone can check an exported journal without PostgreSQL.
"""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

HASH_BYTES: Final = 32
GENESIS: Final = bytes(HASH_BYTES)
"""The hash before the first block of every shard."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_HEADER: Final = struct.Struct(">IQQq")
_FACT_HEAD: Final = struct.Struct(">Q16sH16s")
_LENGTH: Final = struct.Struct(">I")


def epoch_micros(instant: datetime) -> int:
    """Give the whole microseconds since 1970-01-01 UTC, exactly."""
    assert instant.tzinfo is not None, "an instant without a zone is a bug"
    return (instant - _EPOCH) // _MICROSECOND


def fact_bytes(
    *, seq: int, event_id: UUID, event_type: int, subject: UUID, payload: bytes
) -> bytes:
    """Give a fact's canonical bytes.

    Big-endian: u64 seq, 16 bytes event id, u16 type, 16 bytes subject, then the payload.
    """
    head = _FACT_HEAD.pack(seq, event_id.bytes, event_type, subject.bytes)
    return head + payload


def block_hash(
    prev: bytes,
    *,
    shard_id: int,
    seq_from: int,
    seq_to: int,
    recorded_time: datetime,
    facts: Iterable[bytes],
) -> bytes:
    """Hash a block: SHA-256 over the previous hash, the header and every fact.

    The header is big-endian: u32 shard, u64 first seq, u64 last seq, i64 recorded time
    in microseconds since 1970. Each fact is preceded by its length (u32), so that bytes
    cannot wander from one fact to the next.
    """
    assert len(prev) == HASH_BYTES, "a hash of another kind"
    assert 0 < seq_from <= seq_to, "a block holds at least one fact"
    header = _HEADER.pack(shard_id, seq_from, seq_to, epoch_micros(recorded_time))
    parts = [prev, header]
    for fact in facts:
        parts.append(_LENGTH.pack(len(fact)))
        parts.append(fact)
    return sha256(b"".join(parts)).digest()
