"""``cagnotte bench ledger``: the engine, the service, and this machine's limits."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from cagnotte.ledger.v1 import ledger_pb2
from cagnotte.ledger.v1 import ledger_service_pb2 as pb
from deploy.local.ports import LOOPBACK, any_free_port
from services.bench.calls import Caller, Send, open_caller
from services.bench.cpu import CpuMeter
from services.bench.empty_server import run_empty_server
from services.bench.engine import EngineWithApiWorkload, EngineWorkload, open_engine
from services.bench.errors import BenchError
from services.bench.figures import BenchReport, Figures, Ratio
from services.bench.limits import CopyWorkload, PgbenchWorkload
from services.bench.load import closed_loop, requests_within
from services.bench.pace import Pace
from services.bench.rounds import Workload, run_rounds
from services.bench.settling import Settling, open_settling
from services.bench.stack import BenchStack
from services.bench.transfers import Supply, TransferMaker
from services.common.runtime.dev_keys import JWKS_FILE

_BATCH_CALLERS: Final = 4
_UNARY_CALLERS: Final = 128
_BATCHES_MOST: Final = 40
_CALLS_MOST: Final = 3_000
_PATH: Final = "/cagnotte.ledger.v1.LedgerService"
_BATCH_PATH: Final = f"{_PATH}/BatchPostTransactions"
_PARTS: Final = ("ledger", "postgres", "kafka")

RATIOS: Final = (
    Ratio("copy_1 / engine", "limits.copy_1", "ledger.engine_batch_500"),
    Ratio("copy_1 / grpc batch", "limits.copy_1", "ledger.grpc_batch_500"),
    Ratio("unary / empty unary", "ledger.grpc_unary", "limits.empty_unary"),
    Ratio("grpc batch / pgbench", "ledger.grpc_batch_500", "limits.pgbench_tpcb"),
)


@dataclass(slots=True)
class CallWorkload:
    """One method with one kind of request, as fast as it is answered; ``most`` a second are made beforehand."""

    title: str
    figure: str
    send: Send
    supply: Supply[bytes]
    most: float
    callers: int
    settling: Settling | None = None
    cpu: CpuMeter | None = None
    cpu_figure: str = ""

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure the rate, and the CPU of all that the calls caused."""
        self.supply.refill(at_least=requests_within(seconds, rate=self.most))
        if self.cpu is not None:
            self.cpu.start()
        done = await closed_loop(
            self._call, iter(self.supply), callers=self.callers, seconds=seconds
        )
        if self.settling is not None:
            await self.settling.settle("ledger")
        figures.note({self.figure: done.rate})
        if self.cpu is not None and self.cpu_figure:
            used = self.cpu.per_unit(done.units)
            figures.note({f"{self.cpu_figure}/{part}": value for part, value in used.items()})

    async def _call(self, request: bytes) -> int:
        return _accepted(await self.send(request))


async def bench_ledger(stack: BenchStack, *, pace: Pace, console: Console) -> BenchReport:
    """Run all rounds and give the report."""
    figures = Figures()
    async with AsyncExitStack() as resources:
        maker = TransferMaker(seed=1)
        engine, loop = await resources.enter_async_context(open_engine(stack))
        running = asyncio.create_task(loop.run())
        resources.push_async_callback(engine.stop)
        address = f"{LOOPBACK}:{any_free_port()}"
        empty_pid = await resources.enter_async_context(
            run_empty_server(
                jwks_file=stack.paths.keys / JWKS_FILE,
                address=address,
                log_file=stack.paths.logs / "empty.log",
            )
        )
        token = stack.info.tokens["service"]
        ledger = await resources.enter_async_context(
            open_caller(stack.info.addresses["ledger"], token)
        )
        empty = await resources.enter_async_context(open_caller(address, token))
        settling = await resources.enter_async_context(open_settling(stack))
        pgbench = PgbenchWorkload(stack)
        await pgbench.prepare()
        workloads: list[Workload] = [
            EngineWorkload(engine, maker),
            EngineWithApiWorkload(engine, maker),
            CopyWorkload(stack, connections=1),
            CopyWorkload(stack, connections=2),
            pgbench,
            _empty_calls(empty, maker, CpuMeter({"server": empty_pid})),
            *_calls(stack, ledger, maker, settling),
        ]
        await run_rounds(workloads, figures, pace=pace, console=console)
        assert not running.done(), "the engine runs until it is stopped"
    return BenchReport(figures, RATIOS, pace)


def _empty_calls(empty: Caller, maker: TransferMaker, cpu: CpuMeter) -> Workload:
    return CallWorkload(
        title="an empty unary handler on the same server builder",
        figure="limits.empty_unary",
        send=empty.method(f"{_PATH}/PostTransaction", pb.PostTransactionResponse.FromString),
        supply=Supply(maker.written_unary, first=_UNARY_CALLERS),
        most=_CALLS_MOST,
        callers=_UNARY_CALLERS,
        cpu=cpu,
        cpu_figure="cpu_us_per_empty_call",
    )


def _calls(
    stack: BenchStack, ledger: Caller, maker: TransferMaker, settling: Settling
) -> list[Workload]:
    batch = ledger.method(_BATCH_PATH, pb.BatchPostTransactionsResponse.FromString)
    unary = ledger.method(f"{_PATH}/PostTransaction", pb.PostTransactionResponse.FromString)
    cpu = CpuMeter({part: stack.pids[part] for part in _PARTS})
    return [
        CallWorkload(
            title="ledger over gRPC, batches of 500",
            figure="ledger.grpc_batch_500",
            send=batch,
            supply=Supply(maker.written_batch, first=_BATCH_CALLERS),
            most=_BATCHES_MOST,
            callers=_BATCH_CALLERS,
            settling=settling,
            cpu=cpu,
            cpu_figure="cpu_us_per_transfer",
        ),
        CallWorkload(
            title="the same, one account in every transfer",
            figure="ledger.hot_account_batch_500",
            send=batch,
            supply=Supply(maker.written_hot_batch, first=_BATCH_CALLERS),
            most=_BATCHES_MOST,
            callers=_BATCH_CALLERS,
            settling=settling,
        ),
        CallWorkload(
            title="ledger over gRPC, unary",
            figure="ledger.grpc_unary",
            send=unary,
            supply=Supply(maker.written_unary, first=_UNARY_CALLERS),
            most=_CALLS_MOST,
            callers=_UNARY_CALLERS,
            settling=settling,
            cpu=cpu,
            cpu_figure="cpu_us_per_transfer_unary",
        ),
    ]


def _accepted(response: Any) -> int:
    """Count what was accepted; an empty handler's answer is worth one."""
    if isinstance(response, pb.PostTransactionResponse):
        return 1
    accepted = ledger_pb2.OUTCOME_STATUS_ACCEPTED
    outcomes = response.outcomes
    if any(outcome.status != accepted for outcome in outcomes):
        message = "The ledger refused a transfer of the benchmark."
        raise BenchError(message)
    return len(outcomes)
