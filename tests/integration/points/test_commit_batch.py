"""Batches on a real database: what is written is what the facts say, however it was batched."""

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.common.kernel.errors import DomainError
from services.common.kernel.ids import new_uuid7
from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.config import CallerKind
from services.common.runtime.database import Database
from services.common.runtime.group_commit import BatchFailed
from services.common.runtime.identity import Caller
from services.common.runtime.journal import read_fact_bytes, verify_chain
from services.points.codec.journal import parse_event
from services.points.codec.programme import keep_programme
from services.points.domain.command import (
    Command,
    EnrolMember,
    ExpireValue,
    HoldValue,
    IdentifyMember,
    LinkCard,
    PublishProgramme,
    ReleaseHold,
    SpendHold,
)
from services.points.domain.decide import Answer
from services.points.domain.holding import SweepOutcome
from services.points.domain.recording import RecordOutcome
from services.points.domain.state import Rows, apply
from services.points.store.holders import MemberName
from services.points.store.save import RowsMissing
from services.points.usecases.expire_value import expire_value
from tests.integration.points.conftest import START, Points
from tests.properties.points.world import MEMBERS, PROGRAMME, event_id, record

MEMBER, OTHER = MEMBERS
CARD = "2990000001234"
OPERATOR = Caller(CallerKind.OPERATOR, "test")


def publish() -> PublishProgramme:
    """Give the command that publishes the programme."""
    return PublishProgramme(new_uuid7(), "", PROGRAMME, keep_programme(PROGRAMME))


def story() -> list[Command]:
    """Give commands of every kind, in an order in which each has something to do."""
    hold_ids = [UUID(int=500 + number) for number in range(3)]
    hour = START + timedelta(hours=1)
    return [
        publish(),
        EnrolMember(event_id(1), "", MEMBER, None, (CARD,)),
        EnrolMember(event_id(2), "", OTHER, UUID(int=42), ()),
        IdentifyMember(event_id(3), "", MEMBER, UUID(int=41)),
        LinkCard(event_id(4), "", OTHER, "2990000009999"),
        *(
            record(
                number,
                member_id=(MEMBER, OTHER, None)[number % 3],
                sales=(900 * number, 1_000),
                occur_time=START - timedelta(hours=number),
            )
            for number in range(10, 22)
        ),
        *(
            HoldValue(event_id(30 + place), "", hold, MEMBER, None, currency, 9, hour)
            for place, (hold, currency) in enumerate(zip(hold_ids, (1, 1, 2), strict=True))
            for currency in [LoyaltyCurrency(currency)]
        ),
        SpendHold(event_id(40), "", hold_ids[0], 4),
        ReleaseHold(event_id(41), "", hold_ids[1]),
    ]


async def rows_of(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Read every state table, without the times at which a clock of the test stood."""
    tables = {
        "member": "member_id, customer_id, enrolment_hash, card_count",
        "card": "card_number, member_id",
        "programme": "programme_id, version, effective_from, content",
        "ticket": "ticket_id, request_id, member_id, total_minor, content_hash, content",
        "lot": "member_id, lot_id, currency, earned, remaining, held, earn_time, expire_time",
        "loyalty_hold": "hold_id, member_id, currency, quantity, spent_quantity, state",
        "hold_lot": "hold_id, place, lot_id, quantity, expire_time",
        "member_balance": "member_id, currency, available, held",
    }
    async with db.connection() as conn:
        return {
            table: [
                tuple(row)
                for row in await conn.fetch(f"SELECT {columns} FROM {table} ORDER BY {columns}")
            ]
            for table, columns in tables.items()
        }


async def folded(db: Database) -> Rows:
    """Fold the journal again, from its bytes."""
    rows = Rows()
    async with db.connection() as conn:
        for fact in await conn.fetch("SELECT event_type, payload FROM fact ORDER BY seq"):
            apply(rows, parse_event(fact["event_type"], fact["payload"]))
    return rows


def hold_of(hold_id: UUID, *, quantity: int, expire_time: datetime) -> HoldValue:
    """Give the command that holds points of the member."""
    return HoldValue(
        new_uuid7(), "", hold_id, MEMBER, None, LoyaltyCurrency.POINTS, quantity, expire_time
    )


async def run(points: Points, commands: list[Command]) -> list[Answer]:
    """Send commands at once; they are decided in this order."""
    return await points.queue.submit_many(commands)


class TestCommitBatch:
    async def test_writes_what_the_facts_say(self, points: Points) -> None:
        """After a story with everything in it, every state table is the journal folded."""
        answers = await run(points, story())
        points.clock.move_to(START + timedelta(days=60))
        swept = await expire_value(points.queue)

        rows, written = await folded(points.db), await rows_of(points.db)

        assert not [answer for answer in answers if isinstance(answer, DomainError)]
        assert swept.expired_holds == 1
        assert swept.expired_lots > 0
        assert written["lot"] == sorted(
            (
                lot.member_id,
                lot.lot_id,
                lot.currency,
                lot.earned,
                lot.remaining,
                lot.held,
                lot.earn_time,
                lot.expire_time,
            )
            for lot in rows.lots.values()
        )
        assert written["member_balance"] == sorted(
            (*key, row.available, row.held) for key, row in rows.balances.items()
        )
        assert written["loyalty_hold"] == sorted(
            (
                hold.hold_id,
                hold.member_id,
                hold.currency,
                hold.quantity,
                hold.spent_quantity,
                hold.state,
            )
            for hold in rows.holds.values()
        )
        assert written["member"] == sorted(
            (
                member.member_id,
                member.customer_id,
                member.enrolment_hash,
                member.card_count,
            )
            for member in rows.members.values()
        )
        assert written["card"] == sorted(rows.cards.items())

    async def test_of_one_command_each_ends_as_one_of_all(
        self, points: Points, other_points: Points
    ) -> None:
        """One batch, or a batch for each command: the same rows."""
        await run(points, story())
        for command in story():
            await run(other_points, [command])

        assert await rows_of(points.db) == await rows_of(other_points.db)

    async def test_recognizes_what_earlier_batches_recorded(self, points: Points) -> None:
        """Sent again in later batches, everything is answered again and nothing is written."""
        first = await run(points, story())
        before = await rows_of(points.db)

        again = await run(points, story())

        assert await rows_of(points.db) == before
        tickets = [
            (a, b) for a, b in zip(first, again, strict=True) if isinstance(a, RecordOutcome)
        ]
        assert all(b == a._replace(replayed=True) for a, b in tickets)

    async def test_lets_many_callers_share_a_commit(self, points: Points) -> None:
        """Hundreds at once are a few blocks of the journal, without a gap."""
        await run(points, story()[:3])
        tickets = [
            record(number, member_id=MEMBER, sales=(100, 500), occur_time=START)
            for number in range(100, 400)
        ]

        await asyncio.gather(*(points.queue.submit(ticket) for ticket in tickets))

        async with points.db.connection() as conn:
            blocks = await conn.fetchval("SELECT count(*) FROM block")
            gap = await conn.fetchval("SELECT max(seq) - count(*) FROM fact")
        assert blocks < 10
        assert gap == 0

    async def test_finds_a_ticket_too_old_to_be_recorded_now(self, points: Points) -> None:
        """A key is known for ever: a repetition months later gets the first answer."""
        ticket = record(1, member_id=None, sales=(100,), occur_time=START)
        (first,) = await run(points, [ticket])
        points.clock.move_to(START + timedelta(days=200))

        (again,) = await run(points, [ticket])

        assert isinstance(first, RecordOutcome)
        assert again == first._replace(replayed=True)


class TestHead:
    async def test_of_processes_that_take_turns_is_one_journal(
        self, points: Points, neighbour: Points, other_points: Points
    ) -> None:
        """Each meets the other's facts where it believed the end to be, and writes behind them."""
        commands = story()
        for turn, command in enumerate(commands):
            await run((points, neighbour)[turn % 2], [command])
        await run(other_points, commands)

        assert await rows_of(points.db) == await rows_of(other_points.db)
        async with points.db.connection() as conn:
            chain = await verify_chain(conn, 0, read_fact_bytes)
        assert chain.ok
        assert chain.facts > len(commands)

    async def test_of_processes_that_write_at_once_is_one_journal(
        self, points: Points, neighbour: Points
    ) -> None:
        """Whoever comes second writes nothing at first, and the same behind the first one then."""
        await run(points, story()[:3])
        tickets = [
            record(number, member_id=MEMBER, sales=(100, 500), occur_time=START)
            for number in range(100, 160)
        ]

        both = [
            queue.submit(ticket) for ticket in tickets for queue in (points.queue, neighbour.queue)
        ]
        answers = await asyncio.gather(*both)

        recorded = [answer for answer in answers if isinstance(answer, RecordOutcome)]
        assert len(recorded) == 120
        assert sum(answer.replayed for answer in recorded) == 60
        async with points.db.connection() as conn:
            chain = await verify_chain(conn, 0, read_fact_bytes)
        rows = await folded(points.db)
        assert chain.ok
        assert len(rows.lots) == 120

    async def test_that_another_has_moved_is_seen_by_what_writes_nothing(
        self, points: Points, neighbour: Points
    ) -> None:
        """What is refused or known is judged by what the other process has committed."""
        ticket = record(1, member_id=MEMBER, sales=(900, 0), occur_time=START)
        hold_id, hour = UUID(int=601), START + timedelta(hours=1)
        hold = hold_of(hold_id, quantity=6, expire_time=hour)
        await run(points, story()[:3])
        await run(points, [ticket])
        await run(neighbour, [hold])

        (again,) = await run(points, [ticket])
        (refused,) = await run(points, [hold_of(UUID(int=602), quantity=6, expire_time=hour)])

        assert isinstance(again, RecordOutcome)
        assert again.replayed
        assert isinstance(refused, DomainError)
        assert refused.reason == "VALUE_INSUFFICIENT"

    async def test_is_found_again_after_a_batch_that_failed(self, points: Points) -> None:
        """A database that was away for a moment leaves nothing half written and nothing forgotten."""
        await run(points, story()[:3])
        first, second = [
            record(number, member_id=MEMBER, sales=(900, 0), occur_time=START) for number in (1, 2)
        ]
        await run(points, [first])
        async with points.db.connection() as conn:
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        with contextlib.suppress(BatchFailed):
            await run(points, [second])
        (answer,) = await run(points, [second])

        assert isinstance(answer, RecordOutcome)
        assert len((await rows_of(points.db))["ticket"]) == 2


class TestMismatch:
    @pytest.mark.parametrize("neighbours", [0, 20])
    async def test_of_what_is_to_be_changed_writes_nothing(
        self, points: Points, neighbours: int
    ) -> None:
        """A hold that vanishes behind the writer's back fails the batch before its commit, small or large."""
        await run(points, story()[:3])
        await run(points, [record(1, member_id=MEMBER, sales=(900, 0), occur_time=START)])
        hold_id = UUID(int=603)
        await run(points, [hold_of(hold_id, quantity=3, expire_time=START + timedelta(hours=1))])
        others = [
            record(100 + number, member_id=None, sales=(100,), occur_time=START)
            for number in range(neighbours)
        ]
        async with points.database.open_as_owner() as owner:
            await owner.execute(
                "CREATE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql "
                "AS 'BEGIN RETURN NULL; END'; "
                "CREATE TRIGGER vanish BEFORE UPDATE ON loyalty_hold "
                "FOR EACH ROW EXECUTE FUNCTION vanish()"
            )
            before = await rows_of(points.db)

            with pytest.raises((asyncpg.InvalidTextRepresentationError, RowsMissing)):
                await run(points, [SpendHold(new_uuid7(), "", hold_id, None), *others])

            assert await rows_of(points.db) == before
            await owner.execute("DROP TRIGGER vanish ON loyalty_hold")
        async with points.db.connection() as conn:
            assert (await verify_chain(conn, 0, read_fact_bytes)).ok
        (answer,) = await run(points, [SpendHold(new_uuid7(), "", hold_id, None)])
        assert not isinstance(answer, DomainError)


class TestSweep:
    async def test_leaves_nothing_behind(self, points: Points) -> None:
        """More lots than one command ends are ended all the same."""
        await run(points, story()[:3])
        await run(
            points,
            [
                record(number, member_id=MEMBER, sales=(300, 200), occur_time=START)
                for number in range(1_000, 1_700)
            ],
        )
        points.clock.move_to(START + timedelta(days=90))

        outcome = await expire_value(points.queue)
        _, positions = await points.reader.balances(
            MemberName(MEMBER, None, None), caller=OPERATOR, now=points.clock()
        )

        assert outcome.expired_lots == 1_400
        assert [(p.available, p.held) for p in positions] == [(0, 0), (0, 0)]

    async def test_in_one_batch_with_a_spend_keeps_them_apart(self, points: Points) -> None:
        """What is held when the sweep comes by can be spent right after it."""
        await run(points, story()[:3])
        await run(points, [record(1, member_id=MEMBER, sales=(900, 0), occur_time=START)])
        points.clock.move_to(START + timedelta(days=10))
        hold_id, later = UUID(int=600), START + timedelta(days=100)
        points_held = HoldValue(
            event_id(50), "", hold_id, MEMBER, None, LoyaltyCurrency.POINTS, 6, later
        )
        await run(points, [points_held])
        points.clock.move_to(START + timedelta(days=60))

        swept, spent = await run(
            points,
            [
                ExpireValue(new_uuid7(), "", 10),
                SpendHold(event_id(51), "", hold_id, None),
            ],
        )

        assert isinstance(swept, SweepOutcome)
        assert not isinstance(spent, DomainError)
        totals, _ = await points.reader.totals()
        points_total = totals.currencies[0]
        assert (points_total.issued, points_total.spent) == (6, 6)
