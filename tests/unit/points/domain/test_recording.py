"""Recording a ticket: what is looked at first, the key or the settings."""

from dataclasses import replace

from services.points.codec.settlement import KEEP
from services.points.domain.decide import decide_all
from services.points.domain.recording import RecordOutcome
from services.points.domain.ticket import TicketAmountTooLarge
from tests.properties.points.checkouts import make_checkout, new_shop
from tests.properties.points.world import LIMITS, MEMBERS, START, new_world, record, run

LOW = replace(LIMITS, total_minor_max=1_000)
"""Settings that were lowered."""


def test_a_ticket_that_is_recorded_is_answered_again_whatever_the_limit_is_now() -> None:
    """The till asks what became of it; a refusal would make the store book the sale by hand, twice."""
    world = new_world()
    ticket = record(1, member_id=MEMBERS[0], sales=(1_001,), occur_time=START)
    run(world, [ticket], now=START)

    again, other = decide_all(
        world,
        [ticket, record(2, member_id=MEMBERS[0], sales=(1_001,), occur_time=START)],
        now=START,
        limits=LOW,
        keep=KEEP,
    )

    assert isinstance(again, RecordOutcome)
    assert again.replayed
    assert isinstance(other, TicketAmountTooLarge)


def test_a_settled_checkout_is_taken_in_whatever_the_limit_is() -> None:
    """It is paid, and the goods are gone: a limit that was lowered meanwhile cannot undo that."""
    shop = new_shop()
    checkout = make_checkout(1, sales=(5_000,), occur_time=START)

    decide_all(shop, checkout.paid(), now=START, limits=LOW, keep=KEEP)

    assert list(shop.tickets) == [checkout.till.ticket.key]
