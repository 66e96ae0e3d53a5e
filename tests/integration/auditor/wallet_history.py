"""Shoppers pay by phone: checkouts of every end, with the holds and the books that belong to them.

The wallet's own use cases decide; this stands in for its driver, so that a card can decline or
never answer at will, and holds are made in the databases of points and ledger as the services do.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from cagnotte.points.v1 import points_pb2
from services.common.kernel.ids import derive_id, new_uuid7
from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.testing.clock import ManualClock
from services.ledger.domain.journal import hash_command
from services.ledger.domain.transaction import Basis, Kind, Leg, TransactionCommand
from services.ledger.usecases.commit_batch import CommitBatch as CommitTransactions
from services.points.domain.command import HoldValue, ReleaseHold
from services.points.usecases.commit_batch import CommitBatch as CommitPoints
from services.wallet.codec.basket import parse_new_basket
from services.wallet.domain import command as commands
from services.wallet.domain import leg as legs
from services.wallet.domain.command import Answer
from services.wallet.domain.leg import Decline, LegOperation, LegPhase
from services.wallet.domain.payment import Payment
from services.wallet.domain.tender import CardMeans, PlannedTender, TenderKind
from services.wallet.usecases.commit_batch import CommitBatch as CommitPayments

CURRENCIES: Final = {
    TenderKind.KITTY: LoyaltyCurrency.KITTY,
    TenderKind.POINTS: LoyaltyCurrency.POINTS,
}
SILENT: Final = (
    (LegOperation.AUTHORIZE, "silent"),
    (LegOperation.CAPTURE, "silent capture"),
)
SHORT, LONG = timedelta(days=1), timedelta(days=3_000)
CARD: Final = CardMeans(
    payment_method_id=UUID(int=77), provider_customer="cus_1", provider_method="pm_1"
)


def tender(kind: TenderKind, amount: int, quantity: int = 0) -> PlannedTender:
    """Make the part of a plan that one means pays."""
    card = CARD if kind is TenderKind.CARD else None
    return PlannedTender(
        kind=kind, amount_minor=amount, quantity=quantity, available_minor=amount, card=card
    )


@dataclass(frozen=True, slots=True)
class Phones:
    """Shoppers and tills in front of the wallet's writer, with points and ledger behind it."""

    wallet: CommitPayments
    points: CommitPoints
    ledger: CommitTransactions
    clock: ManualClock

    async def top_up(self, customer: UUID, amount: int, *, card: str = "good") -> None:
        """Put money on a prepaid balance."""
        command = commands.StartTopUp(
            event_id=new_uuid7(),
            trace_parent="",
            top_up_id=new_uuid7(),
            customer_id=customer,
            amount_minor=amount,
            currency_code="EUR",
            card=CARD,
            card_named=True,
        )
        await self._drive(await self._decide(command), card)

    async def open(self, ticket: points_pb2.Ticket, customer: UUID | None) -> UUID:
        """Open a checkout for a ticket that names it, and claim it."""
        checkout_id = UUID(ticket.checkout_id)
        await self._decide(
            commands.OpenCheckout(
                event_id=new_uuid7(),
                trace_parent="00-trace",
                checkout_id=checkout_id,
                basket=parse_new_basket(ticket),
                expire_time=self.clock() + timedelta(minutes=15),
            )
        )
        if customer:
            await self._decide(
                commands.ClaimCheckout(
                    event_id=new_uuid7(),
                    trace_parent="",
                    checkout_id=checkout_id,
                    customer_id=customer,
                )
            )
        return checkout_id

    async def pay(
        self,
        checkout_id: UUID,
        customer: UUID,
        *tenders: PlannedTender,
        card: str = "good",
        hold: timedelta = LONG,
    ) -> Payment:
        """Pay; the card is ``good``, ``declined``, ``silent`` when asked, or of ``silent capture``."""
        command = commands.StartPayment(
            event_id=new_uuid7(),
            trace_parent="",
            checkout_id=checkout_id,
            customer_id=customer,
            request_id=new_uuid7(),
            request_hash=bytes(32),
            tenders=tenders,
            hold_expire_time=self.clock() + hold,
            give_up_time=None,
            attempts_max=10,
        )
        return await self._drive(await self._decide(command), card)

    async def go_on(self, payment: Payment) -> None:
        """Find out what was unknown: it was done."""
        await self._drive(payment, "good")

    async def cancel(self, checkout_id: UUID) -> None:
        """Give a checkout up; a card that was silent speaks then."""
        command = commands.RequestCancellation(
            event_id=new_uuid7(), trace_parent="", checkout_id=checkout_id, customer_id=None
        )
        await self._drive(await self._decide(command), "good")

    async def refund(self, checkout_id: UUID) -> None:
        """Give a settled checkout back."""
        command = commands.StartRefund(
            event_id=new_uuid7(), trace_parent="", checkout_id=checkout_id, request_id=new_uuid7()
        )
        await self._drive(await self._decide(command), "good")

    async def sweep(self) -> None:
        """End the checkouts that nobody paid in time."""
        await self.wallet(
            [commands.ExpireCheckouts(event_id=new_uuid7(), trace_parent="", limit=100)]
        )

    async def enroll_card(self, customer: UUID) -> None:
        """Register a shopper with two cards, use the second by default, and detach the first."""
        first, second = new_uuid7(), new_uuid7()
        stamp: dict[str, Any] = {"trace_parent": "", "customer_id": customer}
        wallet = self.wallet
        await wallet(
            [commands.RegisterShopper(event_id=new_uuid7(), provider_customer="cus_1", **stamp)]
        )
        for method in (first, second):
            card: dict[str, Any] = {
                "payment_method_id": method,
                "provider_method": f"pm_{method.hex}",
                "fingerprint": method.hex,
                "brand": "visa",
                "last_four": "4242",
                "expire_month": 12,
                "expire_year": 2030,
            }
            await wallet([commands.EnrolMethod(event_id=new_uuid7(), **card, **stamp)])
        about = {"payment_method_id": second, **stamp}
        await wallet([commands.DefaultMethod(event_id=new_uuid7(), **about)])
        await wallet([commands.DetachMethod(event_id=new_uuid7(), **about)])

    async def _decide(self, command: commands.Command) -> Payment:
        (answer,) = await self.wallet([command])
        assert not isinstance(answer, Exception), answer
        self.clock.advance(seconds=1)
        payment: Payment = answer.payment  # type: ignore[union-attr]  # only refusals have none
        return payment

    async def _drive(self, payment: Payment, card: str) -> Payment:
        """Make the calls that the payment asks for until it rests, or waits for a silent card."""
        while pending := [leg for leg in payment.legs if leg.pending]:
            answers = tuple([await self._perform(payment, leg, card) for leg in pending])
            silent = any(answer.phase is LegPhase.OUTCOME_UNKNOWN for answer in answers)
            payment = await self._decide(
                commands.RecordAnswers(
                    event_id=new_uuid7(),
                    trace_parent="",
                    payment_id=payment.payment_id,
                    answers=answers,
                )
            )
            if silent:
                break
        return payment

    async def _perform(self, payment: Payment, leg: legs.Leg, card: str) -> Answer:
        """Make one call."""
        phase, decline, reference = LegPhase.DONE, None, ""
        if leg.kind is TenderKind.CARD:
            reference = f"pi_{leg.leg_id.hex}"
            if leg.operation is LegOperation.REFUND:
                reference = f"re_{leg.leg_id.hex}"
            if leg.operation is LegOperation.AUTHORIZE and card == "declined":
                phase, decline = LegPhase.DECLINED, Decline("card_declined", "insufficient_funds")
            if (leg.operation, card) in SILENT:
                phase, reference = LegPhase.OUTCOME_UNKNOWN, ""
        elif leg.kind is TenderKind.PREPAID:
            await self.ledger([_money_command(payment, leg)])
        else:
            await self._hold_value(payment, leg)
        return Answer(leg.leg_id, leg.operation, leg.try_number, phase, decline, reference)

    async def _hold_value(self, payment: Payment, leg: legs.Leg) -> None:
        command: HoldValue | ReleaseHold = ReleaseHold(new_uuid7(), "", leg.leg_id)
        if leg.operation is LegOperation.HOLD:
            command = HoldValue(
                new_uuid7(),
                "",
                leg.leg_id,
                None,
                payment.customer_id,
                CURRENCIES[leg.kind],
                leg.quantity,
                _hold_time(payment),
            )
        (answer,) = await self.points([command])
        assert not isinstance(answer, Exception), answer


def _hold_time(payment: Payment) -> Any:
    return payment.hold_expire_time  # type: ignore[union-attr]  # only checkouts hold


def _money_command(payment: Payment, leg: legs.Leg) -> TransactionCommand:
    """Make the transaction that holds a prepaid leg, or gives it back."""
    if leg.operation is LegOperation.HOLD:
        account = f"wallet/{payment.customer_id}/prepaid"
        content: dict[str, Any] = {
            "kind": Kind.HOLD,
            "legs": (
                Leg(account, -leg.amount_minor, "EUR"),
                Leg("checkout/clearing", leg.amount_minor, "EUR"),
            ),
            "purpose": "checkout-hold",
            "target_id": None,
            "expire_time": _hold_time(payment),
        }
    else:
        content = {
            "kind": Kind.HOLD_VOIDED,
            "legs": (),
            "purpose": "checkout-release",
            "target_id": leg.leg_id,
            "expire_time": None,
        }
    content |= {
        "effective_time": None,
        "basis": Basis.COMMON,
        "reference": str(payment.payment_id),
    }
    holds = leg.operation is LegOperation.HOLD
    return TransactionCommand(
        transaction_id=leg.leg_id if holds else derive_id(leg.leg_id, 1),
        request_hash=hash_command(**content),
        **content,
    )
