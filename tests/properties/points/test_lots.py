"""What holds for lots, holds and balances, whatever happens in whatever order."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.codec.event import render_event
from services.points.codec.journal import parse_event
from services.points.domain.batch import Batch
from services.points.domain.command import Command, RecordTicket
from services.points.domain.event import ValueEarned, ValueExpired, ValueHeld
from services.points.domain.state import HoldState, Rows, apply, lot_order
from tests.properties.points.world import (
    MEMBERS,
    START,
    commands,
    new_world,
    run,
    tickets,
)

Work = list[tuple[timedelta, Command]]


def play(work: Work) -> Batch:
    """Do the work, step by step, as time passes."""
    world, now = new_world(), START
    for wait, command in work:
        now += wait
        run(world, [command], now=now)
    return world


def lot_values(rows: Rows) -> Counter[tuple[object, ...]]:
    """Give the lots without their ids, which depend on which repetition came first."""
    return Counter(
        (lot.member_id, lot.currency, lot.earned, lot.remaining, lot.held, lot.expire_time)
        for lot in rows.lots.values()
    )


class TestLots:
    @given(commands())
    def test_never_give_more_than_they_have(self, work: Work) -> None:
        """0 <= held <= remaining <= earned for every lot, after every history."""
        world = play(work)

        assert all(0 <= lot.held <= lot.remaining <= lot.earned for lot in world.rows.lots.values())

    @given(commands())
    def test_sum_to_the_balances(self, work: Work) -> None:
        """Available + held of a member is what is left of its lots; open holds are what is held."""
        rows = play(work).rows

        for member_id in MEMBERS:
            for currency in LoyaltyCurrency:
                lots = [
                    lot
                    for lot in rows.lots.values()
                    if (lot.member_id, lot.currency) == (member_id, currency)
                ]
                holds = [
                    hold.quantity
                    for hold in rows.holds.values()
                    if (hold.member_id, hold.currency) == (member_id, currency)
                    and hold.state is HoldState.OPEN
                ]
                balance = rows.balance(member_id, currency)
                assert balance.available + balance.held == sum(lot.remaining for lot in lots)
                assert balance.held == sum(lot.held for lot in lots) == sum(holds)

    @given(commands())
    def test_are_used_soonest_expiry_first(self, work: Work) -> None:
        """A hold takes from a lot only when every usable lot before it is used up."""
        world = play(work)
        rows = Rows()

        for event in world.events:
            if isinstance(event, ValueHeld):
                now = event.stamp.record_time
                usable = sorted(
                    (
                        lot
                        for lot in rows.lots_of[event.member_id]
                        if lot.currency is event.currency
                        and lot.available
                        and lot.expire_time > now
                    ),
                    key=lot_order,
                )
                taken = [share.lot_id for share in event.lots]
                assert taken == [lot.lot_id for lot in usable[: len(taken)]]
                assert all(
                    share.quantity == lot.available
                    for share, lot in zip(event.lots[:-1], usable, strict=False)
                )
            apply(rows, event)

    @given(commands())
    def test_stay_expired(self, work: Work) -> None:
        """What has expired is gone: whatever is given back to such a lot expires at once."""
        world, now = new_world(), START
        gone: set[UUID] = set()

        for wait, command in work:
            now += wait
            run(world, [command], now=now)
            expired = {
                share.lot_id
                for event in world.events
                if isinstance(event, ValueExpired)
                for share in event.lots
            }
            # A release expires what it gives back; the rest of that lot waits for the sweep.
            gone |= {lot_id for lot_id in expired if world.rows.lots[lot_id].available == 0}
            assert all(world.rows.lots[lot_id].available == 0 for lot_id in gone)

    @given(commands())
    def test_are_conserved(self, work: Work) -> None:
        """Issued = spent + expired + what is left, in each currency."""
        world = play(work)
        rows = world.rows

        for currency in LoyaltyCurrency:
            issued = sum(
                award.quantity
                for event in world.events
                if isinstance(event, ValueEarned)
                for award in event.awards
                if award.currency is currency
            )
            expired = sum(
                share.quantity
                for event in world.events
                if isinstance(event, ValueExpired)
                for share in event.lots
                if share.currency is currency
            )
            spent = sum(
                hold.spent_quantity for hold in rows.holds.values() if hold.currency is currency
            )
            left = sum(lot.remaining for lot in rows.lots.values() if lot.currency is currency)
            assert issued == spent + expired + left


class TestFold:
    @given(commands())
    def test_of_the_journal_gives_the_rows_again(self, work: Work) -> None:
        """Facts written as bytes, read again and folded from nothing give every row."""
        world = play(work)
        rows = Rows()

        for event in world.events:
            again = parse_event(*render_event(event))
            assert again == event
            apply(rows, again)

        assert rows == world.rows

    @given(commands(), st.lists(st.integers(0, 25), max_size=4))
    def test_does_not_depend_on_the_batches(self, work: Work, cuts: list[int]) -> None:
        """The same commands at one instant end the same, however they are cut into batches."""
        at_once = [command for _, command in work]
        now = START + timedelta(days=3)
        whole, parts = new_world(), new_world()
        bounds = [0, *sorted(min(cut, len(at_once)) for cut in cuts), len(at_once)]

        run(whole, at_once, now=now)
        for begin, end in pairwise(bounds):
            run(parts, at_once[begin:end], now=now)

        assert parts.rows == whole.rows
        assert parts.events == whole.events


class TestTickets:
    @given(tickets(), st.data())
    def test_end_the_same_shuffled_and_repeated(
        self, queue: list[RecordTicket], data: st.DataObject
    ) -> None:
        """Any order and any repetition of tickets gives the same lots and balances."""
        repeated = queue + [
            ticket for ticket in queue if data.draw(st.booleans(), label="sent again")
        ]
        shuffled = data.draw(st.permutations(repeated))
        in_order, mixed = new_world(), new_world()

        run(in_order, list(queue), now=START)
        run(mixed, list(shuffled), now=START)

        assert lot_values(mixed.rows) == lot_values(in_order.rows)
        assert _balances(mixed.rows) == _balances(in_order.rows)
        assert len(mixed.new_tickets) == len(queue)

    @given(tickets())
    def test_get_their_first_answer_again(self, queue: list[RecordTicket]) -> None:
        """A repeated ticket is answered with the very same decision, and writes nothing."""
        world = new_world()
        first = run(world, list(queue), now=START)
        facts = len(world.events)

        again = run(world, list(queue), now=START + timedelta(days=200))

        assert len(world.events) == facts
        assert [(a.decision, a.replayed) for a in again] == [  # type: ignore[union-attr]  # tickets alone are run
            (a.decision, True)  # type: ignore[union-attr]  # tickets alone are run
            for a in first
        ]


def _balances(rows: Rows) -> dict[tuple[UUID, LoyaltyCurrency], int]:
    return {key: row.available for key, row in rows.balances.items() if row.available}
