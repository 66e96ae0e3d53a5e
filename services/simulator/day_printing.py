"""The tickets of one business day after the other, printed while others are on their way.

Printing a day takes the replay's process about as long as a dozen answers take to come. So the next
day is printed a few tickets at a time between the answers to this one, and no core waits for it.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

from services.simulator.baskets import Basket
from services.simulator.figures import figures_of
from services.simulator.habits import PhonePlan
from services.simulator.offline import OutagePlan
from services.simulator.sales import sale_of
from services.simulator.tickets import TicketPrinter, till_number
from services.simulator.tills import OfflineQueues, Ticket

_SLICE: Final = 4
"""Tickets printed before whatever came meanwhile is looked at: half a millisecond."""


@dataclass(frozen=True, slots=True)
class PrintedDay:
    """A business day and the tickets of the tills that are on the network then."""

    day: date
    online: list[Ticket]


class DayPrinter:
    """Prints the baskets, which come in the order of time, day by day.

    Tickets of tills that are offline go into ``queues`` as they are printed.
    """

    def __init__(
        self,
        baskets: Iterable[Basket],
        *,
        plan: OutagePlan,
        phone_plan: PhonePlan,
        queues: OfflineQueues,
    ) -> None:
        self._days: Iterator[tuple[date, Iterator[Basket]]] = groupby(
            baskets, key=lambda basket: basket.business_date
        )
        self._plan = plan
        self._phone_plan = phone_plan
        self._queues = queues
        self._printer = TicketPrinter()

    async def print_next(self) -> PrintedDay | None:
        """Print the day that follows, giving way to whatever else runs; None after the last one."""
        day, baskets = next(self._days, (None, iter(())))
        if day is None:
            return None
        online: list[Ticket] = []
        for count, basket in enumerate(baskets, start=1):
            self._print(basket, online)
            if count % _SLICE == 0:
                await asyncio.sleep(0)
        return PrintedDay(day, online)

    def _print(self, basket: Basket, online: list[Ticket]) -> None:
        till = till_number(basket.basket_id)
        upload_date = self._plan.upload_date(
            store_id=basket.store_id, till_id=till, business_date=basket.business_date
        )
        figures, sale = figures_of(basket), None
        if upload_date is None:
            sale = sale_of(basket, figures, plan=self._phone_plan)
        checkout_id = None if sale is None else sale.checkout_id
        request = self._printer.print_ticket(basket, checkout_id=checkout_id)
        ticket = Ticket(basket.store_id, till, request, figures, sale)
        if upload_date is None:
            online.append(ticket)
        else:
            self._queues.put(ticket, upload_date=upload_date)
