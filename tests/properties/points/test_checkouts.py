"""What holds for checkouts, whatever order things come in and however often."""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.codec.event import render_event
from services.points.codec.journal import parse_event
from services.points.domain.batch import Batch
from services.points.domain.command import Command, ExpireValue, ReleaseHold
from services.points.domain.event import TicketSettled, ValueEarned, ValueReversed
from services.points.domain.holding import usable_lots
from services.points.domain.state import Rows, apply
from tests.properties.points.checkouts import CUSTOMERS, Checkout, make_checkout, new_shop
from tests.properties.points.world import MEMBERS, START, event_id, record, run

MEMBER = MEMBERS[0]
Sales = tuple[int, ...]
Key = tuple[UUID, LoyaltyCurrency]

sales = st.lists(st.integers(0, 5_000), min_size=1, max_size=5).map(lambda x: (*x, 100))
waits = st.sampled_from([timedelta(0), timedelta(hours=6), timedelta(days=12), timedelta(days=60)])


class Case(NamedTuple):
    """What a member bought before, what it buys now, and what it wants to pay it with."""

    bought: list[tuple[Sales, int]]
    items: Sales
    currency: LoyaltyCurrency
    wanted: int

    @property
    def due(self) -> int:
        """Give what is to be paid: a third of every line is paid by coupons."""
        return sum(amount - amount // 3 for amount in self.items)

    def world(self) -> Batch:
        """Give a member with lots of the earlier tickets, days ago."""
        world = new_shop()
        tickets: list[Command] = [
            record(number, member_id=MEMBER, sales=items, occur_time=START - timedelta(days=days))
            for number, (items, days) in enumerate(self.bought, 1)
        ]
        run(world, tickets, now=START)
        return world

    def checkout(self, world: Batch, *, days: int = 7) -> Checkout:
        """Give a checkout that the member pays with what it has, as far as it wants."""
        lots = usable_lots(world.rows.lots_of.get(MEMBER, ()), self.currency, now=START)
        quantity = min(self.wanted, sum(lot.available for lot in lots), self.due)
        return make_checkout(
            100,
            sales=self.items,
            occur_time=START,
            pays=(self.currency, quantity) if quantity else None,
            hold_time=timedelta(days=days),
        )


def sweep(number: int) -> ExpireValue:
    """Give a command that ends what is over."""
    return ExpireValue(event_id(60_000 + number), "", 1_000)


def there(rows: Rows) -> tuple[dict[UUID, tuple[int, int]], dict[Key, tuple[int, int]]]:
    """Give what is left of lots and balances."""
    lots = {lot.lot_id: (lot.remaining, lot.held) for lot in rows.lots.values() if lot.remaining}
    balances = {
        key: (row.available, row.held) for key, row in rows.balances.items() if row.available
    }
    return lots, balances


tickets_before = st.lists(st.tuples(sales, st.integers(0, 29)), max_size=5)
cases = st.builds(
    Case, tickets_before, sales, st.sampled_from(LoyaltyCurrency), st.integers(0, 400)
)


class TestRefund:
    @given(cases, waits, waits, tickets_before)
    def test_ends_as_if_never_bought(
        self,
        case: Case,
        wait: timedelta,
        last: timedelta,
        meanwhile: list[tuple[Sales, int]],
    ) -> None:
        """A full return: lots and balances are those of a world without the ticket.

        Whatever was bought or expired meanwhile; only what has expired is gone in both.
        """
        world, other = case.world(), case.world()
        checkout = case.checkout(world)
        more: list[Command] = [
            record(200 + n, member_id=MEMBER, sales=sold, occur_time=START - timedelta(days=days))
            for n, (sold, days) in enumerate(meanwhile)
        ]

        run(world, checkout.paid(), now=START)
        for place in (world, other):
            run(place, more, now=START)
            run(place, [sweep(1)], now=START + wait)
        run(world, [checkout.refund, checkout.till], now=START + wait)
        for place in (world, other):
            run(place, [sweep(2)], now=START + wait + last)

        assert there(world.rows) == there(other.rows)

    @given(cases)
    def test_takes_and_restores_all_when_nothing_else_happened(self, case: Case) -> None:
        """At once after the settlement, nothing is missing and each quantity moves back whole."""
        world = case.world()
        checkout = case.checkout(world)

        run(world, [*checkout.paid(), checkout.refund], now=START)

        (settled,) = (event for event in world.events if isinstance(event, TicketSettled))
        (reversal,) = (event for event in world.events if isinstance(event, ValueReversed))
        earned = [
            award.quantity
            for event in world.events
            if isinstance(event, ValueEarned) and event.key == checkout.till.ticket.key
            for award in event.awards
        ]
        assert [lot.quantity for lot in reversal.taken] == earned
        assert sum(lot.quantity for lot in reversal.restored) == sum(
            tender.spent_quantity for tender in settled.tenders
        )
        assert reversal.shortfalls == ()


class TestTwoRefunds:
    @given(cases, sales, waits, st.booleans())
    def test_of_what_was_bought_with_what_was_earned_leave_nothing(
        self, case: Case, first_items: Sales, wait: timedelta, first_goes_back_first: bool
    ) -> None:
        """Bring back what earned, then what was paid with it: nobody earns by buying and returning, in any order."""
        world, other = case.world(), case.world()
        first = make_checkout(99, sales=first_items, occur_time=START)
        run(world, first.paid(), now=START)
        second = case.checkout(world, days=90)
        run(world, second.paid(), now=START)

        refunds: list[Command] = [first.refund, second.refund]
        for refund in refunds if first_goes_back_first else refunds[::-1]:
            run(world, [refund], now=START + wait)
        for place in (world, other):
            run(place, [sweep(1)], now=START + wait)

        assert there(world.rows) == there(other.rows)

    @given(cases, sales, st.booleans())
    def test_while_the_value_is_held_leave_nothing_either(
        self, case: Case, first_items: Sales, released: bool
    ) -> None:
        """A hold that stands during the return gives back to nobody what the returned ticket earned."""
        world, other = case.world(), case.world()
        first = make_checkout(99, sales=first_items, occur_time=START)
        run(world, first.paid(), now=START)
        second = case.checkout(world, days=1)
        if second.hold is not None:
            run(world, [second.hold, first.refund], now=START)
            end: Command = sweep(1)
            if released:
                end = ReleaseHold(event_id(61_000), "", second.hold.hold_id)
            run(world, [end], now=START + timedelta(hours=1 if released else 25))
        else:
            run(world, [first.refund], now=START)
        for place in (world, other):
            run(place, [sweep(2)], now=START + timedelta(hours=25))

        assert there(world.rows) == there(other.rows)


class TestOrder:
    @given(cases, st.data())
    def test_does_not_matter(
        self,
        case: Case,
        data: st.DataObject,
    ) -> None:
        """The till's ticket before, after or between the events, each as often as may be.

        The ticket is recorded once, spent for once and earns once; its refund undoes it once.
        """
        world, plain = case.world(), case.world()
        checkout = case.checkout(world)
        refunded = data.draw(st.booleans(), label="refunded")
        once: list[Command] = [checkout.till, checkout.settle]
        again: list[Command] = [
            command
            for command in (checkout.till, checkout.settle, checkout.settle)
            if data.draw(st.booleans(), label="sent again")
        ]
        start: list[Command] = [checkout.hold] if checkout.hold else []
        end: list[Command] = [checkout.refund] if refunded else []
        shuffled = data.draw(st.permutations(once + again), label="order")
        late = data.draw(st.permutations(once + end), label="late repetition")

        run(world, [*start, *shuffled, *end, *late], now=START)
        run(plain, [*start, checkout.settle, checkout.till, *end], now=START)

        assert there(world.rows) == there(plain.rows)
        assert {lot.lot_id for lot in world.rows.lots.values()} == set(plain.rows.lots)
        assert len(world.new_tickets) == len(plain.new_tickets) == len(case.bought) + 1
        assert world.new_tickets[-1].decision == plain.new_tickets[-1].decision
        assert world.new_settlements[0].content == plain.new_settlements[0].content
        assert len(world.new_settlements) == 1
        assert len(world.new_reversals) == refunded
        assert not world.new_conflicts

    @given(cases, st.booleans())
    def test_of_a_conflict_changes_no_value(
        self,
        case: Case,
        till_first: bool,
    ) -> None:
        """A till that sends other content is a conflict; what is spent and earned is the phone's."""
        world, plain = case.world(), case.world()
        checkout = case.checkout(world)
        start: list[Command] = [checkout.hold] if checkout.hold else []
        mixed: list[Command] = [checkout.otherwise(), checkout.settle]

        run(world, start + (mixed if till_first else mixed[::-1]), now=START)
        run(plain, [*start, checkout.settle], now=START)

        assert len(world.new_conflicts) == 1
        assert there(world.rows) == there(plain.rows)


class TestSettlement:
    @given(cases, st.integers(1, 40), waits)
    def test_accounts_for_what_was_promised(
        self,
        case: Case,
        days: int,
        wait: timedelta,
    ) -> None:
        """Spent and missing make up the tender, even when the hold and its lots are long over."""
        world = case.world()
        checkout = case.checkout(world, days=days)
        start: list[Command] = [checkout.hold] if checkout.hold else []

        run(world, start, now=START)
        run(world, [sweep(1), checkout.settle], now=START + wait)

        (settled,) = (event for event in world.events if isinstance(event, TicketSettled))
        spent = [hold.spent_quantity for hold in world.rows.holds.values()]
        for tender in settled.tenders:
            assert tender.shortfall >= 0
            assert tender.spent_quantity == sum(spent)
            if wait < timedelta(days=days):
                assert tender.shortfall == 0

    @given(cases)
    def test_earns_on_what_was_paid_otherwise(self, case: Case) -> None:
        """The bases of a rule for all lines sum to what kitty, points and coupons did not pay."""
        world = case.world()
        checkout = case.checkout(world)

        run(world, checkout.paid(), now=START)

        paid = sum(claim.amount_minor for claim in checkout.settle.tenders)
        earned = sum(
            lot.earned
            for lot in world.rows.lots.values()
            if lot.currency is LoyaltyCurrency.POINTS
            and lot.source_event_id.int >> 64 == checkout.settle.event_id.int >> 64
        )
        assert earned == (case.due - paid) // 100

    @given(cases, waits, st.booleans())
    def test_is_the_journal_folded(
        self,
        case: Case,
        wait: timedelta,
        swept: bool,
    ) -> None:
        """The facts of a checkout, read back from their bytes, give every row again."""
        world = case.world()
        checkout = case.checkout(world)
        between: list[Command] = [sweep(1)] if swept else []
        run(world, checkout.paid(), now=START)
        run(world, [*between, checkout.refund, checkout.till], now=START + wait)
        rows = Rows()

        for event in world.events:
            again = parse_event(*render_event(event))
            assert again == event
            apply(rows, again)

        assert rows == world.rows
        assert CUSTOMERS[0] in rows.customers
