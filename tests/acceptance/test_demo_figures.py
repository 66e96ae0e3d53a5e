"""The demo's report equals a separate computation over the raw files, to the cent and the point."""

import asyncio
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cagnotte.points.v1 import points_pb2
from cagnotte.wallet.v1 import events_pb2
from tests.acceptance.conftest import DEMO_BASKETS, Demo, Report
from tests.acceptance.published import CHECKOUTS, events_of, read_topic
from tests.acceptance.recomputation import PaidByPhone, recompute

PARIS = ZoneInfo("Europe/Paris")


@dataclass(frozen=True, slots=True)
class Checkouts:
    """What the wallet has published."""

    settled: list[events_pb2.CheckoutSettled]
    refunded: list[events_pb2.CheckoutRefunded]
    top_ups: list[events_pb2.TopUpSettled]

    def paid(self, kind: points_pb2.TenderKind.ValueType) -> int:
        """Sum what one kind of tender paid, in cents."""
        return _amount([event.tenders for event in self.settled], kind)

    def returned(self, kind: points_pb2.TenderKind.ValueType) -> int:
        """Sum what one kind of tender got back, in cents."""
        return _amount([event.tenders for event in self.refunded], kind)

    @property
    def baskets(self) -> list[PaidByPhone]:
        """Give the baskets that were paid, as the raw files know them."""
        back = {event.checkout_id for event in self.refunded}
        reductions = {points_pb2.TENDER_KIND_KITTY, points_pb2.TENDER_KIND_POINTS}
        return [
            PaidByPhone(
                store_id=int(event.ticket.key.store_id),
                sold=event.ticket.occur_time.ToDatetime(UTC).astimezone(PARIS).replace(tzinfo=None),
                total_minor=event.ticket.total_minor,
                reduction_minor=sum(
                    each.amount_minor for each in event.tenders if each.kind in reductions
                ),
                is_returned=event.checkout_id in back,
            )
            for event in self.settled
        ]


def _amount(of_events: list[Any], kind: points_pb2.TenderKind.ValueType) -> int:
    return sum(each.amount_minor for tenders in of_events for each in tenders if each.kind == kind)


@pytest.fixture(scope="module")
def checkouts(demo: Demo) -> Checkouts:
    """Read the topic of the demo's checkouts."""
    records = asyncio.run(read_topic(demo.stack.exports["CAGNOTTE_KAFKA"], CHECKOUTS))
    return Checkouts(
        events_of(records, events_pb2.CheckoutSettled),
        events_of(records, events_pb2.CheckoutRefunded),
        events_of(records, events_pb2.TopUpSettled),
    )


class TestDemoFiguresWithoutPhones:
    def test_equal_the_recomputation(self, demo_without_phones: Report) -> None:
        """Input, sales, VAT by rate, points and kitty are those of plain SQL over the Parquet."""
        wanted = recompute(baskets=DEMO_BASKETS)
        report = demo_without_phones

        assert report["ok"]
        assert report["baskets"]["replayed"] == DEMO_BASKETS
        assert report["baskets"]["by_phone"] == 0
        assert report["input"] == {
            "sales_minor": wanted.sales_minor,
            "coupon_minor": wanted.coupon_minor,
            "coupon_excess_minor": wanted.coupon_excess_minor,
            "lines": wanted.lines,
        }
        assert report["ledger"]["sales_minor"] == wanted.sales_minor
        assert report["ledger"]["vat_minor"] == {
            "5.5": wanted.vat_550_minor,
            "10": wanted.vat_1000_minor,
            "20": wanted.vat_2000_minor,
        }
        assert report["points"] == {
            "issued": wanted.points_issued,
            "spent": 0,
            "expired": wanted.points_expired,
            "reversed": 0,
            "outstanding": wanted.points_issued - wanted.points_expired,
            "ledger_outstanding": wanted.points_issued - wanted.points_expired,
        }
        assert report["kitty"] == {
            "issued_minor": wanted.kitty_issued_minor,
            "spent_minor": 0,
            "expired_minor": wanted.kitty_expired_minor,
            "reversed_minor": 0,
            "outstanding_minor": wanted.kitty_issued_minor - wanted.kitty_expired_minor,
            "ledger_outstanding_minor": wanted.kitty_issued_minor - wanted.kitty_expired_minor,
        }
        assert report["provider"]["captured_minor"] == 0


class TestDemoFigures:
    def test_equal_the_recomputation(self, demo: Demo, checkouts: Checkouts) -> None:
        """Who paid what by phone is in the wallet's facts; all that follows from it is computed again."""
        wanted = recompute(baskets=DEMO_BASKETS, by_phone=checkouts.baskets)
        report = demo.report

        assert report["baskets"]["by_phone"] == wanted.by_phone == len(checkouts.settled)
        assert report["input"]["sales_minor"] == wanted.sales_minor
        assert report["ledger"]["sales_minor"] == wanted.sales_minor - wanted.returned_minor
        assert report["checkouts"]["refunded_minor"] == wanted.returned_minor
        assert report["ledger"]["vat_minor"] == {
            "5.5": wanted.vat_550_minor,
            "10": wanted.vat_1000_minor,
            "20": wanted.vat_2000_minor,
        }
        points, kitty = report["points"], report["kitty"]
        assert points["issued"] == wanted.points_issued
        assert kitty["issued_minor"] == wanted.kitty_issued_minor
        # What a returned ticket had earned may have been spent meanwhile: then less of it can be taken back.
        assert 0 < points["reversed"] <= wanted.points_returned
        assert 0 < kitty["reversed_minor"] <= wanted.kitty_returned_minor

    def test_follow_from_what_phones_paid(self, demo: Demo, checkouts: Checkouts) -> None:
        """Cards, prepaid balances, kitty and points: what was paid less what came back."""
        report = demo.report
        card, prepaid = points_pb2.TENDER_KIND_CARD, points_pb2.TENDER_KIND_PREPAID
        top_ups = sum(event.amount_minor for event in checkouts.top_ups)

        assert report["ledger"]["card_captured_minor"] == checkouts.paid(card) + top_ups
        assert report["provider"]["captured_minor"] == report["ledger"]["card_captured_minor"]
        assert report["prepaid"]["outstanding_minor"] == top_ups - (
            checkouts.paid(prepaid) - checkouts.returned(prepaid)
        )
        for name, kind in (
            ("points", points_pb2.TENDER_KIND_POINTS),
            ("kitty", points_pb2.TENDER_KIND_KITTY),
        ):
            figures = {key.removesuffix("_minor"): value for key, value in report[name].items()}
            assert figures["spent"] == checkouts.paid(kind) - checkouts.returned(kind)
            assert figures["outstanding"] == figures["ledger_outstanding"]
            assert figures["outstanding"] == (
                figures["issued"] - figures["reversed"] - figures["spent"] - figures["expired"]
            )

    def test_tell_how_the_checkouts_ended(self, demo: Demo, checkouts: Checkouts) -> None:
        """Some cards were declined, some shoppers came back with everything, and nothing is left open."""
        ends = demo.report["checkouts"]

        assert ends["settled"] == len(checkouts.settled)
        assert ends["refunded"] == len(checkouts.refunded) > 0
        assert ends["declined"] > 0
        assert ends["cancelled"] > 0
        assert ends["unknown_resolved"] > 0
        assert ends["unknown_open"] == 0

    def test_hold_for_the_share_of_phones(self, demo: Demo) -> None:
        """Three baskets in ten are paid by phone."""
        by_phone = demo.report["baskets"]["by_phone"]

        assert 0.25 * DEMO_BASKETS < by_phone < 0.35 * DEMO_BASKETS

    def test_hold_for_tickets_that_came_late(self, demo: Demo) -> None:
        """About one ticket in five was uploaded days later, twice and shuffled."""
        offline = demo.report["baskets"]["offline"]

        assert 0.1 * DEMO_BASKETS < offline < 0.3 * DEMO_BASKETS

    def test_are_proven(self, demo: Demo) -> None:
        """The audit of the databases found nothing, and every comparison of the report holds."""
        assert demo.report["verify"] == {"ok": True}
        assert demo.report["ok"]
        assert demo.report["ledger"]["transactions"] > DEMO_BASKETS
        assert demo.report["tickets_per_second"] > 0

    def test_stay_when_all_is_sent_again(self, demo: Demo) -> None:
        """A second replay sends every basket once more, and not one figure moves."""
        again = demo.replay()

        assert again["ok"]
        for part in ("baskets", "input", "points", "kitty", "checkouts", "provider", "prepaid"):
            assert again[part] == demo.report[part]
        assert again["ledger"]["sales_minor"] >= demo.report["ledger"]["sales_minor"]

    def test_are_safe_from_a_replay_with_another_share_of_phones(self, demo: Demo) -> None:
        """A basket that was paid at the till is never paid by phone as well: the replay stops and says why."""
        said = demo.refused_replay("--phones=60")

        assert "was paid at the till before" in said
        assert "--phones" in said
