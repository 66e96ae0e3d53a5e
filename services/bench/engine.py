"""The ledger's engine without its service: group commit, fold, PostgreSQL; with the API's part of a request or not."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from pydantic import SecretStr

from cagnotte.ledger.v1 import ledger_pb2
from cagnotte.ledger.v1 import ledger_service_pb2 as pb
from services.bench.figures import Figures
from services.bench.load import closed_loop, requests_within
from services.bench.stack import ENGINE_DATABASE, BenchStack
from services.bench.transfers import BATCH, Supply, TransferMaker
from services.common.kernel.clock import system_clock
from services.common.runtime.config import PostgresSettings
from services.common.runtime.database import open_database
from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.lifecycle import Loop, collect_garbage_less_often
from services.common.runtime.migrate import migrate
from services.ledger.codec.chart import load_chart
from services.ledger.codec.commands import parse_batch
from services.ledger.codec.render import render_outcome
from services.ledger.domain.batch import Result, Unit
from services.ledger.domain.transaction import ACCEPTED, Outcome
from services.ledger.store.accounts import AccountDirectory
from services.ledger.usecases.commit_batch import AHEAD_MIN, IN_FLIGHT_MAX, CommitBatch

_CALLERS: Final = 6
"""So that batches wait while three are under way."""

_ACCOUNTS_MAX: Final = 50_000
_BATCHES_MOST: Final = 60
"""A second, about as many as a machine may take; so many are made before the first round."""


class EngineWorkload:
    """Batches of 500 through the engine alone: commands in, outcomes out; commands are made before the clock runs."""

    title = "ledger's engine, batches of 500, in this process"

    def __init__(self, engine: GroupCommit[Unit, Result], maker: TransferMaker) -> None:
        """Take a running engine."""
        self._engine = engine
        self._supply = Supply(lambda: parse_batch(maker.batch().transactions)[0], first=_CALLERS)

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure the rate of durable transfers."""
        self._supply.refill(at_least=requests_within(seconds, rate=_BATCHES_MOST))
        collect_garbage_less_often()  # As the service does.
        done = await closed_loop(
            self._commit, iter(self._supply), callers=_CALLERS, seconds=seconds
        )
        figures.note({"ledger.engine_batch_500": done.rate})

    async def _commit(self, units: Sequence[Unit]) -> int:
        results = await self._engine.submit_many(units)
        assert all(
            isinstance(result, Outcome) and result.status == ACCEPTED for result in results
        ), "every transfer is new"
        return len(results)


class EngineWithApiWorkload:
    """The same from the request's messages to the answer's: with parse and render, which are the API's."""

    title = "the same with the parsing of requests and the rendering of answers"

    def __init__(self, engine: GroupCommit[Unit, Result], maker: TransferMaker) -> None:
        """Take a running engine."""
        self._engine = engine
        self._supply = Supply(maker.batch, first=_CALLERS)

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure the rate of durable transfers."""
        self._supply.refill(at_least=requests_within(seconds, rate=_BATCHES_MOST))
        collect_garbage_less_often()  # As the service does.
        done = await closed_loop(
            self._commit, iter(self._supply), callers=_CALLERS, seconds=seconds
        )
        figures.note({"ledger.engine_with_api_batch_500": done.rate})

    async def _commit(self, request: pb.BatchPostTransactionsRequest) -> int:
        units, _ = parse_batch(request.transactions)
        results = await self._engine.submit_many(units)
        outcomes = [render_outcome(result) for result in results if isinstance(result, Outcome)]
        accepted = ledger_pb2.OUTCOME_STATUS_ACCEPTED
        assert all(outcome.status == accepted for outcome in outcomes), "every transfer is new"
        return len(outcomes)


@asynccontextmanager
async def open_engine(stack: BenchStack) -> AsyncIterator[tuple[GroupCommit[Unit, Result], Loop]]:
    """Make the engine's own database and give the engine with the loop that runs it."""
    await stack.create_database(ENGINE_DATABASE)
    await migrate(
        stack.owner_dsn(ENGINE_DATABASE),
        package="services.ledger.store.migrations",
        runtime_role="ledger_runtime",
        journal="own",
    )
    settings = PostgresSettings(dsn=SecretStr(stack.runtime_dsn(ENGINE_DATABASE)))
    async with open_database(settings) as db:
        directory = AccountDirectory(shard_id=0, size_max=_ACCOUNTS_MAX)
        chart = load_chart(None)

        def ignore(_: int) -> None:
            """Wake no relay: there is none."""

        commit = CommitBatch(db, directory, chart, system_clock, shard_id=0, on_commit=ignore)
        engine = GroupCommit[Unit, Result](
            commit,
            batch_max=BATCH,
            queue_max=10 * BATCH,
            name="bench",
            in_flight_max=IN_FLIGHT_MAX,
            ahead_min=AHEAD_MIN,
        )
        yield engine, Loop("commits", engine.run, engine.stop)
