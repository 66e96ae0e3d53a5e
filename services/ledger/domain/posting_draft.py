"""A transaction being drawn up, and the arithmetic of a sale that tickets and checkouts share."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Self
from uuid import UUID

from services.common.kernel.money import allocate, vat_of_gross
from services.ledger.domain.chart import Chart
from services.ledger.domain.journal import hash_command
from services.ledger.domain.posting_events import EventNotBookable, Tender, VatSales
from services.ledger.domain.transaction import Basis, Kind, Leg, TransactionCommand

EUR: Final = "EUR"


class Draft:
    """Signed amounts by asset and account, credit positive; debits and credits of one account are netted."""

    __slots__ = ("_amounts",)

    def __init__(self) -> None:
        """Start without any amount."""
        self._amounts: dict[str, dict[str, int]] = {}

    def debit(self, account: str, amount: int, *, asset: str = EUR) -> None:
        """Put an amount on the left."""
        self.credit(account, -amount, asset=asset)

    def credit(self, account: str, amount: int, *, asset: str = EUR) -> None:
        """Put an amount on the right."""
        of_asset = self._amounts.setdefault(asset, {})
        of_asset[account] = of_asset.get(account, 0) + amount

    def reversed(self) -> Self:
        """Give the draft with its sides swapped."""
        other = type(self)()
        for asset, of_asset in self._amounts.items():
            for account, amount in of_asset.items():
                other.debit(account, amount, asset=asset)
        return other

    def legs(self) -> tuple[Leg, ...]:
        """Give one leg an account, those without an amount left out."""
        return tuple(
            Leg(account, amount, asset)
            for asset, of_asset in self._amounts.items()
            for account, amount in of_asset.items()
            if amount
        )

    def close(
        self,
        transaction_id: UUID,
        *,
        occur_time: datetime,
        purpose: str,
        reference: str,
        hold_id: UUID | None = None,
    ) -> TransactionCommand | None:
        """Make the command, or None when no amount is left. ``hold_id`` is the hold that the transaction posts."""
        legs = self.legs()
        if not legs:
            return None
        kind = Kind.POSTED if hold_id is None else Kind.HOLD_POSTED
        return TransactionCommand(
            transaction_id=transaction_id,
            kind=kind,
            legs=legs,
            effective_time=occur_time,
            basis=Basis.COMMON,
            purpose=purpose,
            reference=reference,
            target_id=hold_id,
            expire_time=None,
            request_hash=hash_command(
                kind=kind,
                legs=legs,
                effective_time=occur_time,
                basis=Basis.COMMON,
                purpose=purpose,
                reference=reference,
                target_id=hold_id,
                expire_time=None,
            ),
        )


def check_euros(currency_code: str) -> None:
    """Refuse another currency than that of the books.

    Raises:
        EventNotBookable: as said.
    """
    if currency_code != EUR:
        raise EventNotBookable("The books are in euros.", currency_code=currency_code)


def check_sums(sales: Sequence[VatSales], tenders: Sequence[Tender]) -> None:
    """Refuse tenders that do not sum to what was sold.

    Raises:
        EventNotBookable: as said.
    """
    sold = sum(line.sales_minor for line in sales)
    paid = sum(tender.amount_minor for tender in tenders)
    if sold != paid:
        raise EventNotBookable("The tenders differ from the sales.", sold=sold, paid=paid)


def book_goods(
    draft: Draft, sales: Sequence[VatSales], tenders: Sequence[Tender], chart: Chart
) -> None:
    """Book what was sold: net sales and VAT by rate on the right, loyalty reductions less their VAT on the left.

    VAT is computed once per rate, on the price that is left after the reductions, which are spread over the rates in
    proportion to their sales.

    Raises:
        EventNotBookable: the chart has no such VAT rate.
    """
    reduction = sum(t.amount_minor for t in tenders if t.kind in chart.reductions)
    shares = [*_shares(reduction, sales)]
    if reduction:
        vat_relief = sum(
            vat_of_gross(line.sales_minor, line.rate_bp)
            - vat_of_gross(line.sales_minor - share, line.rate_bp)
            for line, share in shares
        )
        draft.debit(chart.reduction_account, reduction - vat_relief)
    for line, share in shares:
        accounts = chart.vat_lines.get(line.rate_bp)
        if accounts is None:
            raise EventNotBookable("The chart has no such VAT rate.", rate_bp=line.rate_bp)
        vat = vat_of_gross(line.sales_minor, line.rate_bp)
        draft.credit(accounts.sales_account, line.sales_minor - vat)
        if accounts.vat_account is not None:
            vat = vat_of_gross(line.sales_minor - share, line.rate_bp)
            draft.credit(accounts.vat_account, vat)


def _shares(reduction: int, sales: Sequence[VatSales]) -> Iterable[tuple[VatSales, int]]:
    """Spread a reduction over the rates; the shares sum to it."""
    if not reduction:
        return [(line, 0) for line in sales]
    return zip(sales, allocate(reduction, [line.sales_minor for line in sales]), strict=True)
