"""Programmes as data: versions of rules, their selectors, and when value ends."""

import calendar
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Final, TypeAlias, assert_never
from uuid import UUID

from services.common.kernel.clock import (
    business_date,
    first_instant_of_month,
    start_of_business_day,
)
from services.common.kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.domain.ticket import Channel, Line

RULES_MAX: Final = 200
"""Rules that may apply to one ticket: each can make a lot, whose id derives from one event."""

_ONE_DAY: Final = timedelta(days=1)


class ProgrammeNotFound(NotFound):
    """No such programme, version, or none in force."""

    reason = "PROGRAMME_NOT_FOUND"


class ProgrammeImmutable(FailedPrecondition):
    """The version is published with other content."""

    reason = "PROGRAMME_IMMUTABLE"


class ProgrammeOutOfOrder(FailedPrecondition):
    """The version does not follow the last published one."""

    reason = "PROGRAMME_OUT_OF_ORDER"


class ProgrammeInvalid(InvalidArgument):
    """The rules of a version contradict each other."""

    reason = "PROGRAMME_INVALID"


@dataclass(frozen=True, slots=True)
class PointsPerEuro:
    """Points for each whole euro of the ticket's base, floored once per ticket."""

    points: int


@dataclass(frozen=True, slots=True)
class KittyPercent:
    """A share of the base in kitty cents, rounded half up once per ticket."""

    percent_bp: int


Earning: TypeAlias = PointsPerEuro | KittyPercent


@dataclass(frozen=True, slots=True)
class RollingMonthEnd:
    """Usable until the end of the Nth month after the month of earning."""

    months: int


@dataclass(frozen=True, slots=True)
class CohortYear:
    """Value of year N is usable until this day of N + 1; a day too many means the last."""

    month: int
    day: int


ExpiryPolicy: TypeAlias = RollingMonthEnd | CohortYear


@dataclass(frozen=True, slots=True)
class Selector:
    """The lines that count; an empty set means all."""

    departments: frozenset[str]
    brands: frozenset[str]
    channels: frozenset[Channel]

    def select(self, lines: Iterable[Line], channel: Channel) -> list[Line]:
        """Give the lines that count, in their order."""
        if self.channels and channel not in self.channels:
            return []
        if not self.departments and not self.brands:
            return list(lines)
        return [
            line
            for line in lines
            if (not self.departments or line.department in self.departments)
            and (not self.brands or line.brand in self.brands)
        ]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is earned, on which lines, and until when it is usable."""

    rule_id: str
    priority: int
    selector: Selector
    earning: Earning
    expiry: ExpiryPolicy

    @property
    def currency(self) -> LoyaltyCurrency:
        """Give the currency that the rule earns."""
        match self.earning:
            case PointsPerEuro():
                return LoyaltyCurrency.POINTS
            case KittyPercent():
                return LoyaltyCurrency.KITTY
            case _:
                assert_never(self.earning)


@dataclass(frozen=True, slots=True)
class Programme:
    """One published version; its rules stand in the order in which they apply."""

    programme_id: str
    version: int
    effective_from: datetime
    rules: tuple[Rule, ...]


def order_rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Give rules in the order of evaluation: by priority, then id, never by time of edit."""
    return tuple(sorted(rules, key=lambda rule: (rule.priority, rule.rule_id)))


def programme_subject(programme_id: str, version: int) -> UUID:
    """Derive the id under which the journal keeps the fact of a published version."""
    digest = sha256(f"programme|{programme_id}|{version}".encode()).digest()
    return UUID(bytes=digest[:16])


def in_force(programmes: Sequence[Programme], *, at: datetime) -> list[Programme]:
    """Give the version of every programme that is in force at an instant, by programme id."""
    latest: dict[str, Programme] = {}
    for programme in programmes:
        if programme.effective_from <= at:
            known = latest.get(programme.programme_id)
            if known is None or known.version < programme.version:
                latest[programme.programme_id] = programme
    return [latest[programme_id] for programme_id in sorted(latest)]


def check_publishable(
    programme: Programme, published: Collection[Programme], *, now: datetime
) -> None:
    """Check that a version follows what is published.

    Versions count from 1 without a gap and their times ascend. Only the first may begin in
    the past: a later one would change what tickets have already been told.

    Raises:
        ProgrammeInvalid: a rule id is used twice, or more rules could apply than may.
        ProgrammeOutOfOrder: the number or the time does not follow.
    """
    if len({rule.rule_id for rule in programme.rules}) != len(programme.rules):
        raise ProgrammeInvalid(
            "A rule id is used twice.",
            violations=[("programme.rules", "a rule id is used twice")],
            programme_id=programme.programme_id,
        )
    _check_rule_count(programme, published)
    last = max(
        (known for known in published if known.programme_id == programme.programme_id),
        key=lambda known: known.version,
        default=None,
    )
    expected = last.version + 1 if last else 1
    if programme.version != expected:
        raise ProgrammeOutOfOrder(
            "Versions count from 1 without a gap.",
            programme_id=programme.programme_id,
            expected_version=expected,
        )
    if last and programme.effective_from <= max(last.effective_from, now):
        raise ProgrammeOutOfOrder(
            "A later version begins in the future, after the one before it.",
            programme_id=programme.programme_id,
            expected_version=expected,
        )


def expire_time(policy: ExpiryPolicy, *, earned_at: datetime) -> datetime:
    """Give the first instant at which value earned at an instant is no longer usable."""
    return _expire_time(policy, business_date(earned_at))


@lru_cache(maxsize=4096)
def _expire_time(policy: ExpiryPolicy, day: date) -> datetime:
    match policy:
        case RollingMonthEnd(months):
            return first_instant_of_month(day, months_later=months + 1)
        case CohortYear(month, month_day):
            year = day.year + 1
            last = min(month_day, calendar.monthrange(year, month)[1])
            return start_of_business_day(date(year, month, last) + _ONE_DAY)
        case _:
            assert_never(policy)


def _check_rule_count(programme: Programme, published: Collection[Programme]) -> None:
    most: dict[str, int] = {}
    for known in (*published, programme):
        most[known.programme_id] = max(most.get(known.programme_id, 0), len(known.rules))
    if sum(most.values()) > RULES_MAX:
        raise ProgrammeInvalid(
            "More rules could apply to one ticket than may.",
            violations=[("programme.rules", f"would make more than {RULES_MAX} in all")],
            programme_id=programme.programme_id,
        )
