"""Decisions in sentences: what a cashier and a shopper read."""

from datetime import UTC, datetime

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_pb2 as pb
from services.points.codec.decision import explain
from services.points.codec.time import render_time

EXPIRE_TIME = datetime(2017, 8, 1, tzinfo=UTC)


def award(currency: money_pb2.LoyaltyCurrency.ValueType, *, base: int, quantity: int) -> pb.Award:
    """Make what one rule gave."""
    return pb.Award(
        programme_id="demo",
        programme_version=1,
        rule_id="rule",
        currency=currency,
        quantity=quantity,
        base_minor=base,
        expire_time=render_time(EXPIRE_TIME),
    )


def earned(*awards: pb.Award) -> pb.TicketDecision:
    """Make the decision about a member's ticket."""
    return pb.TicketDecision(state=pb.LOYALTY_STATE_EARNED, awards=awards)


class TestExplain:
    def test_says_how_much_on_what_by_which_rule_and_until_when(self) -> None:
        """One sentence for each rule, in their order."""
        sentences = explain(
            earned(
                award(money_pb2.LOYALTY_CURRENCY_POINTS, base=1_250, quantity=12),
                award(money_pb2.LOYALTY_CURRENCY_KITTY, base=2_000, quantity=100),
            )
        )

        assert sentences == [
            "12 points on 12.50 EUR by rule rule of demo, version 1; usable until 2017-08-01.",
            "1.00 EUR of kitty on 20.00 EUR by rule rule of demo, version 1; usable until 2017-08-01.",
        ]

    def test_says_nothing_about_a_rule_that_counts_no_line(self) -> None:
        """Nobody is told that nothing was earned on nothing."""
        sentences = explain(
            earned(
                award(money_pb2.LOYALTY_CURRENCY_POINTS, base=1_250, quantity=12),
                award(money_pb2.LOYALTY_CURRENCY_KITTY, base=0, quantity=0),
            )
        )

        assert len(sentences) == 1
        assert sentences[0].startswith("12 points")

    def test_says_that_too_little_earns_nothing(self) -> None:
        """A rule that counts less than a euro gives no point, which is said."""
        (sentence,) = explain(earned(award(money_pb2.LOYALTY_CURRENCY_POINTS, base=99, quantity=0)))

        assert sentence == "0 points on 0.99 EUR by rule rule of demo, version 1."

    def test_says_so_where_no_rule_counts_anything(self) -> None:
        """A ticket of a member is never answered without a word about it."""
        (sentence,) = explain(earned(award(money_pb2.LOYALTY_CURRENCY_KITTY, base=0, quantity=0)))

        assert sentence == "No rule counts any line of the ticket, so it earns nothing."
