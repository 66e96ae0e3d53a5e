"""The printing of days: what is sent at once, what is queued, and that others run meanwhile."""

import asyncio
from datetime import date, timedelta

from services.simulator.day_printing import DayPrinter
from services.simulator.habits import PhonePlan
from services.simulator.offline import OutagePlan
from services.simulator.tills import OfflineQueues
from tests.unit.simulator.made_baskets import NOON, basket

FIRST_DAY = NOON.date()


def printer(*, offline_percent: int, days: int = 2, baskets: int = 20) -> DayPrinter:
    """Make a printer of so many baskets on each of so many days."""
    sold = [
        basket(day * baskets + number, sold=NOON + timedelta(days=day, minutes=number))
        for day in range(days)
        for number in range(baskets)
    ]
    return DayPrinter(
        sold,
        plan=OutagePlan(seed=1, percent=offline_percent),
        phone_plan=PhonePlan(seed=1, percent=0, offline_percent=offline_percent),
        queues=OfflineQueues(),
    )


class TestPrintNext:
    async def test_gives_the_days_in_their_order_and_then_none(self) -> None:
        """Each day has its own tickets and no others."""
        prints = printer(offline_percent=0)

        first, second, after = [await prints.print_next() for _ in range(3)]

        assert first is not None
        assert second is not None
        assert (first.day, second.day) == (FIRST_DAY, FIRST_DAY + timedelta(days=1))
        assert len(first.online) == len(second.online) == 20
        dates = {ticket.request.ticket.key.business_date for ticket in second.online}
        assert dates == {second.day.isoformat()}
        assert after is None

    async def test_queues_the_tickets_of_tills_without_a_network(self) -> None:
        """They are not among those to send, and come with the day on which they can be uploaded."""
        queues = OfflineQueues()
        prints = DayPrinter(
            [basket(number, sold=NOON + timedelta(minutes=number)) for number in range(20)],
            plan=OutagePlan(seed=1, percent=100),
            phone_plan=PhonePlan(seed=1, percent=0, offline_percent=20),
            queues=queues,
        )

        printed = await prints.print_next()

        assert printed is not None
        assert printed.online == []
        assert queues.take_due(FIRST_DAY) == []
        assert len(queues.take_due(date.max)) == 20

    async def test_gives_way_while_it_prints(self) -> None:
        """What waits for its turn does not wait for a whole day's tickets."""
        prints = printer(offline_percent=0, baskets=100)
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        await prints.print_next()
        counting.cancel()

        assert turns >= 20
