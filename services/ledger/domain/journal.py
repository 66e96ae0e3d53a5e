"""The journal's records and their canonical bytes.

The bytes are defined here and nowhere else: never by a database's row rendering, so that the hash chain can be checked
anywhere. All integers are big-endian; a text is its UTF-8 length (u16) and its UTF-8; a time is i64 microseconds since
1970 (UTC), with the smallest i64 for "none"; an absent id is 16 zero bytes.

- transaction: u8 1 ‖ u64 seq ‖ 16 id ‖ u8 kind ‖ u16 status ‖ u8 basis ‖ time effective ‖ time recorded ‖ time expire ‖
  16 target ‖ 16 request hash ‖ text purpose ‖ text reference ‖ u16 count ‖ for each posting, by account id then layer:
  i64 account id ‖ u8 layer ‖ i64 amount ‖ i64 balance after
- opening: u8 2 ‖ u64 seq ‖ i64 account id ‖ time opened ‖ u8 has floor ‖ i64 floor ‖ text asset ‖ text GL code ‖
  text name
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.chain import epoch_micros
from services.ledger.domain.account import Account
from services.ledger.domain.transaction import Basis, Kind, Leg

NO_TIME: Final = -(2**63)
"""Stands for an absent time in canonical bytes."""

NO_ID: Final = bytes(16)
"""Stands for an absent id in canonical bytes."""

REQUEST_HASH_SIZE: Final = 16
"""Bytes of a request hash: enough to tell two contents under one id apart."""

_TRANSACTION_TAG: Final = 1
_OPENING_TAG: Final = 2
_HEAD: Final = struct.Struct(">BQ16sBHBqqq16s16s")
_POSTING: Final = struct.Struct(">qBqq")
_TWO_POSTINGS: Final = struct.Struct(">HqBqqqBqq")
_OPENING: Final = struct.Struct(">BQqqBq")
_COMMAND: Final = struct.Struct(">BBqq16s")
_LENGTH: Final = struct.Struct(">H")
_NO_TEXT: Final = _LENGTH.pack(0)


class Entry(NamedTuple):
    """A recorded transaction, accepted (``status`` 0) or refused; the columns of ``transaction`` in their order."""

    transaction_id: UUID
    shard_id: int
    seq: int
    kind: int
    status: int
    effective_time: datetime
    recorded_time: datetime
    basis: int
    purpose: str
    reference: str
    target_id: UUID | None
    expire_time: datetime | None
    request_hash: bytes


class Posting(NamedTuple):
    """What one transaction did to one balance of one account; the columns of ``posting`` in their order.

    ``amount`` and ``balance_after`` are credit positive; ``balance_after`` is the balance of that layer.
    """

    account_id: int
    seq: int
    layer: int
    amount: int
    balance_after: int
    shard_id: int


class Recorded(NamedTuple):
    """A transaction in the journal with its postings, by account id, then layer."""

    entry: Entry
    postings: Sequence[Posting]


JournalFact = Recorded | Account
"""A fact of the journal: a recorded transaction or the opening of an account."""


def fact_seq(fact: JournalFact) -> int:
    """Give a fact's number in the journal."""
    return fact.open_seq if isinstance(fact, Account) else fact.entry.seq


def canonical_bytes(fact: JournalFact) -> bytes:
    """Render a fact as the bytes that the hash chain covers (layout: this module's docstring)."""
    if isinstance(fact, Account):
        return _opening_bytes(fact)
    entry, postings = fact
    target_id, expire_time = entry.target_id, entry.expire_time
    recorded_time = effective_time = _micros(entry.recorded_time)
    if entry.effective_time is not entry.recorded_time:
        effective_time = _micros(entry.effective_time)
    head = _HEAD.pack(
        _TRANSACTION_TAG,
        entry.seq,
        entry.transaction_id.bytes,
        entry.kind,
        entry.status,
        entry.basis,
        effective_time,
        recorded_time,
        NO_TIME if expire_time is None else epoch_micros(expire_time),
        NO_ID if target_id is None else target_id.bytes,
        entry.request_hash,
    )
    return (
        head + _purpose_bytes(entry.purpose) + text_bytes(entry.reference) + _legs_bytes(postings)
    )


def _legs_bytes(postings: Sequence[Posting]) -> bytes:
    if len(postings) == 2:  # noqa: PLR2004 -- by far the most common number, and one step
        (account_id, _, layer, amount, after, _), (other_id, _, other_layer, other, then, _) = (
            postings
        )
        return _TWO_POSTINGS.pack(
            2, account_id, layer, amount, after, other_id, other_layer, other, then
        )
    parts = [_LENGTH.pack(len(postings))]
    for account_id, _, layer, amount, after, _ in postings:
        parts.append(_POSTING.pack(account_id, layer, amount, after))
    return b"".join(parts)


def _opening_bytes(account: Account) -> bytes:
    floor = account.floor
    return b"".join(
        (
            _OPENING.pack(
                _OPENING_TAG,
                account.open_seq,
                account.account_id,
                epoch_micros(account.open_time),
                floor is not None,
                floor or 0,
            ),
            text_bytes(account.asset),
            text_bytes(account.gl_code),
            text_bytes(account.name),
        )
    )


def text_bytes(text: str) -> bytes:
    """Render a text with its length in front, so that texts cannot run into one another."""
    if not text:
        return _NO_TEXT
    encoded = text.encode()
    return _LENGTH.pack(len(encoded)) + encoded


# A batch has one time of recording and few purposes.
_micros: Final = lru_cache(maxsize=64)(epoch_micros)
_purpose_bytes: Final = lru_cache(maxsize=256)(text_bytes)


def hash_command(
    *,
    kind: Kind,
    legs: Iterable[Leg],
    effective_time: datetime | None,
    basis: Basis,
    purpose: str,
    reference: str,
    target_id: UUID | None,
    expire_time: datetime | None,
) -> bytes:
    """Hash the content of a command as its caller sent it, without its id.

    An absent effective time stays absent here, so a retry at a later moment has the same content.
    """
    head = _COMMAND.pack(
        kind,
        basis,
        NO_TIME if effective_time is None else epoch_micros(effective_time),
        NO_TIME if expire_time is None else epoch_micros(expire_time),
        NO_ID if target_id is None else target_id.bytes,
    )
    # Names and assets hold neither separator: the codec and the chart allow letters, digits and "/_.-" only.
    lines = [f"{account}|{amount}|{asset}" for account, amount, asset in legs]
    content = "\n".join((purpose, str(len(reference)), reference, *lines))
    return blake2b(head + content.encode(), digest_size=REQUEST_HASH_SIZE).digest()
