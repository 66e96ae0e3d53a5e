"""Commands of the ledger for any test: of one asset, with the hash that follows from their content."""

from datetime import datetime
from uuid import UUID

from services.ledger.domain.journal import hash_command
from services.ledger.domain.transaction import Basis, Kind, Leg, TransactionCommand


def make_command(
    transaction_id: UUID,
    *legs: tuple[str, int],
    kind: Kind = Kind.POSTED,
    target_id: UUID | None = None,
    expire_time: datetime | None = None,
    effective_time: datetime | None = None,
    purpose: str = "test",
    reference: str = "",
    asset: str = "EUR",
) -> TransactionCommand:
    """Make a command; a leg is (account, amount), credit positive."""
    whole = tuple(Leg(name, amount, asset) for name, amount in legs)
    return TransactionCommand(
        transaction_id=transaction_id,
        kind=kind,
        legs=whole,
        effective_time=effective_time,
        basis=Basis.COMMON,
        purpose=purpose,
        reference=reference,
        target_id=target_id,
        expire_time=expire_time,
        request_hash=hash_command(
            kind=kind,
            legs=whole,
            effective_time=effective_time,
            basis=Basis.COMMON,
            purpose=purpose,
            reference=reference,
            target_id=target_id,
            expire_time=expire_time,
        ),
    )
