"""Counts over all payments, for reports."""

from typing import Final, NamedTuple

from services.common.runtime.database import Connection, load_queries

REPORTS: Final = load_queries(__package__, "reports.sql")


class WalletTotals(NamedTuple):
    """How many payments of each kind there are; money in minor units of EUR."""

    checkouts_opened: int
    checkouts_settled: int
    checkouts_declined: int
    checkouts_cancelled: int
    checkouts_expired: int
    checkouts_refunded: int
    unknown_resolved: int
    unknown_open: int
    in_flight: int
    top_ups_settled: int
    card_captured_minor: int
    card_refunded_minor: int


async def read_totals(conn: Connection, *, shard_id: int) -> WalletTotals:
    """Count every payment of a shard."""
    row = await conn.fetchrow(REPORTS["totals"], shard_id)
    assert row is not None, "a count has a row"
    return WalletTotals(*row)
