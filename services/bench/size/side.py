"""One of the two stacks under measurement: the same work for it as for the other, and what it cost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import asyncpg

from cagnotte.ledger.v1 import ledger_pb2
from cagnotte.ledger.v1 import ledger_service_pb2 as ledger_pb
from cagnotte.points.v1 import points_pb2
from cagnotte.points.v1 import points_service_pb2 as points_pb
from services.bench.calls import Send, open_caller
from services.bench.cpu import CLIENT, CpuMeter
from services.bench.errors import BenchError
from services.bench.figures import Figures
from services.bench.settling import Settling, open_settling
from services.bench.size.plan import Size
from services.bench.stack import BenchStack

_POST: Final = "/cagnotte.ledger.v1.LedgerService/BatchPostTransactions"
_RECORD: Final = "/cagnotte.points.v1.PointsService/RecordTickets"
_PARTS: Final = ("points", "ledger", "postgres", "kafka")
_CALLERS: Final = 3
_ROWS: Final = "SELECT accounts + transactions + refusals + postings FROM journal_total"
_MEMBERS: Final = "SELECT count(*) FROM member"
_FULL_PAGES: Final = "SELECT wal_fpi FROM pg_stat_wal"
_STATUSES: Final = frozenset(
    {
        (ledger_pb.BatchPostTransactionsResponse, ledger_pb2.OUTCOME_STATUS_ACCEPTED),
        (points_pb.RecordTicketsResponse, points_pb2.TICKET_STATUS_RECORDED),
    }
)


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of request, and what its cost is counted by."""

    unit: str
    """What a figure is per: ``posting`` or ``ticket``."""
    service: str
    settles: tuple[str, ...]
    """Whose journals must be published before the work is over."""


TRANSFERS: Final = Work("posting", "ledger", ("ledger",))
TICKETS: Final = Work("ticket", "points", ("points", "ledger"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What work cost a side."""

    cpu_us: dict[str, float]
    """Microseconds a unit, by process."""
    rate: float
    """Units a second until the last answer."""
    full_pages: float
    """Images of pages that PostgreSQL wrote into its log, a unit."""

    def note(self, figures: Figures, work: Work, name: str) -> float:
        """Note it under a side's name; give the microseconds of all processes."""
        cost = sum(self.cpu_us.values())
        figures.note(
            {
                f"size.cpu_us_per_{work.unit}_{name}": cost,
                f"size.{work.unit}s_per_second_{name}": self.rate,
                f"size.full_pages_per_{work.unit}_{name}": self.full_pages,
            }
            | {f"cpu_us_per_{work.unit}_{name}/{part}": us for part, us in self.cpu_us.items()}
        )
        return cost


@dataclass(slots=True)
class Side:
    """A running stack of a size."""

    size: Size
    stack: BenchStack
    send: dict[str, Send]
    settling: Settling
    cpu: CpuMeter
    conns: dict[str, "asyncpg.Connection[asyncpg.Record]"]
    _seconds: float = 0.0
    _pages: int = 0

    async def rows(self) -> int:
        """Count the rows of the ledger's journal."""
        return int(await self.conns["ledger"].fetchval(_ROWS))

    async def members(self) -> int:
        """Count the members."""
        return int(await self.conns["points"].fetchval(_MEMBERS))

    async def be_quiet(self) -> None:
        """Bring the server to where its rounds begin: nothing to write out, and no vacuum in between.

        Vacuum and statistics follow the growth in percent: a small table has them more often, which would hide what
        a large one costs.
        """
        await self.stack.administer(
            "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()", "CHECKPOINT"
        )

    async def be_itself(self) -> None:
        """Take back what ``be_quiet`` changed."""
        await self.stack.administer("ALTER SYSTEM RESET autovacuum", "SELECT pg_reload_conf()")

    async def begin(self) -> None:
        """Begin to count what work costs here."""
        self._seconds = 0.0
        self._pages = await self._full_pages()
        self.cpu.start()

    async def do(self, work: Work, requests: Sequence[bytes]) -> None:
        """Have a share of the requests answered."""
        began = perf_counter()
        await send_all(self.send[work.service], requests)
        self._seconds += perf_counter() - began

    async def finish(self, work: Work, *, units: int) -> "Seen":
        """Wait until all that was caused is published, and give what it cost since ``begin``."""
        await self.settling.settle(*work.settles)
        used = self.cpu.per_unit(units)
        # The load generator is one for both sides, and does the same for each.
        used[CLIENT] /= 2
        pages = await self._full_pages() - self._pages
        return Seen(used, units / self._seconds, pages / units)

    async def _full_pages(self) -> int:
        return int(await self.conns["ledger"].fetchval(_FULL_PAGES))


async def send_all(send: Callable[[bytes], Awaitable[Any]], requests: Sequence[bytes]) -> None:
    """Send every request, a few at a time; raises BenchError when anything is refused."""
    waiting = iter(requests)

    async def work() -> None:
        for request in waiting:
            response = await send(request)
            if any((type(response), o.status) not in _STATUSES for o in response.outcomes):
                message = "A request of the benchmark was refused, wholly or in part."
                raise BenchError(message)

    async with asyncio.TaskGroup() as group:
        for _ in range(_CALLERS):
            group.create_task(work())


@asynccontextmanager
async def open_side(size: Size, stack: BenchStack) -> AsyncIterator[Side]:
    """Connect to a stack's services and databases, and disconnect at the end."""
    async with AsyncExitStack() as resources:
        info = stack.info
        ledger = await resources.enter_async_context(
            open_caller(info.addresses["ledger"], info.tokens["service"])
        )
        points = await resources.enter_async_context(
            open_caller(info.addresses["points"], info.tokens["till"])
        )
        conns = {}
        for service in ("ledger", "points"):
            conns[service] = await asyncpg.connect(info.database_urls[service])
            resources.push_async_callback(conns[service].close)
        yield Side(
            size=size,
            stack=stack,
            send={
                "ledger": ledger.method(_POST, ledger_pb.BatchPostTransactionsResponse.FromString),
                "points": points.method(_RECORD, points_pb.RecordTicketsResponse.FromString),
            },
            settling=await resources.enter_async_context(open_settling(stack)),
            cpu=CpuMeter({part: stack.pids[part] for part in _PARTS}),
            conns=conns,
        )
