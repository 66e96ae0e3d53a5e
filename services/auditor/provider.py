"""The wallet's card legs against the provider: what was captured, canceled and refunded there, and nothing else.

With the books' own comparison (each settled leg is in a booked event) this ties every cent at the
provider to a posting, and every posting of a wallet event on the card account to a payment at the
provider. What somebody booked there by hand is named by ``hand_postings``.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from services.auditor.merge import gather
from services.auditor.parallel import Sources
from services.auditor.provider_page import Intent, Refund, reading_provider
from services.auditor.report import BreakKind, Check, difference
from services.auditor.sorting import Sorter
from services.auditor.tally import Listener, Tally
from services.auditor.wallet_legs import LegEnd
from services.common.runtime.database import Connection, load_queries
from services.ledger.domain.chart import WalletAccounts
from services.ledger.domain.posting_events import WALLET_PURPOSES
from services.wallet.domain.leg import LegOperation, LegPhase
from services.wallet.domain.tender import TenderKind

QUERIES: Final = load_queries(__package__, "provider.sql")

CHECKS: Final = ("provider.intents", "provider.refunds", "provider.totals")
NOT_RUN: Final = "NOT RUN: no provider was named, so nothing was compared with it"

_CAPTURED: Final = "succeeded"
_CANCELED: Final = "canceled"
_RESERVED: Final = "requires_capture"
_STANDING: Final = frozenset({_CAPTURED, _RESERVED, "processing", "requires_action"})
"""States of a payment that holds money, or still may."""

_GIVEN_BACK: Final = frozenset({"succeeded", "pending", "requires_action"})
"""States of a refund that gave money back, or still may."""

R = TypeVar("R")


class ProviderAudit:
    """Compares legs with payments and refunds while all of them stream by."""

    def __init__(self, *, frozen_time: int, listener: Listener) -> None:
        """Leave out what is newer than the audit: its leg is not in the frozen rows."""
        self._frozen_time = frozen_time
        self._intents, self._refunds, self._totals = (Tally(n, listener=listener) for n in CHECKS)
        self._captured = 0
        self._refunded = 0
        self._newer = 0

    async def run(
        self, legs: Sorter[LegEnd], intents: Sorter[Intent], refunds: Sorter[Refund]
    ) -> None:
        """Compare everything that is about one leg together."""
        streams: list[AsyncIterator[tuple[UUID, Any]]] = [
            legs.stream(),
            intents.stream(),
            refunds.stream(),
        ]
        async for leg_id, (own, paid, given_back) in gather(streams):
            self._intents.cover(len(paid))
            self._refunds.cover(len(given_back))
            leg = own[0] if own and own[0].kind is TenderKind.CARD else None
            if leg is None:
                self._compare_nobodys(paid, given_back)
                continue
            where = f"leg {leg_id} of {leg.payment_id}"
            for fault in _intent_faults(leg, paid):
                self._intents.blame(f"{where}: {fault}")
            for fault in self._refund_faults(leg, given_back):
                self._refunds.blame(f"{where}: {fault}")
            if leg.paid:
                self._captured += leg.amount_minor
                refunded = (leg.operation, leg.phase) == (LegOperation.REFUND, LegPhase.DONE)
                self._refunded += leg.amount_minor if refunded else 0

    def close(
        self, *, debited: int, credited: int, kind: BreakKind = BreakKind.PROOF
    ) -> list[Check]:
        """Compare the totals with what wallet events did to the card account, and give the verdicts."""
        self._totals.cover(2)
        for what, legs, booked in (
            ("captured", self._captured, debited),
            ("refunded", self._refunded, credited),
        ):
            self._totals.expect(
                holds=legs == booked,
                offender=f"legs that stand at the provider {what} {legs}, the books say {booked}",
                kind=kind,
            )
        left_out = f"; {self._newer} newer than the audit left out" if self._newer else ""
        return [
            self._intents.close(
                f"every payment at the provider is what its leg says, and the reverse{left_out}"
            ),
            self._refunds.close("every refund at the provider is its leg's, and the reverse"),
            self._totals.close(
                f"captured {self._captured} and refunded {self._refunded}, as on the card account"
            ),
        ]

    def _compare_nobodys(self, intents: Sequence[Intent], refunds: Sequence[Refund]) -> None:
        """What stands at the provider and no leg asked for is somebody's money."""
        for intent in intents:
            if intent.create_time >= self._frozen_time:
                self._newer += 1
            elif intent.status in _STANDING or intent.status == _CANCELED:
                self._intents.blame(f"{intent.reference} ({intent.status}) is no leg's")
        for refund in refunds:
            if refund.create_time >= self._frozen_time:
                self._newer += 1
            elif refund.status in _GIVEN_BACK:
                # Somebody gave money back at the provider by hand. Our data are sound; a person has to book it.
                self._refunds.blame(
                    f"{refund.reference} gave {refund.amount_minor} {refund.currency_code} of {refund.intent} back"
                    f" at the provider ({refund.status}), and no leg asked for it",
                    BreakKind.BUSINESS,
                )

    def _refund_faults(self, leg: LegEnd, refunds: Sequence[Refund]) -> Iterator[str]:
        """Name what differs between a leg and the refunds of its payment."""
        standing = [refund for refund in refunds if refund.status in _GIVEN_BACK]
        if leg.operation is not LegOperation.REFUND:
            for refund in standing:
                if refund.create_time < self._frozen_time:
                    yield f"{refund.reference} gave {refund.amount_minor} back, and nobody asked"
            return
        if len(standing) > 1:
            yield f"it was given back {len(standing)} times"
        wanted = (leg.amount_minor, leg.currency_code, leg.provider_reference)
        for refund in standing:
            if (refund.amount_minor, refund.currency_code, refund.intent) != wanted:
                yield f"{refund.reference} gives {refund.amount_minor} of {refund.intent} back"
        if leg.phase is LegPhase.DONE and leg.refund_reference not in {
            refund.reference for refund in standing
        }:
            yield f"its refund {leg.refund_reference} does not stand at the provider"
        if leg.phase is LegPhase.DECLINED and standing:
            yield "its refund is declined, and stands at the provider"


def _intent_faults(leg: LegEnd, intents: Sequence[Intent]) -> Iterator[str]:
    """Name what differs between a card leg and its payments at the provider."""
    standing = [intent for intent in intents if intent.status in _STANDING]
    if len(standing) > 1:
        yield f"{len(standing)} payments of it stand at the provider"
    for intent in standing:
        if (intent.amount_minor, intent.currency_code) != (leg.amount_minor, leg.currency_code):
            yield f"{intent.reference} is about {intent.amount_minor} and not {leg.amount_minor}"
        if intent.is_burnt:
            yield f"{intent.reference} was to use up a key, and is {intent.status}"
    if leg.paid:
        yield from _capture_faults(leg, standing)
    elif not leg.in_flight:
        for intent in standing:
            yield f"{intent.reference} is {intent.status}, and the leg is over without effect"
        if leg.operation is LegOperation.VOID:
            canceled = {intent.reference for intent in intents if intent.status == _CANCELED}
            if leg.provider_reference not in canceled:
                yield f"{leg.provider_reference} was canceled, and is not at the provider"


def _capture_faults(leg: LegEnd, standing: Sequence[Intent]) -> Iterator[str]:
    """Name what keeps a leg that paid from being captured at the provider."""
    own = next((i for i in standing if i.reference == leg.provider_reference), None)
    if own is None:
        yield f"it paid by {leg.provider_reference or 'nothing'}, which does not stand at the provider"
    elif (own.status, own.received_minor) != (_CAPTURED, leg.amount_minor):
        yield f"{own.reference} is {own.status} with {own.received_minor}, the leg paid {leg.amount_minor}"


async def audit_provider(
    legs: Sorter[LegEnd],
    ledger: Connection,
    accounts: WalletAccounts,
    sources: Sources,
    *,
    listener: Listener,
) -> list[Check]:
    """Prove that legs and provider agree; without a provider, say plainly that nothing was proven."""
    if sources.provider is None:
        return [Check(name, ok=True, checked=0, detail=NOT_RUN) for name in CHECKS]
    with Sorter[Intent]() as intents, Sorter[Refund]() as refunds:
        async with reading_provider(sources.provider) as pages:
            await _fill(intents, pages.intents())
            await _fill(refunds, pages.refunds())
        audit = ProviderAudit(frozen_time=sources.provider.frozen_time, listener=listener)
        await audit.run(legs, intents, refunds)
    row = await ledger.fetchrow(QUERIES["account_turnover"], accounts.card, sorted(WALLET_PURPOSES))
    assert row is not None, "sums are always there"
    kind = difference(arrived=sources.arrived)
    return audit.close(debited=row["debit"], credited=row["credit"], kind=kind)


async def _fill(sorter: Sorter[R], items: AsyncIterator[tuple[UUID, R]]) -> None:
    """Put everything into a sorter."""
    async for leg_id, item in items:
        sorter.add(leg_id, item)
