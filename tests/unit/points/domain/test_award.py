"""What tickets earn by the rules, and until when it is usable."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from services.common.kernel.clock import start_of_business_day
from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.domain.award import evaluate, quantity_of
from services.points.domain.programme import (
    CohortYear,
    KittyPercent,
    PointsPerEuro,
    Programme,
    ProgrammeInvalid,
    ProgrammeOutOfOrder,
    RollingMonthEnd,
    Rule,
    Selector,
    check_publishable,
    expire_time,
    in_force,
    order_rules,
)
from services.points.domain.ticket import Channel, Line, Ticket, TicketKey, TicketKind

NOW = datetime(2017, 1, 31, 22, 30, tzinfo=UTC)
ALL = Selector(frozenset(), frozenset(), frozenset())
PRIVATE = Selector(frozenset(), frozenset({"Private"}), frozenset())
POINTS = Rule("points", 10, ALL, PointsPerEuro(1), RollingMonthEnd(6))
KITTY = Rule("kitty", 20, PRIVATE, KittyPercent(500), CohortYear(3, 31))


def programme(version: int = 1, *rules: Rule, since: datetime = NOW) -> Programme:
    """Give a version."""
    return Programme("demo", version, since, rules or (POINTS, KITTY))


def ticket(*lines: tuple[str, int, int], channel: Channel = Channel.STORE) -> Ticket:
    """Give a ticket of lines as (brand, sales, coupon)."""
    return Ticket(
        key=TicketKey("0330", date(2017, 1, 31), "07", 1, TicketKind.SALE),
        occur_time=NOW,
        card_number=None,
        member_id=UUID(int=1),
        channel=channel,
        checkout_id=None,
        lines=tuple(
            Line(place, "GROCERY", brand, sales, coupon, 550, "")
            for place, (brand, sales, coupon) in enumerate(lines, 1)
        ),
        tenders=(),
        total_minor=sum(sales for _, sales, _ in lines),
    )


class TestQuantity:
    @pytest.mark.parametrize(("base", "points"), [(0, 0), (99, 0), (100, 1), (199, 1), (4_999, 49)])
    def test_of_points_is_floored_once(self, base: int, points: int) -> None:
        """One point for each whole euro."""
        assert quantity_of(PointsPerEuro(1), base) == points

    @pytest.mark.parametrize(("base", "cents"), [(0, 0), (9, 0), (10, 1), (29, 1), (30, 2)])
    def test_of_the_kitty_is_rounded_half_up(self, base: int, cents: int) -> None:
        """5 % of ten cents is half a cent, and so one."""
        assert quantity_of(KittyPercent(500), base) == cents


class TestEvaluate:
    def test_floors_the_ticket_and_not_its_lines(self) -> None:
        """Three lines of 99 cents are two euros; the shares sum to the two points."""
        points, _ = evaluate(ticket(("A", 99, 0), ("B", 99, 0), ("C", 99, 0)), programme())

        assert points.quantity == 2
        assert [share.quantity for share in points.shares] == [1, 1, 0]

    def test_counts_the_base_without_the_coupon_of_the_supplier(self) -> None:
        """What a supplier pays earns nothing."""
        points, kitty = evaluate(ticket(("Private", 1_000, 1), ("National", 500, 0)), programme())

        assert (points.base_minor, points.quantity) == (1_499, 14)
        assert (kitty.base_minor, kitty.quantity) == (999, 50)

    def test_tells_of_rules_that_gave_nothing(self) -> None:
        """A ticket without the brand has an award of 0, so that its reason can be told."""
        _, kitty = evaluate(ticket(("National", 500, 0)), programme())

        assert (kitty.base_minor, kitty.quantity, kitty.shares) == (0, 0, ())

    def test_heeds_the_channel(self) -> None:
        """A rule for the drive gives nothing in the store."""
        drive = Selector(frozenset(), frozenset(), frozenset({Channel.DRIVE}))
        rule = Rule("drive", 1, drive, PointsPerEuro(2), RollingMonthEnd(1))

        in_store = evaluate(ticket(("A", 500, 0)), programme(1, rule))
        at_drive = evaluate(ticket(("A", 500, 0), channel=Channel.DRIVE), programme(1, rule))

        assert [award.quantity for award in (*in_store, *at_drive)] == [0, 10]

    def test_orders_rules_by_priority_then_id(self) -> None:
        """Never by the order in which they were written."""
        rules = [
            Rule(rule_id, priority, ALL, PointsPerEuro(1), RollingMonthEnd(1))
            for rule_id, priority in (("b", 2), ("c", 1), ("a", 2))
        ]

        assert [rule.rule_id for rule in order_rules(rules)] == ["c", "a", "b"]

    def test_names_the_currency_of_each_rule(self) -> None:
        """Points and kitty never mix."""
        assert [rule.currency for rule in (POINTS, KITTY)] == list(LoyaltyCurrency)


class TestExpireTime:
    @pytest.mark.parametrize(
        ("earned_at", "first_day_after"),
        [
            (datetime(2017, 1, 1, tzinfo=UTC), date(2017, 8, 1)),
            # In Paris, this is already the first of February.
            (datetime(2017, 1, 31, 23, 30, tzinfo=UTC), date(2017, 9, 1)),
            (datetime(2017, 8, 31, 12, tzinfo=UTC), date(2018, 3, 1)),
        ],
    )
    def test_of_points_is_the_end_of_the_sixth_month(
        self, earned_at: datetime, first_day_after: date
    ) -> None:
        """The instant is exclusive: the start of the first day on which nothing is usable."""
        ends = expire_time(RollingMonthEnd(6), earned_at=earned_at)

        assert ends == start_of_business_day(first_day_after)

    @pytest.mark.parametrize(
        ("earned_at", "policy", "first_day_after"),
        [
            (datetime(2017, 12, 31, 22, 59, tzinfo=UTC), CohortYear(3, 31), date(2018, 4, 1)),
            (datetime(2017, 12, 31, 23, 0, tzinfo=UTC), CohortYear(3, 31), date(2019, 4, 1)),
            (datetime(2017, 6, 1, tzinfo=UTC), CohortYear(2, 29), date(2018, 3, 1)),
            (datetime(2019, 6, 1, tzinfo=UTC), CohortYear(2, 29), date(2020, 3, 1)),
        ],
    )
    def test_of_a_cohort_is_a_day_of_the_next_year(
        self, earned_at: datetime, policy: CohortYear, first_day_after: date
    ) -> None:
        """The year is that of Paris, and a day that the month lacks means its last."""
        assert expire_time(policy, earned_at=earned_at) == start_of_business_day(first_day_after)


class TestProgrammes:
    def test_are_in_force_by_the_time_of_the_ticket(self) -> None:
        """The last version that has begun counts, whatever has been published since."""
        later = datetime(2017, 6, 1, tzinfo=UTC)
        versions = [programme(1), programme(2, since=later)]

        assert in_force(versions, at=NOW) == [versions[0]]
        assert in_force(versions, at=later) == [versions[1]]
        assert in_force(versions, at=datetime(2016, 1, 1, tzinfo=UTC)) == []

    def test_are_published_without_a_gap(self) -> None:
        """The second version follows the first one."""
        with pytest.raises(ProgrammeOutOfOrder):
            check_publishable(programme(3), [programme(1)], now=NOW)

    def test_do_not_change_what_was_decided(self) -> None:
        """Only the first version may begin in the past."""
        check_publishable(programme(1, since=datetime(2000, 1, 1, tzinfo=UTC)), [], now=NOW)

        with pytest.raises(ProgrammeOutOfOrder):
            check_publishable(programme(2, since=NOW), [programme(1)], now=NOW)

    def test_name_a_rule_once(self) -> None:
        """Two rules of one id could not be told apart in a decision."""
        with pytest.raises(ProgrammeInvalid):
            check_publishable(programme(1, POINTS, POINTS), [], now=NOW)
