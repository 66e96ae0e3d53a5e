"""``cagnotte bench tickets``: real baskets one by one, as offline queues, and the latency at half load."""

from contextlib import AsyncExitStack
from typing import Any, Final

from rich.console import Console

from cagnotte.points.v1 import points_pb2
from cagnotte.points.v1 import points_service_pb2 as pb
from deploy.local.ports import LOOPBACK, any_free_port
from services.bench.baskets import TicketMaker
from services.bench.calls import Caller, open_caller
from services.bench.cpu import CpuMeter
from services.bench.empty_server import run_empty_server
from services.bench.errors import BenchError
from services.bench.figures import BenchReport, Figures, Ratio
from services.bench.load import Throughput, closed_loop, open_loop, requests_within
from services.bench.pace import Pace
from services.bench.rounds import Workload, run_rounds
from services.bench.settling import Settling, open_settling
from services.bench.stack import BenchStack
from services.bench.transfers import Supply
from services.common.runtime.dev_keys import JWKS_FILE

_UNARY_CALLERS: Final = 64
_UPLOAD_CALLERS: Final = 3
_UNARY_MOST: Final = 1_200
_UPLOADS_MOST: Final = 6
_EMPTY_MOST: Final = 3_000
"""Requests a second for which a first round is prepared."""
_BUDGET_HALF_LOAD: Final = 300.0
"""Half of the rate that the budget asks for: what is gained in throughput makes half of it no harder here."""

_PATH: Final = "/cagnotte.points.v1.PointsService"
_PARTS: Final = ("points", "ledger", "postgres", "kafka")

UNARY: Final = "tickets.unary"
RATIOS: Final = (Ratio("unary / empty unary", UNARY, "limits.empty_unary"),)


class TicketCalls:
    """The points service with tickets to record; what they cause is booked before the next workload."""

    def __init__(
        self, stack: BenchStack, points: Caller, maker: TicketMaker, settling: Settling
    ) -> None:
        """Take an open connection."""
        self._record = points.method(f"{_PATH}/RecordTicket", pb.RecordTicketResponse.FromString)
        self._upload = points.method(f"{_PATH}/RecordTickets", pb.RecordTicketsResponse.FromString)
        self._enrol = points.method(f"{_PATH}/EnrolMembers", pb.EnrolMembersResponse.FromString)
        self._maker = maker
        self._settling = settling
        self._cpu = CpuMeter({part: stack.pids[part] for part in _PARTS})

    async def enrol(self) -> None:
        """Enroll everybody."""
        for request in self._maker.enrolments():
            await self._enrol(request)

    async def record(self, request: bytes) -> int:
        """Record one ticket."""
        response = await self._record(request)
        return _recorded([response.outcome])

    async def upload(self, request: bytes) -> int:
        """Record an offline queue."""
        response = await self._upload(request)
        return _recorded(response.outcomes)

    def start(self) -> None:
        """Begin to count CPU time."""
        self._cpu.start()

    async def finish(self, figures: Figures, units: int, *, cpu_figure: str) -> None:
        """Wait until all is published and booked, and note what it cost."""
        await self._settling.settle("points", "ledger")
        used = self._cpu.per_unit(units)
        figures.note({f"{cpu_figure}/{part}": value for part, value in used.items()})


class UnaryTickets:
    """Tickets one by one from many tills."""

    title = "tickets one by one"

    def __init__(self, calls: TicketCalls, maker: TicketMaker) -> None:
        """Take what calls."""
        self._calls = calls
        self._supply = Supply(maker.written_ticket, first=_UNARY_CALLERS)

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure the rate of acknowledged tickets."""
        self._supply.refill(at_least=requests_within(seconds, rate=_UNARY_MOST))
        self._calls.start()
        done = await closed_loop(
            self._calls.record, iter(self._supply), callers=_UNARY_CALLERS, seconds=seconds
        )
        await self._calls.finish(figures, done.units, cpu_figure="cpu_us_per_ticket")
        figures.note({UNARY: done.rate})


class OpenLoad:
    """Tickets at random moments, whatever comes back: at half the rate that was just reached, or at a fixed one."""

    def __init__(
        self, calls: TicketCalls, maker: TicketMaker, *, rate: float | None = None
    ) -> None:
        """Take what calls, and the fixed rate if it is one; the figures' names then end in it."""
        self._calls = calls
        self._supply = Supply(maker.written_ticket, first=_UNARY_CALLERS)
        self._rate = rate
        self._seed = 0
        self._suffix = "half_load" if rate is None else f"{rate:.0f}"
        self.title = f"tickets one by one, {_at(rate)}"

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure latencies from the moment at which a ticket was due."""
        rate = figures.median(UNARY) / 2 if self._rate is None else self._rate
        self._supply.refill(at_least=requests_within(seconds, rate=rate))
        self._seed += 1
        self._calls.start()
        seen = await open_loop(
            self._calls.record, iter(self._supply), rate=rate, seconds=seconds, seed=self._seed
        )
        await self._calls.finish(
            figures, seen.units, cpu_figure=f"cpu_us_per_ticket_{self._suffix}"
        )
        end = "ms" if self._rate is None else f"{self._suffix}_ms"
        figures.note({f"tickets.p50_{end}": seen.p50_ms, f"tickets.p99_{end}": seen.p99_ms})


def _at(rate: float | None) -> str:
    return "at half load" if rate is None else f"{rate:.0f} a second"


class Uploads:
    """Offline queues of 500 tickets."""

    title = "offline queues of 500 tickets"

    def __init__(self, calls: TicketCalls, maker: TicketMaker) -> None:
        """Take what calls."""
        self._calls = calls
        self._supply = Supply(maker.written_upload, first=_UPLOAD_CALLERS)

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure the rate of acknowledged tickets."""
        self._supply.refill(at_least=requests_within(seconds, rate=_UPLOADS_MOST))
        self._calls.start()
        done = await closed_loop(
            self._calls.upload, iter(self._supply), callers=_UPLOAD_CALLERS, seconds=seconds
        )
        await self._calls.finish(figures, done.units, cpu_figure="cpu_us_per_ticket_batch")
        figures.note({"tickets.batch": done.rate})


class EmptyUnary:
    """The same requests to a handler that does nothing."""

    title = "an empty unary handler on the same server builder"

    def __init__(self, empty: Caller, maker: TicketMaker, cpu: CpuMeter | None = None) -> None:
        """Take a connection to the empty server, and what measures it if anything does."""
        self._cpu = cpu
        self._send = empty.method(f"{_PATH}/RecordTicket", pb.RecordTicketResponse.FromString)
        self._supply = Supply(maker.written_ticket, first=_UNARY_CALLERS)

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure the rate of answers."""
        self._supply.refill(at_least=requests_within(seconds, rate=_EMPTY_MOST))
        if self._cpu is not None:
            self._cpu.start()
        done: Throughput = await closed_loop(
            self._call, iter(self._supply), callers=_UNARY_CALLERS, seconds=seconds
        )
        figures.note({"limits.empty_unary": done.rate})
        used = {} if self._cpu is None else self._cpu.per_unit(done.units)
        figures.note({f"cpu_us_per_empty_call/{part}": value for part, value in used.items()})

    async def _call(self, request: bytes) -> int:
        await self._send(request)
        return 1


async def bench_tickets(stack: BenchStack, *, pace: Pace, console: Console) -> BenchReport:
    """Run all rounds and give the report."""
    figures = Figures()
    async with AsyncExitStack() as resources:
        address = f"{LOOPBACK}:{any_free_port()}"
        empty_pid = await resources.enter_async_context(
            run_empty_server(
                jwks_file=stack.paths.keys / JWKS_FILE,
                address=address,
                log_file=stack.paths.logs / "empty.log",
            )
        )
        settling = await resources.enter_async_context(open_settling(stack))
        points = await resources.enter_async_context(
            open_caller(stack.info.addresses["points"], stack.info.tokens["till"])
        )
        operator = await resources.enter_async_context(
            open_caller(stack.info.addresses["points"], stack.info.tokens["operator"])
        )
        empty = await resources.enter_async_context(open_caller(address, stack.info.tokens["till"]))
        maker = TicketMaker()
        console.print(f"baskets of {maker.lines_mean:.1f} lines on average", highlight=False)
        await TicketCalls(stack, operator, maker, settling).enrol()
        calls = TicketCalls(stack, points, maker, settling)
        workloads: list[Workload] = [
            EmptyUnary(empty, maker, CpuMeter({"server": empty_pid})),
            UnaryTickets(calls, maker),
            OpenLoad(calls, maker),
            OpenLoad(calls, maker, rate=_BUDGET_HALF_LOAD),
            Uploads(calls, maker),
        ]
        await run_rounds(workloads, figures, pace=pace, console=console)
    return BenchReport(figures, RATIOS, pace)


def _recorded(outcomes: Any) -> int:
    recorded = points_pb2.TICKET_STATUS_RECORDED
    for outcome in outcomes:
        if outcome.status != recorded:
            message = f"A ticket of the benchmark was not recorded: {outcome.refusal}"
            raise BenchError(message)
    return len(outcomes)
