"""Writing a batch: its facts, the block that seals them, and what the tables keep of them, in one statement.

A round trip to the database costs a checkout more than the work that is done there.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.common.runtime.database import Connection, load_queries
from services.common.runtime.journal import Fact, Head, sealed, sealed_parameters
from services.wallet.store.projection import PaymentRow, ReferenceRow

BATCH: Final = load_queries(__package__, "batch.sql")

_TICKET_CONSTRAINT: Final = "payment_ticket"


class TicketHeld(Exception):
    """A payment takes a ticket that another one has; nothing was written."""


async def write_batch(
    conn: Connection,
    head: Head,
    facts: Sequence[Fact],
    payments: Iterable[PaymentRow],
    references: Iterable[ReferenceRow],
    *,
    recorded_time: datetime,
) -> Head | None:
    """Write facts after the head with all that follows, and give the new head; None when it was no longer there.

    One statement: it needs no transaction and no lock, and without them it is whole or not at all.

    Raises:
        TicketHeld: as it says.
    """
    after = sealed(head, facts, recorded_time=recorded_time)
    # What gives its ticket free comes before what takes it.
    rows = sorted(payments, key=lambda row: (row.is_live, row.payment_id))
    try:
        moved = await conn.fetchval(
            BATCH["write_batch"],
            *sealed_parameters(head, after, facts, recorded_time=recorded_time),
            *_columns(rows, len(PaymentRow._fields)),
            *_columns(sorted(set(references)), len(ReferenceRow._fields)),
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != _TICKET_CONSTRAINT:
            raise
        raise TicketHeld from error
    return after if moved else None


def _columns(rows: Sequence[tuple[object, ...]], count: int) -> list[list[object]]:
    """Turn rows into one list for each column, for ``unnest``."""
    return [[row[place] for row in rows] for place in range(count)]
