"""Filling the points by their own engine: members with a card each, and tickets of some of them."""

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from deploy.local.programme import DEMO_PROGRAMME
from deploy.programmes import load_publish_request, read_programme
from services.bench.baskets import TicketMaker
from services.bench.errors import BenchError
from services.bench.size.fill_ledger import Progress, filling
from services.bench.size.history import History
from services.bench.size.plan import Size
from services.common.kernel.clock import business_date
from services.common.kernel.errors import DomainError
from services.common.runtime.database import Database, open_database
from services.points.codec.programme import parse_publish
from services.points.codec.ticket import parse_record_ticket
from services.points.config import Settings
from services.points.domain.command import EnrolMember, RecordTicket
from services.points.domain.decide import Answer
from services.points.usecases.commit_batch import CommitBatch

_MEMBERS: Final = 4_000
_TICKETS: Final = 1_000
_TILL: Final = "past"
_LAST_RECORDED: Final = "SELECT max(recorded_time) FROM block WHERE shard_id = 0"


def card_of(number: int) -> str:
    """Name the card of a member by number."""
    return f"CS{number:09d}"


async def fill_points(
    dsn: str, size: Size, *, span: tuple[datetime, datetime], progress: Progress
) -> None:
    """Enroll members, then record tickets for members at random, until there are as many as there should be."""
    begin, end = span
    async with open_database(filling(dsn)) as db:
        async with db.connection() as conn:
            members: int = await conn.fetchval("SELECT count(*) FROM member")
            tickets: int = await conn.fetchval(
                "SELECT count(*) FROM ticket WHERE till_id = $1", _TILL
            )
            latest = await conn.fetchval(_LAST_RECORDED)
        history = History(
            begin=begin,
            end=end,
            total=size.members + size.tickets,
            done=members + tickets,
            not_before=latest,
        )
        await _publish_programme(db, history)
        await _enrol(db, history, members, size.members, progress=progress)
        await _record(db, history, tickets, size, progress=progress)


async def _publish_programme(db: Database, history: History) -> None:
    """Publish what the stack publishes when it starts, before the first ticket; again changes nothing."""
    programme = load_publish_request(read_programme(DEMO_PROGRAMME)).programme
    command = parse_publish(programme, event_id=history.new_id(), trace_parent="")
    _accept(await _engine(db, history)([command]))


async def _enrol(
    db: Database, history: History, done: int, wanted: int, *, progress: Progress
) -> None:
    commit = _engine(db, history)
    while done < wanted:
        progress("members", done, wanted)
        commands = []
        for number in range(done, min(done + _MEMBERS, wanted)):
            history.move()
            commands.append(
                EnrolMember(
                    event_id=history.new_id(),
                    trace_parent="",
                    member_id=history.new_id(),
                    customer_id=history.new_id(),
                    card_numbers=(card_of(number),),
                )
            )
        _accept(await commit(commands))
        done += len(commands)


async def _record(
    db: Database, history: History, done: int, size: Size, *, progress: Progress
) -> None:
    commit = _engine(db, history)
    maker = PastTickets(history, members=size.members, made=done)
    while done < size.tickets:
        progress("tickets", done, size.tickets)
        commands = [maker.ticket() for _ in range(min(_TICKETS, size.tickets - done))]
        _accept(await commit(commands))
        done += len(commands)


class PastTickets:
    """Makes the baskets of the benchmark as tickets of members at random, in the course of a history."""

    def __init__(self, history: History, *, members: int, made: int) -> None:
        """Take the history, and how many tickets were made before."""
        self._history = history
        self._members = members
        self._made = made
        self._maker = TicketMaker()
        self._random = random.Random(made)  # noqa: S311 -- any member will do

    def ticket(self) -> RecordTicket:
        """Make the next ticket."""
        now = self._history.move()
        self._made += 1
        request = self._maker.ticket()
        request.request_id = str(self._history.new_id())
        ticket = request.ticket
        ticket.key.till_id = _TILL
        ticket.key.sequence = self._made
        ticket.key.business_date = business_date(now).isoformat()
        ticket.occur_time.FromDatetime(now)
        ticket.card_number = card_of(self._random.randrange(self._members))
        return parse_record_ticket(request, event_id=self._history.new_id(), trace_parent="")


def _engine(db: Database, history: History) -> CommitBatch:
    def ignore() -> None:
        """Wake no relay: there is none."""

    fields = Settings.model_fields
    limits = Settings.model_construct(
        **{
            name: fields[name].default
            for name in ("ticket_age_days_max", "ticket_future_seconds_max")
        }
    ).ticket_limits()
    return CommitBatch(db, history, limits=limits, shard_id=0, on_commit=ignore)


def _accept(answers: Sequence[Answer]) -> None:
    for answer in answers:
        if isinstance(answer, DomainError):
            message = f"The points refused what they were to be filled with: {answer}"
            raise BenchError(message) from answer
