"""Postings made by hand where posting rules alone should post: sales, VAT, loyalty, and the provider's account.

The books' comparison with the events goes by the purposes of the posting rules, which no caller may use. What a caller
books under a purpose of its own is allowed and sound, so nothing else sees it: yet it moves the figures that the events
stand for. A person looks at each; one that was reversed in full moves nothing and needs no word.
"""

from collections.abc import Iterator
from typing import Final

from services.auditor.parallel import Sources
from services.auditor.report import BreakKind, Check
from services.auditor.snapshot import batches, reading
from services.auditor.tally import Listener, Tally
from services.common.runtime.database import load_queries
from services.ledger.codec.chart import load_chart
from services.ledger.domain.chart import Chart
from services.ledger.domain.posting_events import EVENT_PURPOSES

QUERIES: Final = load_queries(__package__, "hand_postings.sql")

CHECK: Final = "books.hand_postings"


def guarded_gl_codes(chart: Chart) -> frozenset[str]:
    """Give the GL codes that posting rules alone move: by code, so that no other account's name goes around it.

    The provider's account is no matter of its code: stores' terminals share it. Prepaid balances, the clearing account
    of checkouts, cash and banks are open to callers, who transfer, pay in and correct there.
    """
    specs = (chart.spec_for(name) for name in _guarded_accounts(chart))
    return frozenset(spec.gl_code for spec in specs if spec is not None)


def _guarded_accounts(chart: Chart) -> Iterator[str]:
    """Name an account for each of those codes."""
    yield chart.reduction_account
    for line in chart.vat_lines.values():
        yield line.sales_account
        if line.vat_account is not None:
            yield line.vat_account
    for loyalty in chart.loyalty.values():
        yield from (loyalty.issued, loyalty.spent, loyalty.expired, loyalty.of_member("0"))


async def audit_hand_postings(sources: Sources, listener: Listener) -> list[Check]:
    """Name what callers booked where posting rules alone should, unless it was reversed in full."""
    chart = load_chart(sources.chart_file)
    tally = Tally(CHECK, listener=listener)
    asked = (sorted(EVENT_PURPOSES), sorted(guarded_gl_codes(chart)), chart.wallet.card)
    async with reading(sources.ledger) as ledger:
        tally.cover(await ledger.fetchval(QUERIES["count_settled"]))
        async for rows in batches(ledger, QUERIES["hand_postings"], *asked):
            for (offender,) in rows:
                tally.blame(offender, BreakKind.BUSINESS)
    return [
        tally.close(
            f"sales, VAT, loyalty and {chart.wallet.card} were moved by posting rules alone"
        )
    ]
