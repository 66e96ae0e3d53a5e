"""Steps: which calls the state of a payment asks for."""

from datetime import timedelta

from services.wallet.domain.saga import WANTED_MAX
from services.wallet.domain.step import Step, StepKind, steps
from tests.properties.wallet.world import HOLD_FOR, SETTLE_FOR, SHOPPER, START, World
from tests.unit.wallet.domain.till import (
    CARDS,
    CHECKOUT,
    DECLINED,
    DONE,
    NO,
    TOP_UP,
    UNKNOWN,
    answer,
    authorized,
    cancelling,
    claimed,
    held,
    refunding,
    settled,
    started,
    top_up,
)


def calls(world: World) -> tuple[Step, ...]:
    """Give the calls to be made now for the checkout."""
    return steps(world.checkout(CHECKOUT), now=world.now)


def kinds(world: World) -> list[StepKind]:
    """Give whom to ask for what."""
    return [step.kind for step in calls(world)]


class TestSteps:
    def test_asks_for_all_holds_at_once(self) -> None:
        """Points and ledger are asked in parallel, with what makes a hold the same at each repetition."""
        value, money = calls(started())
        assert (value.kind, money.kind) == (StepKind.HOLD_VALUE, StepKind.HOLD_MONEY)
        assert value.hold_expire_time == START + HOLD_FOR + SETTLE_FOR
        assert (value.payment_id, value.customer_id) == (CHECKOUT, SHOPPER)

    def test_follows_the_saga(self) -> None:
        """Each state asks for its own calls; at rest there are none."""
        undoing = held()
        answer(undoing, CARDS, DECLINED, decline=NO)
        assert kinds(claimed()) == []
        assert kinds(held()) == [StepKind.AUTHORIZE]
        assert kinds(authorized()) == [StepKind.CAPTURE]
        assert kinds(settled()) == []
        assert kinds(undoing) == [StepKind.RELEASE_VALUE, StepKind.RELEASE_MONEY]
        assert kinds(refunding()) == [StepKind.REFUND_CARD]

    def test_cancels_the_card_of_an_attempt_that_is_undone(self) -> None:
        """An authorization that came too late is given free."""
        world = held()
        world.settle(cancelling())
        answer(world, CARDS, DONE)
        assert StepKind.CANCEL_CARD in kinds(world)

    def test_probes_what_is_unknown(self) -> None:
        """A first call sends; an unknown outcome is found out."""
        world = held()
        assert not calls(world)[0].probe
        answer(world, CARDS, UNKNOWN)
        assert calls(world)[0].probe

    def test_wants_a_success_only_while_somebody_waits_for_it(self) -> None:
        """Not after a cancellation, and not once the shopper has left the till."""
        world = held()
        assert calls(world)[0].wanted
        world.now += WANTED_MAX
        assert calls(world)[0].wanted
        world.now += timedelta(seconds=1)
        assert not calls(world)[0].wanted
        world = held()
        world.settle(cancelling())
        assert not calls(world)[0].wanted

    def test_drives_top_ups_alike(self) -> None:
        """They have one leg and no hold."""
        world = World()
        world.settle(top_up())
        (step,) = steps(world.payment(TOP_UP), now=world.now)
        assert (step.kind, step.hold_expire_time) == (StepKind.AUTHORIZE, None)
