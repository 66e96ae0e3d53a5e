"""Programmes: messages to values and back. The canonical message is how a version is kept."""

from typing import assert_never
from uuid import UUID

from cagnotte.points.v1 import points_pb2 as pb
from services.points.codec.time import parse_time, render_time
from services.points.domain.command import PublishProgramme
from services.points.domain.programme import (
    CohortYear,
    Earning,
    ExpiryPolicy,
    KittyPercent,
    PointsPerEuro,
    Programme,
    RollingMonthEnd,
    Rule,
    Selector,
    order_rules,
)
from services.points.domain.ticket import Channel


def parse_publish(message: pb.Programme, *, event_id: UUID, trace_parent: str) -> PublishProgramme:
    """Give the command that publishes a valid version."""
    programme = parse_programme(message)
    return PublishProgramme(event_id, trace_parent, programme, keep_programme(programme))


def keep_programme(programme: Programme) -> bytes:
    """Give the bytes under which a version is kept; equal versions have equal bytes."""
    return render_programme(programme).SerializeToString(deterministic=True)


def parse_programme_content(content: bytes) -> Programme:
    """Give a version from how it is kept."""
    return parse_programme(pb.Programme.FromString(content))


def parse_programme(message: pb.Programme) -> Programme:
    """Give the version of a valid message, its rules in the order of evaluation."""
    return Programme(
        programme_id=message.programme_id,
        version=message.version,
        effective_from=parse_time(message.effective_from, "programme.effective_from"),
        rules=order_rules(_parse_rule(rule) for rule in message.rules),
    )


def render_programme(programme: Programme) -> pb.Programme:
    """Give the message of a version; everything without an order is sorted."""
    return pb.Programme(
        programme_id=programme.programme_id,
        version=programme.version,
        effective_from=render_time(programme.effective_from),
        rules=[_render_rule(rule) for rule in programme.rules],
    )


def _parse_rule(message: pb.Rule) -> Rule:
    selector = message.selector
    return Rule(
        rule_id=message.rule_id,
        priority=message.priority,
        selector=Selector(
            departments=frozenset(selector.departments),
            brands=frozenset(selector.brands),
            channels=frozenset(Channel(channel) for channel in selector.channels),
        ),
        earning=_parse_earning(message),
        expiry=_parse_expiry(message.expiry),
    )


def _parse_earning(message: pb.Rule) -> Earning:
    if message.WhichOneof("earning") == "points_per_euro":
        return PointsPerEuro(message.points_per_euro.points)
    return KittyPercent(message.kitty_percent.percent_bp)


def _parse_expiry(message: pb.ExpiryPolicy) -> ExpiryPolicy:
    if message.WhichOneof("policy") == "rolling_month_end":
        return RollingMonthEnd(message.rolling_month_end.months)
    return CohortYear(message.cohort_year.month, message.cohort_year.day)


def _render_rule(rule: Rule) -> pb.Rule:
    message = pb.Rule(
        rule_id=rule.rule_id,
        priority=rule.priority,
        selector=pb.Selector(
            departments=sorted(rule.selector.departments),
            brands=sorted(rule.selector.brands),
            channels=[pb.Channel.ValueType(channel) for channel in sorted(rule.selector.channels)],
        ),
        expiry=_render_expiry(rule.expiry),
    )
    match rule.earning:
        case PointsPerEuro(points):
            message.points_per_euro.points = points
        case KittyPercent(percent_bp):
            message.kitty_percent.percent_bp = percent_bp
        case _:
            assert_never(rule.earning)
    return message


def _render_expiry(policy: ExpiryPolicy) -> pb.ExpiryPolicy:
    match policy:
        case RollingMonthEnd(months):
            return pb.ExpiryPolicy(rolling_month_end=pb.RollingMonthEnd(months=months))
        case CohortYear(month, day):
            return pb.ExpiryPolicy(cohort_year=pb.CohortYear(month=month, day=day))
        case _:
            assert_never(policy)
