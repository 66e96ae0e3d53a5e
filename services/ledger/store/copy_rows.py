"""Rows of the journal's tables as the bytes that COPY takes (PostgreSQL's binary format, big-endian).

A row is its number of fields (i16), and for each its length (i32, -1 for NULL) and its bytes. The driver would do the
same value by value while a transaction is open; packed here a row is a few steps, before its turn to be written.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from services.ledger.domain.journal import REQUEST_HASH_SIZE, Entry, Posting

_BEGIN: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""Signature, flags and the length of no extension."""

_END: Final = b"\xff\xff"

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NULL: Final = struct.pack(">i", -1)
_LENGTH: Final = struct.Struct(">i")
_TIME: Final = struct.Struct(">iq")
_ENTRY_HEAD: Final = struct.Struct(">hi16siiiq")
_ENTRY_MIDDLE: Final = struct.Struct(">ihihiqiqih")
_POSTING: Final = struct.Struct(">hiqiqihiqiqii")
_UUID_SIZE: Final = 16
_ID_LENGTH: Final = _LENGTH.pack(_UUID_SIZE)
_HASH_LENGTH: Final = _LENGTH.pack(REQUEST_HASH_SIZE)
_NO_TEXT: Final = _LENGTH.pack(0)


class JournalRows(NamedTuple):
    """A batch's rows of ``transaction`` and of ``posting``, each a whole COPY; empty when there is none."""

    entries: bytes
    postings: bytes


def whole_copy(packed: Sequence[bytes]) -> bytes:
    """Make a COPY of packed rows; of no rows, none."""
    return b"".join((_BEGIN, *packed, _END)) if packed else b""


def pack_entries(entries: Iterable[Entry]) -> bytes:
    """Pack rows of ``transaction``."""
    parts: list[bytes] = []
    like: tuple[object, ...] | None = None
    middle = b""
    pack_head = _ENTRY_HEAD.pack
    for (
        transaction_id,
        shard_id,
        seq,
        kind,
        status,
        effective_time,
        recorded_time,
        basis,
        purpose,
        reference,
        target_id,
        expire_time,
        request_hash,
    ) in entries:
        # Most of a batch's rows have all of these in common.
        same = (kind, status, effective_time, recorded_time, basis, purpose)
        if same != like:
            like = same
            middle = _ENTRY_MIDDLE.pack(
                *(2, kind, 2, status, 8, _micros(effective_time), 8, _micros(recorded_time)),
                *(2, basis),
            ) + _text(purpose)
        parts += (
            pack_head(13, 16, transaction_id.bytes, 4, shard_id, 8, seq),
            middle,
            _text(reference) if reference else _NO_TEXT,
            _NULL if target_id is None else _ID_LENGTH + target_id.bytes,
            _NULL if expire_time is None else _TIME.pack(8, _micros(expire_time)),
            _HASH_LENGTH,
            request_hash,
        )
    return b"".join(parts)


def pack_postings(postings: Iterable[Posting]) -> bytes:
    """Pack rows of ``posting``."""
    pack = _POSTING.pack
    return b"".join(
        [
            pack(6, 8, account_id, 8, seq, 2, layer, 8, amount, 8, after, 4, shard_id)
            for account_id, seq, layer, amount, after, shard_id in postings
        ]
    )


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND
