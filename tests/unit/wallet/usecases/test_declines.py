"""The brake on whoever tries card after card."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.common.kernel.clock import SimulatedClock
from services.wallet.domain.leg import LegPhase
from services.wallet.domain.payment import Payment
from services.wallet.domain.tender import TenderKind
from services.wallet.usecases.declines import CardDeclines, CardDeclinesTooMany
from tests.properties.wallet.world import SHOPPER, START, new_id, tender
from tests.unit.wallet.domain.till import (
    CARDS,
    CHECKOUT,
    DECLINED,
    DONE,
    DUE,
    KITTY,
    NO,
    NOT_SENT,
    TOP_UP,
    answer,
    answer_top_up,
    held,
    settled,
    started,
    top_up,
)

SPAN = timedelta(hours=1)
OTHER = new_id(77)


def declines(clock: SimulatedClock | None = None, *, customers_max: int = 10) -> CardDeclines:
    """Make a brake that allows two declines an hour."""
    return CardDeclines(
        clock or SimulatedClock(START), declines_max=2, span=SPAN, customers_max=customers_max
    )


def a_declined_checkout() -> Payment:
    """Give a checkout right after its card was declined."""
    world = started(tender(TenderKind.CARD, DUE))
    return answer(world, 0, DECLINED, decline=NO)


def a_failed_top_up(phase: LegPhase = DECLINED) -> Payment:
    """Give a top-up right after its end without effect."""
    world = settled()
    world.settle(top_up())
    answer_top_up(world, phase)
    return world.payment(TOP_UP)


class TestCardDeclines:
    def test_counts_checkouts_and_top_ups(self) -> None:
        """One of each is allowed; after them a card has to wait until the first is an hour old."""
        counted = declines()
        counted.notice([a_declined_checkout()])
        counted.require_few(SHOPPER)

        counted.notice([a_failed_top_up()])

        with pytest.raises(CardDeclinesTooMany) as refusal:
            counted.require_few(SHOPPER)
        assert refusal.value.metadata == {"retry_time": (START + SPAN).isoformat()}

    def test_is_about_one_shopper(self) -> None:
        """Others pay on."""
        counted = declines()
        counted.notice([a_declined_checkout(), a_declined_checkout()])
        counted.require_few(OTHER)

    def test_forgets_in_time(self) -> None:
        """The span is business time, and only the newest declines count."""
        clock = SimulatedClock(START)
        counted = declines(clock)
        counted.notice([a_declined_checkout()])
        clock.move_to(START + SPAN / 2)
        counted.notice([a_declined_checkout()])
        clock.move_to(START + SPAN)
        counted.require_few(SHOPPER)
        counted.notice([a_declined_checkout()])

        with pytest.raises(CardDeclinesTooMany):
            counted.require_few(SHOPPER)

    def test_leaves_out_what_is_no_decline_of_a_card(self) -> None:
        """A refused hold, a request that never arrived, a payment under way, one that is paid."""
        counted = declines()
        world = started()
        answer(world, KITTY, DECLINED, decline=NO)
        refused_hold = world.checkout(CHECKOUT)
        under_way = held().checkout(CHECKOUT)
        never_sent = a_failed_top_up(NOT_SENT)
        for payment in (refused_hold, under_way, never_sent, settled().checkout(CHECKOUT)):
            counted.notice([payment, payment, payment])
        counted.require_few(SHOPPER)

    def test_does_not_count_the_next_attempt_again(self) -> None:
        """A decline is told once: the attempt after it is no decline, though the checkout remembers one."""
        counted = declines()
        world = held()
        answer(world, CARDS, DECLINED, decline=NO)
        counted.notice([world.checkout(CHECKOUT)])
        for place in (1, 0):
            answer(world, place, DONE)
            counted.notice([world.checkout(CHECKOUT)])
        counted.require_few(SHOPPER)

    def test_counts_cards_that_are_being_asked(self) -> None:
        """From the request on, until the facts tell the end: who tries many at once waits like everybody."""
        counted = declines()
        under_way = held().checkout(CHECKOUT)
        with counted.asking(SHOPPER, CHECKOUT):
            counted.notice([under_way])
        with counted.asking(SHOPPER, TOP_UP), pytest.raises(CardDeclinesTooMany) as refusal:
            counted.require_few(SHOPPER)
        assert refusal.value.metadata == {"retry_time": START.isoformat()}

        counted.notice([settled().checkout(CHECKOUT)])

        counted.require_few(SHOPPER)

    def test_lets_a_repeat_through(self) -> None:
        """It asks nobody again, so it takes no place and needs none."""
        counted = declines()
        counted.notice([a_declined_checkout()])
        with counted.asking(SHOPPER, TOP_UP), counted.asking(SHOPPER, TOP_UP):
            pass

    def test_counts_nothing_for_what_was_refused(self) -> None:
        """A request that began nothing asked no card; one for a payment that is under way changes nothing."""
        counted = declines()
        for _ in range(3):
            self._refuse(counted, TOP_UP)
        counted.notice([a_declined_checkout()])
        counted.require_few(SHOPPER)
        counted.notice([held().checkout(CHECKOUT)])

        self._refuse(counted, CHECKOUT)

        with pytest.raises(CardDeclinesTooMany):
            counted.require_few(SHOPPER)

    def test_forgets_what_it_never_hears_of_again(self) -> None:
        """A payment that another process brought to its end is forgotten as a decline is."""
        clock = SimulatedClock(START)
        counted = declines(clock)
        counted.notice([a_declined_checkout(), held().checkout(CHECKOUT)])
        clock.move_to(START + SPAN)
        counted.require_few(SHOPPER)

    def _refuse(self, counted: CardDeclines, payment_id: UUID) -> None:
        """Ask for a payment that is refused."""
        with pytest.raises(CardDeclinesTooMany), counted.asking(SHOPPER, payment_id):
            raise CardDeclinesTooMany("The command was refused.")

    def test_remembers_only_so_many(self) -> None:
        """The memory is bounded: whoever was declined longest ago is forgotten."""
        counted = declines(customers_max=0)
        counted.notice([a_declined_checkout(), a_declined_checkout()])
        counted.require_few(SHOPPER)
