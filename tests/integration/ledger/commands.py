"""Commands for tests of the writer: in euros, each with a new id."""

from datetime import datetime
from uuid import UUID

from services.common.kernel.ids import new_uuid7
from services.ledger.domain.batch import Result
from services.ledger.domain.journal import hash_command
from services.ledger.domain.transaction import Basis, Kind, Leg, Outcome, TransactionCommand

BANK, SALES = "gl/512100", "gl/707100"
ALICE = "wallet/alice/prepaid"


def command(
    *legs: tuple[str, int],
    kind: Kind = Kind.POSTED,
    target_id: UUID | None = None,
    expire_time: datetime | None = None,
    effective_time: datetime | None = None,
) -> TransactionCommand:
    """Make a command in euros with a new id."""
    euros = tuple(Leg(name, amount, "EUR") for name, amount in legs)
    request_hash = hash_command(
        kind=kind,
        legs=euros,
        effective_time=effective_time,
        basis=Basis.COMMON,
        purpose="test",
        reference="",
        target_id=target_id,
        expire_time=expire_time,
    )
    return TransactionCommand(
        transaction_id=new_uuid7(),
        kind=kind,
        legs=euros,
        effective_time=effective_time,
        basis=Basis.COMMON,
        purpose="test",
        reference="",
        target_id=target_id,
        expire_time=expire_time,
        request_hash=request_hash,
    )


def outcomes(results: list[Result]) -> list[Outcome]:
    """Take results of transactions."""
    assert all(isinstance(result, Outcome) for result in results)
    return [result for result in results if isinstance(result, Outcome)]
