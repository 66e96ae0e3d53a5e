"""The wallet: every fact decided again, every row what the facts fold to, every leg accounted for.

The wallet's facts and tables are walked by subject beside what points made of its checkouts; the
legs that come out are then compared with the holds of ledger and points, and with the provider.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

from services.auditor import settlements
from services.auditor.holds import HoldsAudit, audit_clearing
from services.auditor.merge import gather
from services.auditor.parallel import Sources
from services.auditor.provider import audit_provider
from services.auditor.report import BreakKind, Check
from services.auditor.settlements import Followed, NamingTicket
from services.auditor.snapshot import batches, reading
from services.auditor.sorting import Sorter
from services.auditor.tally import Listener, Tally
from services.auditor.wallet_fold import FactRow, WalletFold
from services.auditor.wallet_legs import LegEnd, OpenLegs, legs_of
from services.common.runtime.database import Connection, load_queries
from services.ledger.codec.chart import load_chart
from services.wallet.store.projection import PaymentRow, ReferenceRow, payment_row

QUERIES: Final = load_queries(__package__, "wallet.sql")

SUBJECT_ROWS: Final = 1_000
"""Rows of each stream held in memory at a time."""

Row = tuple[Any, ...]


class WalletAudit:
    """Compares the wallet's tables, and what points followed, with the facts while all stream by."""

    def __init__(self, legs: Sorter[LegEnd], open_legs: OpenLegs, *, listener: Listener) -> None:
        """Put every leg into ``legs``."""
        self._legs = legs
        self._open_legs = open_legs
        self._facts = Tally("wallet.facts_decided_again", listener=listener)
        self._payments = Tally("wallet.payments", listener=listener)
        self._references = Tally("wallet.references", listener=listener)
        self._open = Tally("wallet.open_legs", listener=listener)
        self._followed = Tally("books.settled_in_points", listener=listener)
        self._tickets = Tally("books.checkout_totals", listener=listener)

    async def run(
        self, wallet: Connection, points: Connection, followed: Sorter[Followed]
    ) -> list[Check]:
        """Walk everything that is about one subject together."""
        streams: list[AsyncIterator[tuple[UUID, Row]]] = [
            _records(wallet, QUERIES["facts"]),
            _records(wallet, QUERIES["payments"]),
            _records(wallet, QUERIES["references"]),
            followed.stream(),
            _records(points, settlements.QUERIES["naming_tickets"]),
        ]
        async for subject, (facts, payments, references, after, tickets) in gather(streams):
            fold = self._fold(subject, facts)
            shard_id = facts[0][1] if facts else None
            self._compare_payment(fold, shard_id, payments)
            self._compare_references(fold, shard_id, references)
            self._note_legs(subject, fold)
            self._compare_points(subject, fold, after, tickets)
        return self._close()

    def _fold(self, subject: UUID, facts: Sequence[Row]) -> WalletFold:
        """Fold the facts of a subject."""
        fold = WalletFold(subject)
        self._facts.cover(len(facts))
        for fault in fold.fold([FactRow(*row[2:]) for row in facts]):
            self._facts.blame(f"subject {subject}: {fault}")
        return fold

    def _compare_payment(self, fold: WalletFold, shard_id: int | None, rows: Sequence[Row]) -> None:
        """A payment has one row, column by column what its facts fold to; a shopper has none."""
        self._payments.cover(len(rows))
        expected = () if fold.payment is None else (shard_id, *payment_row(fold.payment))
        if not rows and expected:
            self._payments.blame(f"payment {expected[1]} has no row")
        for number, row in enumerate(rows):
            actual = row[1:]
            if number or not expected:
                self._payments.blame(f"payment {row[0]} has a row that no fact asks for")
                continue
            if actual == expected:
                continue
            names = ("shard_id", *PaymentRow._fields)
            for name, wanted, found in zip(names, expected, actual, strict=True):
                if wanted != found:
                    offender = f"payment {row[0]}: {name} is {found}, the facts say {wanted}"
                    self._payments.blame(offender)

    def _compare_references(
        self, fold: WalletFold, shard_id: int | None, rows: Sequence[Row]
    ) -> None:
        """Every name that the provider gave leads to its leg, and no other does."""
        self._references.cover(len(rows))
        missing = {(shard_id, *row) for row in fold.references.values()}
        for row in rows:
            key = (row[1], *ReferenceRow(*row[2:]))
            if key in missing:
                missing.remove(key)
            else:
                self._references.blame(f"{row[2]} does not lead to leg {row[4]} by any fact")
        for _, name, _, leg_id in missing:
            self._references.blame(f"{name} of leg {leg_id} has no row")

    def _note_legs(self, subject: UUID, fold: WalletFold) -> None:
        """Hand the legs on, and ask why those that are open are open."""
        if fold.payment is None:
            return
        legs = [*legs_of(fold)]
        self._open.cover(len(legs))
        for fault in self._open_legs.faults(fold.payment, legs):
            self._open.blame(f"payment {subject}: {fault}")
        for leg_id, leg in legs:
            self._legs.add(leg_id, leg)

    def _compare_points(
        self, subject: UUID, fold: WalletFold, followed: Sequence[Row], tickets: Sequence[Row]
    ) -> None:
        """Points followed what was settled and refunded, and the till's ticket says the same."""
        self._followed.cover(len(fold.ends))
        for fault in settlements.followed_faults(fold, [Followed(*row) for row in followed]):
            self._followed.blame(f"checkout {subject}: {fault.text}", fault.kind)
        self._tickets.cover(len(tickets))
        naming = [NamingTicket(*row[1:]) for row in tickets]
        for difference in settlements.ticket_faults(fold, naming):
            self._tickets.blame(f"checkout {subject}: {difference}", BreakKind.BUSINESS)

    def _close(self) -> list[Check]:
        return [
            self._facts.close("every command is decided again as it was, with all that follows"),
            self._payments.close("every payment is what its facts say"),
            self._references.close("every name of the provider leads to its leg"),
            self._open.close(self._open_legs.proven()),
            self._followed.close("points followed every settlement and every refund, once"),
            self._tickets.close("every checkout's ticket has the totals that were paid"),
        ]


async def audit_wallet(sources: Sources, listener: Listener) -> list[Check]:
    """Prove the wallet's tables, and that its legs are what ledger, points and provider did."""
    if sources.wallet is None:
        return []
    accounts = load_chart(sources.chart_file).wallet
    async with (
        reading(sources.wallet) as wallet,
        reading(sources.points) as points,
        reading(sources.ledger) as ledger,
    ):
        with Sorter[LegEnd]() as legs, Sorter[Followed]() as followed:
            await settlements.gather_followed(points, followed)
            open_legs = OpenLegs(await wallet.fetchval(QUERIES["newest_time"]))
            walk = WalletAudit(legs, open_legs, listener=listener)
            checks = await walk.run(wallet, points, followed)
            holds = HoldsAudit(accounts, arrived=sources.arrived, listener=listener)
            return [
                *checks,
                *await holds.run(legs, ledger, points),
                await audit_clearing(ledger, accounts, listener=listener),
                *await audit_provider(legs, ledger, accounts, sources, listener=listener),
            ]


async def _records(conn: Connection, query: str) -> AsyncIterator[tuple[UUID, Row]]:
    """Stream the rows of a query by their subject."""
    async for rows in batches(conn, query, rows_max=SUBJECT_ROWS):
        for row in rows:
            yield row[0], tuple(row)
