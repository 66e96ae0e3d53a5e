"""Reserved value: held, spent, given back, and what its lots become meanwhile."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.common.kernel.errors import DomainError
from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.domain.batch import Batch
from services.points.domain.command import Command, ExpireValue, HoldValue, ReleaseHold, SpendHold
from services.points.domain.decide import Answer
from services.points.domain.holding import HoldOutcome, SweepOutcome
from services.points.domain.state import HoldState
from tests.properties.points.world import MEMBERS, START, event_id, new_world, record, run

MEMBER, STRANGER = MEMBERS
HOLD = UUID(int=77)
# Points of January are usable until the end of February.
FEBRUARY_ENDS = datetime(2017, 2, 28, 23, tzinfo=UTC)
DECEMBER = START - timedelta(days=20)


def hold(quantity: int, *, expire_time: datetime | None = None, member: UUID = MEMBER) -> HoldValue:
    """Give the command that reserves points."""
    return HoldValue(
        event_id=event_id(800),
        trace_parent="",
        hold_id=HOLD,
        member_id=member,
        customer_id=None,
        currency=LoyaltyCurrency.POINTS,
        quantity=quantity,
        expire_time=expire_time or START + timedelta(days=90),
    )


def spend(quantity: int | None = None) -> SpendHold:
    """Give the command that spends the hold."""
    return SpendHold(event_id(801), "", HOLD, quantity)


def release() -> ReleaseHold:
    """Give the command that gives the hold back."""
    return ReleaseHold(event_id(802), "", HOLD)


def sweep() -> ExpireValue:
    """Give the command that ends what is over."""
    return ExpireValue(event_id(810), "", 10)


@pytest.fixture
def world() -> Batch:
    """Give a member with 30 points of January, and 20 of December that end a month sooner."""
    world = new_world()
    # Coupons pay a third of every line, so 45.00 EUR earn 30 points.
    tickets: list[Command] = [
        record(1, member_id=MEMBER, sales=(0, 4_500), occur_time=START - timedelta(days=1)),
        record(2, member_id=MEMBER, sales=(0, 3_000), occur_time=DECEMBER),
    ]
    run(world, tickets, now=START)
    return world


def one(world: Batch, command: Command, *, now: datetime = START) -> Answer:
    """Decide one command."""
    return run(world, [command], now=now)[0]


def points_of(world: Batch) -> tuple[int, int]:
    """Give what the member has: available and held."""
    row = world.rows.balance(MEMBER, LoyaltyCurrency.POINTS)
    return row.available, row.held


def reason_of(answer: Answer) -> str:
    """Give why a command was refused."""
    assert isinstance(answer, DomainError)
    return answer.reason


class TestHold:
    def test_takes_the_soonest_expiry_first(self, world: Batch) -> None:
        """The 20 points of December go before any of January."""
        outcome = one(world, hold(25))

        assert isinstance(outcome, HoldOutcome)
        assert [share.quantity for share in outcome.lots] == [20, 5]
        assert points_of(world) == (25, 25)

    def test_is_whole_or_not_at_all(self, world: Batch) -> None:
        """Who has less is refused, and nothing moves."""
        assert reason_of(one(world, hold(51))) == "VALUE_INSUFFICIENT"
        assert points_of(world) == (50, 0)

    def test_cannot_take_what_is_over(self, world: Batch) -> None:
        """An expired lot is not there, swept or not."""
        january_ends = datetime(2017, 1, 31, 23, tzinfo=UTC)

        refused = one(world, hold(31), now=january_ends)

        assert reason_of(refused) == "VALUE_INSUFFICIENT"

    def test_is_answered_again(self, world: Batch) -> None:
        """The same id and content get the first answer, other content is refused."""
        first, again = one(world, hold(25)), one(world, hold(25))

        assert isinstance(first, HoldOutcome)
        assert again == first._replace(replayed=True)
        assert reason_of(one(world, hold(26))) == "REQUEST_ID_REUSED"
        assert reason_of(one(world, hold(25, member=STRANGER))) == "REQUEST_ID_REUSED"

    def test_needs_a_member_and_a_time_to_come(self, world: Batch) -> None:
        """A hold of nobody, or one that is over already, is refused."""
        nobody = hold(1, member=UUID(int=999))

        assert reason_of(one(world, nobody)) == "MEMBER_NOT_FOUND"
        assert reason_of(one(world, hold(1, expire_time=START))) == "HOLD_TIME_INVALID"


class TestSpend:
    def test_in_part_gives_the_rest_back(self, world: Batch) -> None:
        """What is spent comes from the soonest lots, the rest is available again."""
        one(world, hold(25))

        outcome = one(world, spend(22))

        assert isinstance(outcome, HoldOutcome)
        assert (outcome.state, outcome.spent_quantity) == (HoldState.SPENT, 22)
        assert points_of(world) == (28, 0)

    def test_is_done_once(self, world: Batch) -> None:
        """A repetition changes nothing; another quantity, or more than is held, is refused."""
        one(world, hold(25))
        assert reason_of(one(world, spend(26))) == "SPEND_ABOVE_HOLD"
        one(world, spend())

        again = one(world, spend())

        assert isinstance(again, HoldOutcome)
        assert again.replayed
        assert points_of(world) == (25, 0)
        assert reason_of(one(world, spend(3))) == "REQUEST_ID_REUSED"
        assert reason_of(one(world, release())) == "HOLD_NOT_OPEN"

    def test_honors_what_was_held_in_time(self, world: Batch) -> None:
        """Value under a hold does not expire: whoever pays with it has been promised it."""
        one(world, hold(50))
        one(world, sweep(), now=FEBRUARY_ENDS)

        outcome = one(world, spend(), now=FEBRUARY_ENDS)

        assert isinstance(outcome, HoldOutcome)
        assert outcome.spent_quantity == 50

    def test_is_refused_once_the_hold_is_over(self, world: Batch) -> None:
        """The time of a hold counts whether the sweep came by or not."""
        one(world, hold(25, expire_time=START + timedelta(minutes=15)))

        refused = one(world, spend(), now=START + timedelta(minutes=15))

        assert reason_of(refused) == "HOLD_NOT_OPEN"


class TestRelease:
    def test_gives_everything_back(self, world: Batch) -> None:
        """The lots are as they were before the hold; a repetition changes nothing."""
        one(world, hold(25))

        first, again = one(world, release()), one(world, release())

        assert isinstance(first, HoldOutcome)
        assert first.state is HoldState.RELEASED
        assert again == first._replace(replayed=True)
        assert points_of(world) == (50, 0)

    def test_brings_expired_lots_back_expired(self, world: Batch) -> None:
        """Expiry restores nothing: what was over meanwhile is gone at once."""
        one(world, hold(25))
        january_ends = datetime(2017, 1, 31, 23, tzinfo=UTC)

        one(world, release(), now=january_ends)

        assert points_of(world) == (30, 0)


class TestSweep:
    def test_ends_holds_and_what_they_give_back(self, world: Batch) -> None:
        """The hold goes first, so its expired lots go in the same sweep."""
        one(world, hold(25, expire_time=START + timedelta(minutes=15)))

        outcome = one(world, sweep(), now=FEBRUARY_ENDS)

        assert isinstance(outcome, SweepOutcome)
        assert (outcome.expired_holds, outcome.expired_lots) == (1, 2)
        assert [amount.quantity for amount in outcome.expired_amounts] == [50, 0]
        assert points_of(world) == (0, 0)

    def test_leaves_the_last_usable_instant_alone(self, world: Batch) -> None:
        """A lot is usable until the instant of its expiry, which is exclusive."""
        before = one(world, sweep(), now=FEBRUARY_ENDS - timedelta(microseconds=1))

        assert isinstance(before, SweepOutcome)
        assert before.expired_lots == 1
        assert points_of(world) == (30, 0)
