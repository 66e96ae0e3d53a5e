"""The demo's report equals a separate computation over the raw files, to the cent and the point."""

from tests.acceptance.conftest import DEMO_BASKETS, Demo
from tests.acceptance.recomputation import recompute


class TestDemoFigures:
    def test_equal_the_recomputation(self, demo: Demo) -> None:
        """Input, sales, VAT by rate, points and kitty are those of plain SQL over the Parquet."""
        wanted = recompute(baskets=DEMO_BASKETS)
        report = demo.report

        assert report["baskets"]["replayed"] == DEMO_BASKETS
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
            "outstanding": wanted.points_outstanding,
            "ledger_outstanding": wanted.points_outstanding,
        }
        assert report["kitty"] == {
            "issued_minor": wanted.kitty_issued_minor,
            "spent_minor": 0,
            "expired_minor": wanted.kitty_expired_minor,
            "outstanding_minor": wanted.kitty_outstanding_minor,
            "ledger_outstanding_minor": wanted.kitty_outstanding_minor,
        }

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
        """A second replay sends every ticket once more, and not one figure moves."""
        again = demo.replay()

        assert again["ok"]
        for part in ("baskets", "input", "points", "kitty"):
            assert again[part] == demo.report[part]
        assert again["ledger"]["sales_minor"] >= demo.report["ledger"]["sales_minor"]
