"""What a client remembers of what it was told is done."""

from dataclasses import replace

import pytest

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_pb2
from cagnotte.points.v1 import points_service_pb2 as points_rpc
from cagnotte.wallet.v1 import checkout_service_pb2 as checkout_rpc
from cagnotte.wallet.v1 import prepaid_service_pb2 as prepaid_rpc
from cagnotte.wallet.v1 import wallet_pb2
from services.simulator.receipts import Audited, Receipts

AUDITED = Audited(kind="tickets", acknowledged=3, found=3, in_service=3)


def outcome(sequence: int, status: "points_pb2.TicketStatus.ValueType") -> points_pb2.TicketOutcome:
    """Make the outcome of a ticket that earned five points."""
    award = points_pb2.Award(rule_id="base", currency=money_pb2.LOYALTY_CURRENCY_POINTS, quantity=5)
    return points_pb2.TicketOutcome(
        key=points_pb2.TicketKey(store_id="0330", sequence=sequence),
        status=status,
        decision=points_pb2.TicketDecision(awards=[award]),
    )


class TestReceipts:
    def test_keep_tickets_that_were_recorded_alone_or_in_a_queue(self) -> None:
        """Each once, with what it earned, however often it was sent; a refusal acknowledges nothing."""
        receipts = Receipts()
        recorded, refused = points_pb2.TICKET_STATUS_RECORDED, points_pb2.TICKET_STATUS_REFUSED

        receipts.keep(points_rpc.RecordTicketResponse(outcome=outcome(1, recorded)))
        receipts.keep(
            points_rpc.RecordTicketsResponse(
                outcomes=[outcome(1, recorded), outcome(2, recorded), outcome(3, refused)]
            )
        )

        points = (("base", money_pb2.LOYALTY_CURRENCY_POINTS, 5),)
        assert list(receipts.tickets.values()) == [points, points]

    def test_keep_checkouts_once_they_are_paid(self) -> None:
        """Whoever says it: the answer to the phone, or the stream that the till listens to."""
        receipts = Receipts()
        for name, state in (
            ("open", wallet_pb2.CHECKOUT_STATE_OPEN),
            ("paid", wallet_pb2.CHECKOUT_STATE_SETTLED),
            ("returned", wallet_pb2.CHECKOUT_STATE_REFUNDED),
        ):
            checkout = wallet_pb2.Checkout(checkout_id=name, state=state, total_minor=250)
            receipts.keep(checkout_rpc.PayCheckoutResponse(checkout=checkout))
            receipts.keep(checkout_rpc.WatchCheckoutResponse(checkout=checkout))

        assert receipts.checkouts == {"paid": 250, "returned": 250}

    def test_keep_top_ups_once_they_are_settled(self) -> None:
        """One that is under way, or failed, put nothing on a balance."""
        receipts = Receipts()
        for name, state in (
            ("under way", wallet_pb2.TOP_UP_STATE_PROCESSING),
            ("settled", wallet_pb2.TOP_UP_STATE_SETTLED),
            ("failed", wallet_pb2.TOP_UP_STATE_FAILED),
        ):
            top_up = wallet_pb2.TopUp(
                top_up_id=name, customer_id="c", state=state, amount_minor=5_000
            )
            receipts.keep(prepaid_rpc.TopUpResponse(top_up=top_up))

        assert receipts.top_ups == {"settled": ("c", 5_000)}


class TestAudited:
    def test_is_good_when_everything_is_there_once(self) -> None:
        """What the service does not count is looked for one by one, which is enough."""
        assert AUDITED.ok
        assert replace(AUDITED, in_service=None).ok

    @pytest.mark.parametrize(
        "bad",
        [
            replace(AUDITED, found=2),
            replace(AUDITED, in_service=4),
            replace(AUDITED, in_service=2),
        ],
        ids=["not found", "double", "lost"],
    )
    def test_is_bad_when_one_is_missing_or_double(self, bad: Audited) -> None:
        """Not found under its key, or more of them than were acknowledged."""
        assert not bad.ok
