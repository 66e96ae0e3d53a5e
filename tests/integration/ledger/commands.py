"""Commands for tests of the writer: in euros, each with a new id."""

from datetime import datetime
from uuid import UUID

from services.common.kernel.ids import new_uuid7
from services.ledger.domain.batch import Result
from services.ledger.domain.transaction import Kind, Outcome, TransactionCommand
from tests.ledger_commands import make_command

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
    return make_command(
        new_uuid7(),
        *legs,
        kind=kind,
        target_id=target_id,
        expire_time=expire_time,
        effective_time=effective_time,
    )


def outcomes(results: list[Result]) -> list[Outcome]:
    """Take results of transactions."""
    assert all(isinstance(result, Outcome) for result in results)
    return [result for result in results if isinstance(result, Outcome)]
