"""The places of a server, without a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.common.runtime.admission import PATIENCE_SECONDS, Room

PLACES = 2


class Guest:
    """A call: it enters or waits, and stays inside until it is let go."""

    def __init__(self, room: Room) -> None:
        """Come to the door."""
        self._go = asyncio.Event()
        self.admitted: bool | None = None
        self.task = asyncio.ensure_future(self._visit(room))

    async def _visit(self, room: Room) -> None:
        self.admitted = room.enter() or await room.wait()
        if self.admitted:
            await self._go.wait()

    async def leave(self) -> None:
        """End the call."""
        self._go.set()
        await self.task
        await settle()


async def settle() -> None:
    """Let everything happen that waits for no time to pass."""
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def full(room: Room) -> AsyncIterator[list[Guest]]:
    """Give those who are inside a room without a free place."""
    guests = [Guest(room) for _ in range(room.places)]
    await settle()
    yield guests
    for guest in guests:
        await guest.leave()


class TestRoom:
    async def test_gives_each_call_a_place_until_it_ends(self) -> None:
        """The last place is one, too, and it is free again afterwards."""
        room = Room(PLACES)

        async with full(room) as inside:
            assert all(guest.admitted for guest in inside)
            assert room.is_full

        assert room.taken == 0

    async def test_refuses_at_once_when_nobody_may_wait(self) -> None:
        """Streams, which stay for long, have nothing to wait for."""
        room = Room(PLACES)

        async with full(room):
            guest = Guest(room)
            await settle()

            assert guest.admitted is False

    async def test_lets_the_newest_in_first(self) -> None:
        """It has the most of its time left."""
        room = Room(PLACES, waiting_max=2, refusals_per_second=1)

        async with full(room) as inside:
            older, newer = Guest(room), Guest(room)
            await settle()
            await inside[0].leave()

            assert (older.admitted, newer.admitted) == (None, True)
            await newer.leave()
            assert older.admitted
            await older.leave()

        assert room.taken == 0

    async def test_refuses_the_oldest_in_the_end(self) -> None:
        """Nobody waits for ever at a door behind which everything stands still."""
        room = Room(PLACES, waiting_max=2, refusals_per_second=1)

        async with full(room):
            guests = [Guest(room) for _ in range(2)]
            await asyncio.wait([guest.task for guest in guests], return_when="FIRST_COMPLETED")
            assert guests[0].admitted is False
            await guests[1].task
            assert guests[1].admitted is False

        assert room.taken == 0

    async def test_refuses_no_more_than_its_share_at_a_time(self) -> None:
        """What refusals cost is bounded, however many wait; those beyond the waiting places are refused at once."""
        room = Room(PLACES, waiting_max=40, refusals_per_second=100)

        async with full(room):
            guests = [Guest(room) for _ in range(41)]
            await settle()
            assert [guest.admitted for guest in guests] == [None] * 40 + [False]
            await guests[0].task  # From now on all have waited long enough.
            waiting = room.waiting
            room.refuse_oldest()
            assert waiting - room.waiting == 100 * 0.05
            await asyncio.gather(*(guest.task for guest in guests))

    async def test_forgets_who_gave_up(self) -> None:
        """A caller who went away takes no place, not even when it was just called in."""
        room = Room(PLACES, waiting_max=3, refusals_per_second=1)

        async with full(room) as inside:
            waits, gone, late = Guest(room), Guest(room), Guest(room)
            await settle()
            gone.task.cancel()
            await settle()
            inside[0].task.add_done_callback(lambda _: late.task.cancel())
            await inside[0].leave()

            assert late.task.cancelled()
            assert waits.admitted
            await waits.leave()

        assert room.taken == 0

    def test_refuses_with_its_reason_and_size(self) -> None:
        """The caller hears how many calls may be under way."""
        refusal = Room(PLACES).refusal()

        assert refusal.reason == "QUEUE_FULL"
        assert refusal.metadata == {"calls_max": str(PLACES)}
        assert PATIENCE_SECONDS > 0
