"""The ledger's books and state tables: sums, running balances, and every table from its journal."""

from typing import Final

from services.auditor.parallel import Sources
from services.auditor.report import Check
from services.auditor.setbased import SetCheck, run_set_checks
from services.auditor.snapshot import reading
from services.auditor.tally import Listener
from services.common.runtime.database import load_queries

QUERIES: Final = load_queries(__package__, "ledger_state.sql")

CHECKS: Final = (
    SetCheck(
        "ledger.transactions_balance",
        ("transactions_balance", "transactions_have_postings", "postings_known"),
        counted="count_transactions",
        proven="the postings of every transaction sum to zero per asset",
    ),
    SetCheck(
        "ledger.assets_balance",
        ("asset_totals",),
        counted="count_accounts",
        proven="all balances sum to zero per asset",
    ),
    SetCheck(
        "ledger.running_balances",
        ("running_balances",),
        counted="count_postings",
        proven="every posting carries the balance that the postings before it leave",
    ),
    SetCheck(
        "ledger.floors",
        ("floors",),
        counted="count_postings",
        proven="no account was ever below its floor or released more than it held",
    ),
    SetCheck(
        "ledger.account_balances",
        ("account_balances", "account_ids"),
        counted="count_accounts",
        proven="every balance is the sum of its postings",
    ),
    SetCheck(
        "ledger.holds",
        ("holds", "ends_without_hold"),
        counted="count_holds",
        proven="every hold is what the journal made of it",
    ),
    SetCheck(
        "ledger.open_holds",
        ("holds_overdue",),
        counted="count_holds",
        proven="every open hold has its time still to come",
    ),
    SetCheck(
        "ledger.reversals",
        ("reversals", "reversals_within"),
        counted="count_reversals",
        proven="every reversal is recorded with its original, and all of one take back no more than it moved",
    ),
    SetCheck(
        "ledger.account_days",
        ("account_days",),
        counted="count_account_days",
        proven="the days of every account are the sums of its postings",
    ),
    SetCheck(
        "ledger.gl_days",
        ("gl_days",),
        counted="count_gl_days",
        proven="the days of the general ledger are the sums of its postings",
    ),
    SetCheck(
        "ledger.totals",
        ("totals",),
        counted="count_totals",
        proven="the counters are those of the journal",
    ),
)


async def audit_ledger_state(sources: Sources, listener: Listener) -> list[Check]:
    """Prove the books' arithmetic and every state table of the ledger."""
    async with reading(sources.ledger) as conn:
        return await run_set_checks(conn, CHECKS, QUERIES, listener=listener)
