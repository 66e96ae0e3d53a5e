"""What an experiment found, and when it has failed."""

from dataclasses import replace

import pytest
from rich.console import Console

from services.chaos.killing import Recovery
from services.chaos.report import ChaosReport
from services.simulator.books import Books, Loyalty, PointsTotals
from services.simulator.phone_books import NO_PHONES
from services.simulator.receipts import Audited
from services.simulator.report import Comparison, InputFigures, ReplayReport

NOTHING = Loyalty(issued=0, spent=0, expired=0, outstanding=0)
BOOKS = Books(
    sales_minor=100,
    vat_minor={550: 5},
    coupon_minor=0,
    transactions=1,
    postings=3,
    points=NOTHING,
    kitty=NOTHING,
)
REPLAY = ReplayReport(
    baskets_replayed=1,
    baskets_offline=0,
    input=InputFigures(1, 100, 0, 0),
    books=BOOKS,
    points=PointsTotals(points=NOTHING, kitty=NOTHING, tickets=1, booked_facts=0),
    comparisons=(Comparison("sales", 100, 100),),
    duration_seconds=2.0,
)
REPORT = ChaosReport(
    seed=1,
    rounds_asked=2,
    rounds_done=2,
    recoveries=(
        Recovery(1, "wallet", 1.0, 2.0),
        Recovery(2, "wallet", 5.0, 4.0),
        Recovery(2, "kafka", 5.0, 0.5),
    ),
    replay=REPLAY,
    receipts=(Audited(kind="tickets", acknowledged=1, found=1, in_service=1),),
    repeated=replace(REPLAY, comparisons=(Comparison("sales", 0, 0),)),
    verify_ok=True,
)


class TestChaosReport:
    def test_is_good_when_everything_is(self) -> None:
        """All rounds, equal books, nothing new in the repetition, and the proof."""
        assert REPORT.ok
        assert REPORT.nothing_lost

    @pytest.mark.parametrize(
        "bad",
        [
            replace(REPORT, rounds_done=1),
            replace(REPORT, verify_ok=False),
            replace(REPORT, receipts=(replace(REPORT.receipts[0], found=0),)),
            replace(REPORT, replay=replace(REPLAY, comparisons=(Comparison("sales", 2, 1),))),
            replace(REPORT, repeated=replace(REPLAY, books=replace(BOOKS, sales_minor=200))),
            replace(REPORT, repeated=replace(REPLAY, comparisons=(Comparison("sales", 2, 1),))),
        ],
        ids=["rounds", "verify", "a receipt", "replay", "something new", "repetition"],
    )
    def test_is_bad_when_anything_is(self, bad: ChaosReport) -> None:
        """A round that never was, a loss, a doubled sale or a failed proof: each alone is enough."""
        assert not bad.ok
        assert bad.to_json()["ok"] is False

    def test_lets_unpaid_checkouts_expire(self) -> None:
        """A checkout that nobody paid may expire between the two replays: time did it."""
        wallet = replace(NO_PHONES.wallet, expired=3)
        later = replace(REPLAY, phones=replace(NO_PHONES, wallet=wallet))

        assert replace(REPORT, repeated=later).ok

    def test_tells_what_died_and_for_how_long(self) -> None:
        """By part: how often, and how long it was away."""
        content = REPORT.to_json()

        assert content["rounds"] == {"asked": 2, "done": 2}
        assert content["killed"] == {"kafka": 1, "wallet": 2}
        assert content["recovery_seconds"] == {
            "kafka": {"median": 0.5, "max": 0.5},
            "wallet": {"median": 3.0, "max": 4.0},
        }
        assert content["receipts"] == {"tickets": {"acknowledged": 1, "found": 1, "in_service": 1}}
        assert content["repeated"] == {"ok": True, "nothing_new": True}

    def test_is_drawn_for_people(self) -> None:
        """The table has the verdict and each part."""
        console = Console(record=True, width=120)
        console.print(REPORT.table())

        text = console.export_text()
        assert "nothing lost, nothing twice" in text
        assert "wallet" in text
