"""Members with all that they have left, as a hold and a balance read them."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.database import Database
from services.points.domain.command import HoldValue
from services.points.domain.holding import HoldOutcome
from services.points.domain.state import Rows
from services.points.store.holders import MemberName, find_holder, load_holders
from services.points.store.save import RowsMissing
from tests.integration.points.conftest import START, Points
from tests.integration.points.test_commit_batch import CARD, MEMBER, OTHER, rows_of, run, story

CUSTOMER, OTHER_CUSTOMER, NOBODY, UNKNOWN = (UUID(int=number) for number in range(41, 45))
HOLDS = [UUID(int=500 + number) for number in range(3)]
HOUR = START + timedelta(hours=1)


def hold(hold_id: UUID, customer_id: UUID, *, quantity: int) -> HoldValue:
    """Give the command that holds points of a customer."""
    return HoldValue(
        UUID(int=hold_id.int + 900),
        "",
        hold_id,
        None,
        customer_id,
        LoyaltyCurrency.POINTS,
        quantity,
        HOUR,
    )


async def balances(db: Database) -> dict[tuple[UUID, int], tuple[int, int]]:
    """Read what the table of balances says."""
    rows = (await rows_of(db))["member_balance"]
    return {
        (member_id, currency): (available, held) for member_id, currency, available, held in rows
    }


class TestLoadHolders:
    async def test_gives_a_member_once_however_it_is_named(self, points: Points) -> None:
        """By its id and as its customer: one member, each lot once, and balances as the table has them."""
        await run(points, story())
        rows = Rows()

        async with points.db.connection() as conn:
            known = await load_holders(
                conn,
                rows,
                [MEMBER, NOBODY],
                customer_ids=[CUSTOMER, OTHER_CUSTOMER, NOBODY],
                hold_ids=[HOLDS[0], NOBODY],
                shard_id=0,
            )

        assert set(rows.members) == {MEMBER, OTHER}
        assert rows.customers == {CUSTOMER: MEMBER, OTHER_CUSTOMER: OTHER}
        assert list(known) == [HOLDS[0]]
        assert {key: (row.available, row.held) for key, row in rows.balances.items()} == (
            await balances(points.db)
        )

    async def test_tells_of_holds_where_nobody_is_found(self, points: Points) -> None:
        """A hold is known whoever asks for it, so that its id is not taken twice."""
        await run(points, story())
        rows = Rows()

        async with points.db.connection() as conn:
            known = await load_holders(
                conn, rows, [], customer_ids=[NOBODY], hold_ids=HOLDS, shard_id=0
            )

        assert sorted(known) == HOLDS
        assert not rows.members

    @pytest.mark.parametrize("hold_id", [HOLDS[0], NOBODY])
    @pytest.mark.parametrize("named", [((MEMBER,), ()), ((), (CUSTOMER,)), ((), (NOBODY,))])
    async def test_tells_the_same_of_one_as_of_many(
        self, points: Points, named: tuple[tuple[UUID, ...], tuple[UUID, ...]], hold_id: UUID
    ) -> None:
        """A lone member and its lone hold are read by a statement of their own."""
        await run(points, story())
        members, customers = named
        one, many = Rows(), Rows()

        async with points.db.connection() as conn:
            known = await load_holders(
                conn, one, members, customer_ids=customers, hold_ids=[hold_id], shard_id=0
            )
            known_of_many = await load_holders(
                conn,
                many,
                [*members, UNKNOWN],
                customer_ids=customers,
                hold_ids=[hold_id, UNKNOWN],
                shard_id=0,
            )

        assert known == known_of_many
        assert one == many


class TestFindHolder:
    async def test_finds_a_member_by_each_of_its_names(self, points: Points) -> None:
        """Its id, its customer or a card lead to the same lots; an unknown name to nobody."""
        await run(points, story())
        names = [
            MemberName(MEMBER, None, None),
            MemberName(None, CUSTOMER, None),
            MemberName(None, None, CARD),
        ]

        async with points.db.connection() as conn:
            found = [await find_holder(conn, name, shard_id=0) for name in names]
            nobody = await find_holder(conn, MemberName(None, NOBODY, None), shard_id=0)

        first = found[0]
        assert first is not None
        assert first.member.member_id == MEMBER
        assert first.lots
        assert found == [first] * 3
        assert nobody is None

    async def test_finds_a_member_that_has_nothing(self, points: Points) -> None:
        """Who was just enrolled is there, without a lot."""
        await run(points, story()[:2])

        async with points.db.connection() as conn:
            found = await find_holder(conn, MemberName(MEMBER, None, None), shard_id=0)

        assert found is not None
        assert found.lots == []


class TestHold:
    async def test_of_each_of_several_customers_in_one_batch(self, points: Points) -> None:
        """Holds of two customers, one of them repeated, are decided together and each once."""
        await run(points, story())
        first, second = [
            hold(UUID(int=700 + n), (CUSTOMER, OTHER_CUSTOMER)[n], quantity=3) for n in range(2)
        ]
        before = await balances(points.db)

        answers = await run(points, [first, second, first])
        (again,) = await run(points, [second])

        after = await balances(points.db)
        assert [
            isinstance(answer, HoldOutcome) and answer.replayed for answer in (*answers, again)
        ] == [
            False,
            False,
            True,
            True,
        ]
        for member_id in (MEMBER, OTHER):
            key = (member_id, LoyaltyCurrency.POINTS)
            assert after[key] == (before[key][0] - 3, before[key][1] + 3)

    async def test_of_a_lot_that_is_not_there_writes_nothing(self, points: Points) -> None:
        """A lot that vanishes behind the writer's back fails the hold, and no hold is there."""
        await run(points, story())
        wanted = hold(UUID(int=604), CUSTOMER, quantity=3)
        async with points.database.open_as_owner() as owner:
            await owner.execute(
                "CREATE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql "
                "AS 'BEGIN RETURN NULL; END'; "
                "CREATE TRIGGER vanish BEFORE UPDATE ON lot "
                "FOR EACH ROW EXECUTE FUNCTION vanish()"
            )
            before = await rows_of(points.db)

            with pytest.raises((asyncpg.InvalidTextRepresentationError, RowsMissing)):
                await run(points, [wanted])

            assert await rows_of(points.db) == before
            await owner.execute("DROP TRIGGER vanish ON lot")
        (answer,) = await run(points, [wanted])
        assert isinstance(answer, HoldOutcome)
