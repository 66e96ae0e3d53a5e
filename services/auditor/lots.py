"""Lots against quantity accounts: what points promises is what the ledger counts.

Points keeps value in lots, the ledger in one quantity account a member and currency. The two
never talk about a lot's remainder: they must agree all the same, member by member and in total.
"""

from collections.abc import AsyncIterator
from typing import Final

from services.auditor.merge import merge
from services.auditor.parallel import Sources
from services.auditor.report import BreakKind, Check, difference
from services.auditor.snapshot import batches, reading
from services.auditor.tally import Listener, Tally
from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.database import Connection, load_queries
from services.ledger.codec.chart import load_chart
from services.ledger.domain.chart import LoyaltyAccounts

QUERIES: Final = load_queries(__package__, "lots.sql")


async def audit_lots(sources: Sources, listener: Listener) -> list[Check]:
    """Prove that lots and quantity accounts agree, per member and in total."""
    tally = Tally("books.lots", listener=listener)
    chart = load_chart(sources.chart_file)
    kind = difference(arrived=sources.arrived)
    async with reading(sources.points) as points, reading(sources.ledger) as ledger:
        for currency in LoyaltyCurrency:
            accounts = chart.loyalty[currency.name]
            left = _lots(points, currency, accounts)
            right = _balances(ledger, accounts)
            async for name, lots, balance in merge(left, right):
                tally.cover(1)
                tally.expect(
                    holds=lots == balance,
                    offender=f"{name}: lots hold {lots or 0}, the ledger counts {balance or 0}",
                    kind=kind,
                )
            await _compare_totals(points, ledger, currency, accounts, tally, kind=kind)
    return [tally.close("every member's lots are the member's quantity account, and so in total")]


async def _lots(
    conn: Connection, currency: LoyaltyCurrency, accounts: LoyaltyAccounts
) -> AsyncIterator[tuple[str, int]]:
    """Stream what is left of each member's lots, by the account's name."""
    async for rows in batches(conn, QUERIES["lots_by_member"], currency):
        for member_id, quantity in rows:
            yield accounts.of_member(member_id), quantity


async def _balances(conn: Connection, accounts: LoyaltyAccounts) -> AsyncIterator[tuple[str, int]]:
    """Stream the members' quantity accounts, by name."""
    async for rows in batches(conn, QUERIES["balances_below"], accounts.of_member("")):
        for name, quantity in rows:
            yield name, quantity


async def _compare_totals(
    points: Connection,
    ledger: Connection,
    currency: LoyaltyCurrency,
    accounts: LoyaltyAccounts,
    tally: Tally,
    *,
    kind: BreakKind,
) -> None:
    """All that was earned and not taken back was issued, and what is gone was spent or has expired.

    What a refund gives back of what was spent is no longer spent, in lots and in the books.
    """
    earned, remaining = await points.fetchrow(QUERIES["lot_totals"], currency) or (0, 0)
    taken = await points.fetchval(QUERIES["taken_back"], currency)
    # Credit is positive: issuing debits, spending and expiring credit.
    issued = -await ledger.fetchval(QUERIES["balance_of"], accounts.issued)
    spent = await ledger.fetchval(QUERIES["balance_of"], accounts.spent)
    expired = await ledger.fetchval(QUERIES["balance_of"], accounts.expired)
    tally.cover(1)
    tally.expect(
        holds=(earned - taken, earned - taken - remaining) == (issued, spent + expired),
        offender=f"{currency.name}: lots earned {earned - taken} and lost"
        f" {earned - taken - remaining}, the ledger issued {issued} and took back {spent + expired}",
        kind=kind,
    )
