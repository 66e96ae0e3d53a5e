"""A small world for the properties of the points service: two members, one till, three months."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

from services.common.kernel.clock import business_date
from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.codec.settlement import KEEP
from services.points.domain.batch import Batch, PublishedProgramme
from services.points.domain.command import (
    Command,
    EnrolMember,
    ExpireValue,
    HoldValue,
    RecordTicket,
    ReleaseHold,
    SpendHold,
)
from services.points.domain.decide import Answer, decide_all
from services.points.domain.programme import (
    KittyPercent,
    PointsPerEuro,
    Programme,
    RollingMonthEnd,
    Rule,
    Selector,
)
from services.points.domain.ticket import (
    Channel,
    Line,
    Tender,
    TenderKind,
    Ticket,
    TicketKey,
    TicketKind,
    TicketLimits,
)

START: Final = datetime(2017, 1, 10, 12, tzinfo=UTC)
LIMITS: Final = TicketLimits(timedelta(minutes=5), timedelta(days=30))
MEMBERS: Final = (UUID(int=1), UUID(int=2))
ALL: Final = Selector(frozenset(), frozenset(), frozenset())
PROGRAMME: Final = Programme(
    "demo",
    1,
    datetime(2016, 1, 1, tzinfo=UTC),
    (
        Rule("points", 10, ALL, PointsPerEuro(1), RollingMonthEnd(1)),
        Rule(
            "kitty",
            20,
            replace(ALL, brands=frozenset({"Private"})),
            KittyPercent(500),
            RollingMonthEnd(0),
        ),
    ),
)


def event_id(number: int) -> UUID:
    """Give the id of a command: far enough apart for what derives from it."""
    return UUID(int=number << 64)


def new_world() -> Batch:
    """Give a state with the programme published and the members enrolled."""
    world = Batch(programmes=[PublishedProgramme(PROGRAMME, b"")])
    enrolments: list[Command] = [
        EnrolMember(event_id(900 + place), "", member_id, None, ())
        for place, member_id in enumerate(MEMBERS)
    ]
    run(world, enrolments, now=START)
    return world


def run(world: Batch, commands: list[Command], *, now: datetime) -> list[Answer]:
    """Decide commands at one instant; a sweep finds what is due as the store would."""
    answers: list[Answer] = []
    for command in commands:
        load_due(world, now=now)
        answers += decide_all(world, [command], now=now, limits=LIMITS, keep=KEEP)
    return answers


def load_due(world: Batch, *, now: datetime) -> None:
    """Tell the batch what is due, in the order of the store's queries."""
    rows = world.rows
    world.due_holds = [
        hold.hold_id
        for hold in sorted(rows.holds.values(), key=lambda hold: hold.expire_time)
        if hold.state == 1 and hold.expire_time <= now
    ]
    world.due_lots = [
        lot.lot_id
        for lot in sorted(rows.lots.values(), key=lambda lot: lot.expire_time)
        if lot.available and lot.expire_time <= now
    ]


def record(
    number: int, *, member_id: UUID | None, sales: tuple[int, ...], occur_time: datetime
) -> RecordTicket:
    """Give the command that records a ticket, every second line of the private brand."""
    lines = tuple(
        Line(place, "GROCERY", "Private" if place % 2 else "National", amount, amount // 3, 550, "")
        for place, amount in enumerate(sales, 1)
    )
    ticket = Ticket(
        key=TicketKey("0330", business_date(occur_time), "01", number, TicketKind.SALE),
        occur_time=occur_time,
        card_number=None,
        member_id=member_id,
        channel=Channel.STORE,
        checkout_id=None,
        lines=lines,
        tenders=(Tender(TenderKind.CASH, sum(sales)),),
        total_minor=sum(sales),
    )
    content = repr(ticket).encode()
    return RecordTicket(
        event_id(number), "", UUID(int=number), ticket, content, sha256(content).digest()
    )


def tickets() -> st.SearchStrategy[list[RecordTicket]]:
    """Draw tickets with keys of their own, of members and of nobody."""
    one = st.tuples(
        st.sampled_from((*MEMBERS, None)),
        st.lists(st.integers(0, 5_000), max_size=5).map(tuple),
        st.integers(0, 29 * 24 * 60),
    )
    return st.lists(one, max_size=12).map(
        lambda drawn: [
            record(
                number,
                member_id=member_id,
                sales=sales,
                occur_time=START - timedelta(minutes=minutes),
            )
            for number, (member_id, sales, minutes) in enumerate(drawn, 1)
        ]
    )


def commands() -> st.SearchStrategy[list[tuple[timedelta, Command]]]:
    """Draw work of every kind, each step with the time that passes before it."""
    hold_ids = st.integers(1, 4).map(lambda number: UUID(int=500 + number))
    ids = st.integers(1_000, 10**6)
    step = st.one_of(
        st.builds(
            lambda number, member_id, sales, days: (number, member_id, sales, days),
            st.integers(1, 40),
            st.sampled_from(MEMBERS),
            st.lists(st.integers(0, 5_000), max_size=4).map(tuple),
            st.integers(0, 29),
        ),
        st.builds(
            HoldValue,
            ids.map(event_id),
            st.just(""),
            hold_ids,
            st.sampled_from(MEMBERS),
            st.none(),
            st.sampled_from(LoyaltyCurrency),
            st.integers(1, 60),
            st.integers(1, 90).map(lambda days: START + timedelta(days=days)),
        ),
        st.builds(
            SpendHold,
            ids.map(event_id),
            st.just(""),
            hold_ids,
            st.one_of(st.none(), st.integers(1, 60)),
        ),
        st.builds(ReleaseHold, ids.map(event_id), st.just(""), hold_ids),
        st.builds(ExpireValue, ids.map(event_id), st.just(""), st.just(30)),
    )
    waits = st.sampled_from((timedelta(0), timedelta(0), timedelta(hours=6), timedelta(days=12)))
    return st.lists(st.tuples(waits, step), max_size=25).map(_place_in_time)


def _place_in_time(
    drawn: Sequence[tuple[timedelta, Any]],
) -> list[tuple[timedelta, Command]]:
    """Turn drawn tickets into commands of the time at which they are sent."""
    placed: list[tuple[timedelta, Command]] = []
    now = START
    for wait, step in drawn:
        now += wait
        if isinstance(step, tuple):
            number, member_id, sales, days = step
            occur_time = now - timedelta(days=days)
            placed.append(
                (wait, record(number, member_id=member_id, sales=sales, occur_time=occur_time))
            )
        else:
            assert isinstance(step, HoldValue | SpendHold | ReleaseHold | ExpireValue)
            placed.append((wait, step))
    return placed
