"""Opening, claiming, cancelling and expiring a checkout."""

from datetime import timedelta

import pytest

from services.wallet.domain.basket import TicketNotPayable
from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.command import ExpireCheckouts
from services.wallet.domain.event import CancelCause, CheckoutCancelled
from services.wallet.domain.opening import (
    CheckoutNotCancellable,
    CheckoutNotClaimed,
    CheckoutNotFound,
    CheckoutNotOpen,
    ClaimedByAnother,
    PaymentOutcome,
    RequestIdReused,
    SweepOutcome,
    TicketKeyTaken,
)
from tests.properties.wallet.world import (
    OPEN_FOR,
    SHOPPER,
    START,
    World,
    a_basket,
    claiming,
    new_id,
    opening,
    paying,
)
from tests.unit.wallet.domain.till import (
    CHECKOUT,
    DUE,
    SPLIT,
    authorized,
    cancelling,
    claimed,
    held,
    refunding,
    settled,
    started,
    top_up,
)

STRANGER = new_id(99)


def sweep(limit: int = 10) -> ExpireCheckouts:
    """Give the command that ends what is over."""
    return ExpireCheckouts(event_id=new_id(), trace_parent="", limit=limit)


class TestDecideOpen:
    def test_answers_a_repeat_as_it_is_now(self) -> None:
        """The same id and basket find the checkout, however far it has come."""
        world = held()
        verdict = world.submit(opening(CHECKOUT, a_basket(DUE)))
        assert verdict == PaymentOutcome(world.checkout(CHECKOUT), replayed=True)

    def test_refuses_another_basket_under_the_same_id(self) -> None:
        """Neither another content nor the id of a top-up."""
        world = claimed()
        assert isinstance(world.refusal(opening(CHECKOUT, a_basket(1))), RequestIdReused)
        world.settle(top_up())
        other = opening(top_up().top_up_id, a_basket(DUE, sequence=2))
        assert isinstance(world.refusal(other), RequestIdReused)

    def test_refuses_a_ticket_that_another_checkout_has(self) -> None:
        """Two phones cannot pay one ticket, not even after it was given back."""
        for world in (claimed(), held(), settled(), refunding()):
            refusal = world.refusal(opening(new_id(), a_basket(DUE)))
            assert isinstance(refusal, TicketKeyTaken)
            assert refusal.metadata["checkout_id"] == str(CHECKOUT)

    def test_refuses_a_till_with_a_wrong_clock(self) -> None:
        """But answers a repeat, however late it comes."""
        world = World(now=START + timedelta(days=3))
        refusal = world.refusal(opening(CHECKOUT, a_basket(DUE)))
        assert isinstance(refusal, TicketNotPayable)
        world = claimed()
        world.now += timedelta(days=3)
        assert isinstance(world.submit(opening(CHECKOUT, a_basket(DUE))), PaymentOutcome)

    def test_takes_a_ticket_whose_checkout_is_over_unpaid(self) -> None:
        """A till may open another one for the same ticket, in the same batch even."""
        world = claimed()
        verdicts = world.submit_all(cancelling(), opening(new_id(), a_basket(DUE)))
        assert all(isinstance(verdict, PaymentOutcome) for verdict in verdicts)

    def test_sees_a_checkout_of_the_same_batch(self) -> None:
        """Of two tills with one ticket, the first one wins."""
        one, other = World().submit_all(
            opening(new_id(), a_basket(DUE)), opening(new_id(), a_basket(DUE))
        )
        assert isinstance(one, PaymentOutcome)
        assert isinstance(other, TicketKeyTaken)


class TestDecideClaim:
    def test_ties_a_checkout_to_one_shopper(self) -> None:
        """The same shopper may claim again, in any state; another is refused."""
        world = settled()
        verdict = world.submit(claiming(CHECKOUT))
        assert verdict == PaymentOutcome(world.checkout(CHECKOUT), replayed=True)
        assert isinstance(world.refusal(claiming(CHECKOUT, STRANGER)), ClaimedByAnother)

    def test_refuses_what_does_not_exist(self) -> None:
        """Neither an unknown id nor a top-up's."""
        world = World()
        world.settle(top_up())
        assert isinstance(world.refusal(claiming(CHECKOUT)), CheckoutNotFound)
        assert isinstance(world.refusal(claiming(top_up().top_up_id)), CheckoutNotFound)

    def test_refuses_a_checkout_whose_time_is_over(self) -> None:
        """It counts as expired, even before the sweep has come by."""
        world = World()
        world.settle(opening(CHECKOUT, a_basket(DUE)))
        world.now += OPEN_FOR
        refusal = world.refusal(claiming(CHECKOUT))
        assert isinstance(refusal, CheckoutNotOpen)
        assert refusal.metadata["state"] == "EXPIRED"


class TestDecideCancel:
    def test_ends_an_open_checkout_at_once(self) -> None:
        """A repeat is answered as it is."""
        world = claimed()
        assert world.settle(cancelling()).state is CheckoutState.CANCELLED
        verdict = world.submit(cancelling(SHOPPER))
        assert isinstance(verdict, PaymentOutcome)
        assert verdict.replayed

    def test_is_asked_once_while_it_is_paid(self) -> None:
        """The second wish changes nothing."""
        world = started()
        world.settle(cancelling())
        length = len(world.journal)
        assert world.settle(cancelling()).state is CheckoutState.PROCESSING
        assert len(world.journal) == length

    @pytest.mark.parametrize("make", [authorized, settled, refunding])
    def test_comes_too_late_once_the_card_said_yes(self, make: type[World]) -> None:
        """What is authorized or settled is refunded instead."""
        refusal = make().refusal(cancelling())
        assert isinstance(refusal, CheckoutNotCancellable)

    def test_is_the_shoppers_own(self) -> None:
        """A stranger hears that there is none; who has not claimed it has nothing to cancel."""
        world = claimed()
        assert isinstance(world.refusal(cancelling(STRANGER)), CheckoutNotFound)
        world = World()
        world.settle(opening(CHECKOUT, a_basket(DUE)))
        assert isinstance(world.refusal(cancelling(SHOPPER)), CheckoutNotClaimed)


class TestDecideExpire:
    def test_ends_what_nobody_paid_in_time(self) -> None:
        """The fact says why, and the ticket may be paid by another checkout."""
        world = claimed()
        world.now += OPEN_FOR - timedelta(seconds=1)
        assert world.submit(sweep()) == SweepOutcome(0, more=False)
        world.now += timedelta(seconds=1)
        assert world.submit(sweep()) == SweepOutcome(1, more=False)
        assert world.checkout(CHECKOUT).state is CheckoutState.EXPIRED
        fact = world.journal[-1]
        assert isinstance(fact, CheckoutCancelled)
        assert (fact.cause, fact.customer_id) == (CancelCause.EXPIRED, SHOPPER)
        world.settle(opening(new_id(), a_basket(DUE)))

    def test_leaves_alone_what_is_being_paid(self) -> None:
        """A payment under way is never expired."""
        for world in (held(), authorized(), settled()):
            world.now = START + timedelta(days=1)
            assert world.submit(sweep()) == SweepOutcome(0, more=False)

    def test_tells_that_its_limit_left_something(self) -> None:
        """The next sweep goes on."""
        world = World()
        for sequence in (1, 2, 3):
            world.settle(opening(new_id(), a_basket(DUE, sequence=sequence)))
        world.now += OPEN_FOR
        assert world.submit(sweep(2)) == SweepOutcome(2, more=True)
        assert world.submit(sweep(2)) == SweepOutcome(1, more=False)

    def test_goes_by_what_the_batch_has_decided(self) -> None:
        """One that is being paid since the due ones were looked up is left alone."""
        world = claimed()
        world.now += OPEN_FOR
        _, swept = world.submit_all(cancelling(), sweep())
        assert swept == SweepOutcome(0, more=False)

    def test_does_not_let_an_expired_checkout_be_paid(self) -> None:
        """Though the sweep has not come by yet."""
        world = claimed()
        world.now += OPEN_FOR
        assert isinstance(world.refusal(paying(CHECKOUT, *SPLIT)), CheckoutNotOpen)
