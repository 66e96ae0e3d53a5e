"""What a batch changes beside the journal: balances with sums of the day, sums of other days, GL sums, totals."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from services.common.kernel.clock import business_date
from services.common.runtime.database import Connection, load_queries
from services.common.runtime.journal import Head, HeadLost
from services.ledger.domain.batch import Changes

QUERIES: Final = load_queries(__package__, "sums.sql")

_BALANCE_COLUMNS: Final = (
    "account_id",
    "posted",
    "pending_out",
    "pending_in",
    "floor",
    "day",
    "day_debit",
    "day_credit",
    "day_first_seq",
    "day_last_seq",
)
_NOTHING: Final = (0, 0, 0, 0)


@dataclass(slots=True)
class Carrying:
    """Which accounts' rows are known to carry the sums of a day: those have nothing of a day before to be moved.

    It holds as long as nobody else writes: it belongs to what is remembered of the writer's own batches.
    """

    day: date | None = None
    account_ids: set[int] = field(default_factory=set)

    def begin(self, day: date) -> None:
        """Go on to a batch that is recorded on ``day``; on a new day no row carries it."""
        if day != self.day:
            self.day = day
            self.account_ids.clear()


@dataclass(frozen=True, slots=True)
class Sums:
    """A batch's sums as columns, in the order of the statements' parameters.

    ``balances`` are account_id, the three balances, and debit, credit, first and last seq of ``day``: first seq is
    zero where the row carries that day already, last seq where nothing of that day is new.
    """

    day: date
    balances: Sequence[Sequence[int]]
    other_days: Sequence[Sequence[Any]]
    gl: Sequence[Sequence[Any]]
    totals: Sequence[int]
    opened: Sequence[tuple[object, ...]]


def sums_of(changes: Changes, carrying: Carrying, *, recorded_time: datetime) -> Sums:
    """Arrange what a batch changed, and note in ``carrying`` which rows carry its day from then on."""
    day = business_date(recorded_time)
    carrying.begin(day)
    of_day, carried = changes.account_days.get(day, {}), carrying.account_ids
    rows: list[tuple[int, ...]] = []
    # In the order of the key, in which PostgreSQL finds neighbors on the same page.
    for row in sorted(changes.balances):
        account_id = row[0]
        sums = of_day.get(account_id)
        if sums is None:
            rows.append((*row, *_NOTHING))
        elif account_id in carried:
            rows.append((*row, sums[0], sums[1], 0, sums[3]))
        else:
            carried.add(account_id)
            rows.append((*row, *sums))
    accepted = len(changes.entries) - changes.refusals
    return Sums(
        day=day,
        balances=columns(rows, 8),
        other_days=columns(_other_days(changes, day), 6),
        gl=columns(changes.gl_days, 7),
        totals=[len(changes.opened), accepted, changes.refusals, len(changes.postings)],
        opened=_opened(changes, carrying, day),
    )


def _other_days(changes: Changes, day: date) -> list[tuple[object, ...]]:
    return [
        (account_id, other, *sums)
        for other, by_account in changes.account_days.items()
        if other != day
        for account_id, sums in by_account.items()
    ]


def _opened(changes: Changes, carrying: Carrying, day: date) -> list[tuple[object, ...]]:
    """Give the balances of the accounts that a batch opened, whole: they have no row yet."""
    of_day = changes.account_days.get(day, {})
    rows: list[tuple[object, ...]] = []
    for account, row in zip(changes.opened, changes.opened_balances, strict=True):
        sums = of_day.get(account.account_id)
        if sums is None:
            rows.append((*row, account.floor, None, *_NOTHING))
        else:
            carrying.account_ids.add(account.account_id)
            rows.append((*row, account.floor, day, *sums))
    return rows


async def write_sums(
    conn: Connection, before: Head, after: Head, sums: Sums, *, recorded_time: datetime
) -> None:
    """Move the head, write the block and a batch's sums: the first writing of a batch's transaction, and its fence.

    Raises:
        HeadLost: the head is not where the caller saw it; nothing was written.
    """
    row = await conn.fetchrow(
        QUERIES["write_sums"],
        *(before.shard_id, before.epoch, before.seq, before.head_hash),
        *(after.seq, after.head_hash, recorded_time),
        *(_array_text(column) for column in sums.balances),
        sums.day,
        *sums.other_days,
        *sums.gl,
        sums.totals,
    )
    assert row is not None, "counts are a row"
    if not row["heads"]:
        raise HeadLost("Another writer moved the shard's head.", shard_id=before.shard_id)
    assert row["balances"] == len(sums.balances[0]), "every account has a balance"
    assert row["totals"] == 1, "every shard has its totals"
    if sums.opened:
        await conn.copy_records_to_table(
            "account_balance", records=sums.opened, columns=_BALANCE_COLUMNS
        )


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    """Turn rows into columns, which is what arrays of a statement take."""
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _array_text(column: Sequence[int]) -> str:
    """Turn numbers into an array as text; nothing but zeros is an empty one.

    The driver asks every element of an array whether it is an array itself, which costs more than all the rest.
    """
    if not any(column):
        return "{}"
    return "{" + ("%d," * len(column) % tuple(column))[:-1] + "}"
