"""The report: keys, comparisons and the verdict."""

from dataclasses import replace

from rich.console import Console

from services.simulator.books import Books, Loyalty, PointsTotals, Standing
from services.simulator.comparison import Seen, compare
from services.simulator.figures import figures_of
from services.simulator.outcomes import AnswerTally
from services.simulator.phone_books import NO_PHONES
from services.simulator.phone_tally import PhoneTally
from services.simulator.report import InputFigures, ReplayReport, percent_text
from tests.unit.simulator.made_baskets import basket

NOTHING = Loyalty(issued=0, spent=0, expired=0, outstanding=0)
SOME = Loyalty(issued=9, spent=0, expired=4, outstanding=5)


def standing(*, sales: int, vat: int, transactions: int, loyalty: Loyalty) -> Standing:
    """Make both services' figures agree with each other."""
    points = PointsTotals(points=loyalty, kitty=NOTHING, tickets=transactions, booked_facts=0)
    books = Books(
        sales_minor=sales,
        vat_minor={550: vat} if vat else {},
        coupon_minor=0,
        transactions=transactions,
        postings=3 * transactions,
        points=loyalty,
        kitty=NOTHING,
    )
    return Standing(points, books)


def seen_of_one() -> Seen:
    """Make what was seen of one basket of 1.00 EUR at 5.5 % that earned 9 points."""
    tally = AnswerTally(sold=1)
    tally.sent.add(figures_of(basket()))
    tally.fresh.add(figures_of(basket()))
    tally.issued[1] = 9
    return Seen(tally, PhoneTally())


BEFORE = standing(sales=0, vat=0, transactions=0, loyalty=NOTHING)
AFTER = standing(sales=100, vat=5, transactions=1, loyalty=SOME)


def report(after: Standing = AFTER) -> ReplayReport:
    """Make the report of one basket."""
    return ReplayReport(
        baskets_replayed=1,
        baskets_offline=0,
        input=InputFigures(1, 100, 0, 0),
        books=after.books,
        points=after.points,
        comparisons=compare(seen_of_one(), before=BEFORE, after=after),
        duration_seconds=2.0,
    )


class TestCompare:
    def test_agrees_when_all_figures_do(self) -> None:
        """A replay that was booked to the cent has no difference."""
        assert report().ok

    def test_counts_what_the_replay_added(self) -> None:
        """Books that held other sales before are compared by their growth."""
        before = standing(sales=700, vat=36, transactions=4, loyalty=NOTHING)
        after = standing(sales=800, vat=41, transactions=5, loyalty=SOME)

        assert all(item.ok for item in compare(seen_of_one(), before=before, after=after))

    def test_shows_one_missing_cent(self) -> None:
        """Nothing is too small to be a difference."""
        after = replace(AFTER, books=replace(AFTER.books, sales_minor=99))

        differing = [item for item in report(after).comparisons if not item.ok]

        assert [item.name for item in differing] == ["sales incl. VAT, cents"]
        assert not report(after).ok

    def test_shows_points_that_the_ledger_lacks(self) -> None:
        """The points service and the ledger are compared with each other, too."""
        after = replace(AFTER, books=replace(AFTER.books, points=replace(SOME, outstanding=6)))

        assert not report(after).ok

    def test_shows_a_card_that_only_the_provider_charged(self) -> None:
        """What phones paid is compared with provider, ledger and wallet, each by itself."""
        provider = replace(NO_PHONES.provider, captured_minor=100)
        after = replace(AFTER, phones=replace(NO_PHONES, provider=provider))

        differing = [item for item in report(after).comparisons if not item.ok]

        assert [item.name for item in differing] == ["cards at the provider, cents"]


class TestReplayReport:
    def test_has_the_documented_keys(self) -> None:
        """Scripts rely on these names."""
        content = report().with_verify(ok=True).to_json()

        assert content["baskets"] == {"replayed": 1, "offline": 0, "by_phone": 0}
        assert content["ledger"] == {
            "sales_minor": 100,
            "vat_minor": {"5.5": 5},
            "transactions": 1,
            "postings": 3,
            "card_captured_minor": 0,
        }
        assert content["checkouts"] == {
            "settled": 0,
            "declined": 0,
            "cancelled": 0,
            "expired": 0,
            "refunded": 0,
            "unknown_resolved": 0,
            "unknown_open": 0,
            "refunded_minor": 0,
        }
        assert content["provider"] == {"captured_minor": 0}
        assert content["prepaid"] == {"outstanding_minor": 0}
        assert content["points"] == {
            "issued": 9,
            "spent": 0,
            "expired": 4,
            "reversed": 0,
            "outstanding": 5,
            "ledger_outstanding": 5,
        }
        assert content["kitty"] == {
            "issued_minor": 0,
            "spent_minor": 0,
            "expired_minor": 0,
            "reversed_minor": 0,
            "outstanding_minor": 0,
            "ledger_outstanding_minor": 0,
        }
        assert content["tickets_per_second"] == 0.5
        assert content["verify"] == {"ok": True}

    def test_is_not_ok_when_the_audit_is_not(self) -> None:
        """Equal figures do not outweigh a broken journal."""
        assert not report().with_verify(ok=False).ok

    def test_draws_every_comparison(self) -> None:
        """What differs is on the screen."""
        console = Console(width=120, record=True, quiet=False, file=None, force_terminal=False)
        with console.capture() as captured:
            console.print(report().table())

        assert captured.get().count("equal") == len(report().comparisons)


class TestPercentText:
    def test_writes_rates_as_people_do(self) -> None:
        """No trailing zeros."""
        assert [percent_text(rate) for rate in (550, 1_000, 2_000, 210)] == [
            "5.5",
            "10",
            "20",
            "2.1",
        ]
