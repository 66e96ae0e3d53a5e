"""Settled and refunded checkouts: who earns on what, what is spent, and what is beyond reach."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cagnotte.points.v1.points_pb2 import TicketSettlement
from services.common.kernel.loyalty import LoyaltyAmount, LoyaltyCurrency
from services.points.domain.award import LoyaltyState, net_of
from services.points.domain.batch import Batch
from services.points.domain.command import (
    Command,
    ExpireValue,
    HoldValue,
    LinkCard,
    ReleaseHold,
    SpendHold,
)
from services.points.domain.event import (
    Event,
    TicketSettled,
    ValueEarned,
    ValueExpired,
    ValueReversed,
    ValueSpent,
)
from services.points.domain.recording import RecordOutcome, RecordStatus
from services.points.domain.reversing import CheckoutNotSettled, ReverseOutcome
from services.points.domain.settling import SettleOutcome, caused_id
from services.points.domain.state import HoldState
from tests.properties.points.checkouts import (
    CUSTOMERS,
    STRANGER,
    Checkout,
    make_checkout,
    new_shop,
)
from tests.properties.points.world import MEMBERS, START, event_id, record, run

MEMBER, OTHER = MEMBERS
KITTY, POINTS = LoyaltyCurrency.KITTY, LoyaltyCurrency.POINTS
CARD = "2990000001234"
# Points of January are usable until the end of February.
MARCH = datetime(2017, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def world() -> Batch:
    """Give a member with 30 points of January."""
    world = new_shop()
    # Coupons pay a third of every line, so 45.00 EUR earn 30 points.
    run(world, [record(1, member_id=MEMBER, sales=(0, 4_500), occur_time=START)], now=START)
    world.events.clear()
    return world


def paid_with_points(quantity: int = 20, *, customer_id: UUID = CUSTOMERS[0]) -> Checkout:
    """Give a basket of 15.00, of which coupons pay 5.00 and points a part."""
    return make_checkout(
        50, sales=(0, 1_500), occur_time=START, customer_id=customer_id, pays=(POINTS, quantity)
    )


def plain(customer_id: UUID = CUSTOMERS[0]) -> Checkout:
    """Give the same basket paid by card."""
    return make_checkout(50, sales=(0, 1_500), occur_time=START, customer_id=customer_id)


def the_settled(world: Batch) -> TicketSettled:
    """Give the one settlement."""
    (settled,) = (event for event in world.events if isinstance(event, TicketSettled))
    return settled


def the_reversed(world: Batch) -> ValueReversed:
    """Give the one reversal."""
    (event,) = (event for event in world.events if isinstance(event, ValueReversed))
    return event


def earned(world: Batch) -> list[tuple[UUID, int]]:
    """Give who earned how many points."""
    return [
        (event.member_id, award.quantity)
        for event in world.events
        if isinstance(event, ValueEarned)
        for award in event.awards
        if award.currency is POINTS
    ]


def kinds(events: list[Event]) -> list[str]:
    """Name facts by their types."""
    return [type(event).__name__ for event in events]


class TestNetOf:
    def test_takes_the_reduction_off_by_largest_remainder(self) -> None:
        """Bases of 8.00 and 4.00 share 1.00 as 67 and 33 cents."""
        ticket = make_checkout(1, sales=(1_200, 600), occur_time=START).till.ticket

        net = net_of(ticket, 100)

        assert [line.base_minor for line in net.lines] == [733, 367]
        assert [line.sales_minor for line in net.lines] == [1_200, 600]

    def test_leaves_a_ticket_without_reduction(self) -> None:
        """Nothing to share, not even among lines that count nothing."""
        ticket = make_checkout(1, sales=(0,), occur_time=START).till.ticket

        assert net_of(ticket, 0) is ticket


class TestDecideSettle:
    def test_records_spends_and_earns(self, world: Batch) -> None:
        """The ticket's fact comes first, then the settlement's, then what it caused."""
        checkout = paid_with_points()

        (_, outcome) = run(world, checkout.paid(), now=START)

        assert isinstance(outcome, SettleOutcome)
        assert kinds(world.events) == [
            "ValueHeld",
            "TicketRecorded",
            "TicketSettled",
            "ValueSpent",
            "ValueEarned",
        ]
        assert earned(world) == [(MEMBER, 9)]
        assert the_settled(world).stamp.event_id == checkout.settle.event_id
        assert len({event.stamp.event_id for event in world.events}) == 5

    def test_of_a_till_ticket_waits_for_the_settlement(self, world: Batch) -> None:
        """The till's ticket earns nothing and belongs to nobody until the phone has paid."""
        (outcome,) = run(world, [plain().till], now=START)

        assert isinstance(outcome, RecordOutcome)
        assert kinds(world.events) == ["TicketRecorded"]
        assert world.tickets[plain().till.ticket.key].member_id is None

    def test_answers_the_till_afterwards_as_before(self, world: Batch) -> None:
        """The till's own ticket is a repetition, with the same decision as if it came first."""
        (first,) = run(new_shop(), [plain().till], now=START)

        _, after = run(world, [plain().settle, plain().till], now=START)

        assert isinstance(first, RecordOutcome)
        assert after == first._replace(replayed=True)

    def test_does_not_doubt_the_time_of_a_paid_ticket(self, world: Batch) -> None:
        """A settlement that arrives months late is taken in: the goods are gone."""
        (outcome,) = run(world, [plain().settle], now=START + timedelta(days=200))

        assert isinstance(outcome, SettleOutcome)
        assert earned(world) == [(MEMBER, 10)]

    def test_keeps_a_customer_without_member(self, world: Batch) -> None:
        """The ticket is recorded and the settlement kept; nobody earns."""
        run(world, [plain(STRANGER).settle], now=START)

        assert earned(world) == []
        assert the_settled(world).member_id is None
        assert the_settled(world).subject == the_settled(world).ticket_id

    def test_credits_the_card_of_a_customer_without_member(self, world: Batch) -> None:
        """A loyalty card at the till counts when the phone's customer has none."""
        run(world, [LinkCard(event_id(60), "", OTHER, CARD)], now=START)
        command = plain(STRANGER).settle
        ticket = replace(command.ticket, card_number=CARD)

        run(world, [replace(command, ticket=ticket)], now=START)

        assert earned(world) == [(OTHER, 10)]

    def test_credits_the_customer_rather_than_the_card(self, world: Batch) -> None:
        """Who pays by phone is who earns, whatever card was scanned."""
        run(world, [LinkCard(event_id(60), "", OTHER, CARD)], now=START)
        command = plain().settle
        ticket = replace(command.ticket, card_number=CARD)

        run(world, [replace(command, ticket=ticket)], now=START)

        assert earned(world) == [(MEMBER, 10)]

    def test_keeps_other_content_of_the_till(self, world: Batch) -> None:
        """A till that sent something else is a conflict, whichever came first."""
        answers = run(world, [plain().settle, plain().otherwise()], now=START)

        assert isinstance(answers[1], RecordOutcome)
        assert answers[1].status is RecordStatus.CONFLICT
        assert "TicketConflicted" in kinds(world.events)

    def test_earns_once_for_a_key_recorded_as_another_sale(self, world: Batch) -> None:
        """The till sent the ticket as a sale of its own, which earned: the phone's does not."""
        sale = record(50, member_id=MEMBER, sales=(0, 1_500), occur_time=START)
        checkout = paid_with_points()

        run(world, [sale, *checkout.paid()], now=START)

        assert earned(world) == [(MEMBER, 10)]
        assert the_settled(world).tenders[0].spent_quantity == 20
        (settlement,) = world.new_settlements
        decision = TicketSettlement.FromString(settlement.content).decision
        assert int(decision.state) == LoyaltyState.RECORDED_OTHERWISE


class TestSpending:
    def test_takes_an_open_hold_whatever_its_time(self, world: Batch) -> None:
        """Until the sweep ends it, a hold keeps its promise, even of value that is over."""
        checkout = paid_with_points()
        assert checkout.hold

        run(world, [checkout.hold], now=START)
        run(world, [checkout.settle], now=MARCH)

        assert the_settled(world).tenders[0].shortfall == 0

    def test_takes_what_is_there_when_the_hold_ended(self, world: Batch) -> None:
        """A hold given back: what the member still has is spent by a hold of its own."""
        checkout = paid_with_points(30)
        assert checkout.hold
        run(world, [checkout.hold, ReleaseHold(event_id(70), "", checkout.hold.hold_id)], now=START)
        until = START + timedelta(days=90)
        elsewhere = HoldValue(event_id(71), "", UUID(int=5), MEMBER, None, POINTS, 12, until)

        run(world, [elsewhere, checkout.settle], now=START)

        (tender,) = the_settled(world).tenders
        assert (tender.quantity, tender.spent_quantity, tender.shortfall) == (30, 18, 12)
        assert tender.late_hold_id is not None
        assert world.rows.holds[tender.late_hold_id].state is HoldState.SPENT
        assert earned(world) == [(MEMBER, 9)]

    def test_keeps_the_shortfall_of_what_is_gone(self, world: Batch) -> None:
        """Nothing usable is left: the settlement goes on, and its fact tells what is missing."""
        checkout = paid_with_points()
        assert checkout.hold

        run(world, [checkout.hold], now=START)
        run(world, [ExpireValue(event_id(72), "", 10), checkout.settle], now=MARCH)

        (tender,) = the_settled(world).tenders
        assert (tender.spent_quantity, tender.shortfall) == (0, 20)
        assert earned(world) == [(MEMBER, 9)]

    def test_never_touches_the_value_of_another_member(self, world: Batch) -> None:
        """A hold of somebody else is none of this customer's."""
        checkout = paid_with_points(customer_id=CUSTOMERS[1])
        until = START + timedelta(days=7)
        hold_id = checkout.settle.tenders[0].hold_id
        foreign = HoldValue(event_id(73), "", hold_id, MEMBER, None, POINTS, 20, until)

        run(world, [foreign, checkout.settle], now=START)

        assert the_settled(world).tenders[0].shortfall == 20
        assert world.rows.holds[hold_id].state is HoldState.OPEN

    def test_of_less_than_held_gives_the_rest_back(self, world: Batch) -> None:
        """A hold above the tender: what is over goes back to its lots."""
        checkout = paid_with_points(12)
        assert checkout.hold

        run(world, [replace(checkout.hold, quantity=20), checkout.settle], now=START)

        (spent,) = (event for event in world.events if isinstance(event, ValueSpent))
        assert (spent.quantity, spent.returned_lots[0].quantity) == (12, 8)


class TestDecideReverse:
    def test_is_refused_for_an_unknown_checkout(self, world: Batch) -> None:
        """A refund without its settlement is an error of whoever sent it."""
        (refusal,) = run(world, [plain().refund], now=START)

        assert isinstance(refusal, CheckoutNotSettled)
        assert not world.events

    def test_brings_spent_value_back_with_its_expiry(self, world: Batch) -> None:
        """Points spent in January are back in January, and end when they always did."""
        checkout = paid_with_points()
        (lot,) = world.rows.lots.values()

        run(world, [*checkout.paid(), checkout.refund], now=START)

        event = the_reversed(world)
        assert [(part.quantity, part.expire_time) for part in event.restored] == [
            (20, lot.expire_time)
        ]
        assert (lot.remaining, lot.held) == (30, 0)
        assert [part.quantity for part in event.taken] == [9]
        assert event.stamp.event_id not in {checkout.refund.event_id, checkout.settle.event_id}

    def test_brings_value_back_expired_that_is_over(self, world: Batch) -> None:
        """A refund in March of what ended in February: it comes back and is gone at once."""
        checkout = paid_with_points()
        run(world, checkout.paid(), now=START)

        run(world, [checkout.refund], now=MARCH)

        assert kinds(world.events)[-2:] == ["ValueReversed", "ValueExpired"]
        expired = world.events[-1]
        assert isinstance(expired, ValueExpired)
        assert [lot.quantity for lot in expired.lots] == [20]
        assert expired.stamp.occur_time == MARCH

    def test_bears_what_was_spent_elsewhere(self, world: Batch) -> None:
        """What the ticket earned and the member used is the retailer's loss; nobody owes value."""
        until = START + timedelta(days=7)
        hold_id = UUID(int=6)
        run(world, [plain().settle], now=START)
        used: list[Command] = [
            HoldValue(event_id(74), "", hold_id, MEMBER, None, POINTS, 34, until),
            SpendHold(event_id(75), "", hold_id, None),
        ]
        run(world, used, now=START)

        (outcome,) = run(world, [plain().refund], now=START)

        assert isinstance(outcome, ReverseOutcome)
        assert outcome.shortfalls == (LoyaltyAmount(POINTS, 4),)
        assert [part.quantity for part in the_reversed(world).taken] == [6]
        assert world.rows.balance(MEMBER, POINTS).available == 0

    def test_of_a_late_hold_restores_both(self, world: Batch) -> None:
        """What the hold gave and what a late one added come back together, lot by lot."""
        checkout = paid_with_points(25)
        assert checkout.hold
        start: list[Command] = [replace(checkout.hold, quantity=10), checkout.settle]
        run(world, start, now=START)

        run(world, [checkout.refund], now=START)

        assert the_settled(world).tenders[0].spent_quantity == 25
        assert [part.quantity for part in the_reversed(world).restored] == [25]

    def test_of_a_checkout_without_member_moves_nothing(self, world: Batch) -> None:
        """It is kept all the same, so that a repetition is known."""
        checkout = plain(STRANGER)

        _, first, again = run(world, [checkout.settle, checkout.refund, checkout.refund], now=START)

        assert isinstance(first, ReverseOutcome)
        assert isinstance(again, ReverseOutcome)
        assert (first.replayed, again.replayed) == (False, True)
        assert the_reversed(world).restored == the_reversed(world).taken == ()


class TestCausedId:
    def test_is_undone_by_itself(self) -> None:
        """An audit finds the event that caused a fact from the fact alone."""
        assert caused_id(caused_id(UUID(int=7), 1), 1) == UUID(int=7)
