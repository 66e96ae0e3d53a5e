"""Expiry of holds: the ledger's own command, with an id that everybody derives alike."""

from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from services.ledger.domain.journal import hash_command
from services.ledger.domain.transaction import Basis, Kind, TransactionCommand

OWN_ID_VERSION: Final = 8
"""UUID version of the ids that the ledger makes itself; callers may not use it, so the two never meet."""

PURPOSE: Final = "hold-expiry"

_ID_DOMAIN: Final = b"cagnotte.ledger.hold-expiry\x00"


def expiry_id(hold_id: UUID) -> UUID:
    """Give the transaction id under which a hold expires: the same for every sweep of every process."""
    digest = bytearray(sha256(_ID_DOMAIN + hold_id.bytes).digest()[:16])
    digest[6] = digest[6] & 0x0F | OWN_ID_VERSION << 4
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))


def expire_hold(hold_id: UUID, *, expire_time: datetime) -> TransactionCommand:
    """Make the command that releases a hold whose time is over. It counts at the hold's own expire time."""
    return TransactionCommand(
        transaction_id=expiry_id(hold_id),
        kind=Kind.HOLD_EXPIRED,
        legs=(),
        effective_time=expire_time,
        basis=Basis.COMMON,
        purpose=PURPOSE,
        reference="",
        target_id=hold_id,
        expire_time=None,
        request_hash=hash_command(
            kind=Kind.HOLD_EXPIRED,
            legs=(),
            effective_time=expire_time,
            basis=Basis.COMMON,
            purpose=PURPOSE,
            reference="",
            target_id=hold_id,
            expire_time=None,
        ),
    )
