"""What the machine itself gives in the same minutes: plain COPY of the journal's rows, and pgbench."""

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from time import perf_counter
from typing import Final

import asyncpg

from deploy.local.ports import LOOPBACK
from deploy.local.postgres_install import wheel_programs
from deploy.local.secrets import ADMIN_ROLE
from services.bench.errors import BenchError
from services.bench.figures import Figures
from services.bench.load import closed_loop
from services.bench.stack import ENGINE_DATABASE, PGBENCH_DATABASE, BenchStack
from services.bench.transfers import BATCH

_TABLES: Final = ("transaction", "posting")
_BATCHES_KEPT_MAX: Final = 200
_PGBENCH_SCALE: Final = 10
_PGBENCH_CLIENTS: Final = 16
_TPS: Final = re.compile(r"tps = ([0-9.]+)")

Rows = tuple[bytes, bytes]
"""One batch's rows of both tables, in COPY's binary form."""


class CopyWorkload:
    """COPY of rows that the engine wrote, with their keys, a commit for each 500 transfers."""

    def __init__(self, stack: BenchStack, *, connections: int) -> None:
        """Take how many connections write at a time, each into tables of its own."""
        self._stack = stack
        self._connections = connections
        self.title = f"COPY of the same rows, {connections} connection(s)"

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure the rate of transfers whose rows arrive."""
        dsn = self._stack.owner_dsn(ENGINE_DATABASE)
        batches = await _read_batches(dsn)
        rates = await asyncio.gather(
            *(
                self._copy(dsn, number, batches, seconds=seconds)
                for number in range(self._connections)
            )
        )
        figures.note({f"limits.copy_{self._connections}": sum(rates)})

    async def _copy(
        self, dsn: str, number: int, batches: Sequence[Rows], *, seconds: float
    ) -> float:
        conn = await asyncpg.connect(dsn)
        target = _CopyTarget(conn, suffix=f"_copy_{number}")
        try:
            await target.make()
            done = await closed_loop(
                target.write, _CyclingRows(batches), callers=1, seconds=seconds
            )
        finally:
            await conn.close()
        return done.rate


@dataclass(slots=True)
class _CyclingRows:
    """The same batches over and over; ``write`` empties the tables whenever they begin again."""

    batches: Sequence[Rows]
    next_number: int = 0

    def __iter__(self) -> "_CyclingRows":
        return self

    def __next__(self) -> tuple[bool, Rows]:
        place = self.next_number % len(self.batches)
        self.next_number += 1
        return place == 0, self.batches[place]


@dataclass(frozen=True, slots=True)
class _CopyTarget:
    conn: "asyncpg.Connection[asyncpg.Record]"
    suffix: str

    async def make(self) -> None:
        for table in _TABLES:
            await self.conn.execute(f"DROP TABLE IF EXISTS {table}{self.suffix}")
            await self.conn.execute(
                f"CREATE TABLE {table}{self.suffix} (LIKE {table} INCLUDING ALL)"
            )

    async def write(self, item: tuple[bool, Rows]) -> int:
        first, rows = item
        if first:
            names = ", ".join(f"{table}{self.suffix}" for table in _TABLES)
            await self.conn.execute(f"TRUNCATE {names}")
        async with self.conn.transaction():
            for table, content in zip(_TABLES, rows, strict=True):
                await self.conn.copy_to_table(
                    f"{table}{self.suffix}", source=BytesIO(content), format="binary"
                )
        return BATCH


async def _read_batches(dsn: str) -> list[Rows]:
    """Read batches of 500 transfers back as COPY takes them."""
    conn = await asyncpg.connect(dsn)
    try:
        seqs = [
            row[0]
            for row in await conn.fetch(
                "SELECT seq FROM transaction ORDER BY seq LIMIT $1", _BATCHES_KEPT_MAX * BATCH
            )
        ]
        bounds = [
            (seqs[start], seqs[start + BATCH - 1])
            for start in range(0, len(seqs) - BATCH + 1, BATCH)
        ]
        if not bounds:
            message = "The engine has written too little to copy: give it more --seconds."
            raise BenchError(message)
        return [await _read_rows(conn, *bound) for bound in bounds]
    finally:
        await conn.close()


async def _read_rows(
    conn: "asyncpg.Connection[asyncpg.Record]", seq_from: int, seq_to: int
) -> Rows:
    contents = []
    for table in _TABLES:
        output = BytesIO()
        await conn.copy_from_query(
            f"SELECT * FROM {table} "  # noqa: S608 -- one of two names
            "WHERE shard_id = 0 AND seq BETWEEN $1 AND $2 ORDER BY seq",
            seq_from,
            seq_to,
            output=output,
            format="binary",
        )
        contents.append(output.getvalue())
    return contents[0], contents[1]


class PgbenchWorkload:
    """PostgreSQL's own benchmark on the same server: short transactions, one after the other a client."""

    title = f"pgbench, TPC-B, {_PGBENCH_CLIENTS} clients"

    def __init__(self, stack: BenchStack) -> None:
        """Take the stack; ``prepare`` fills the tables."""
        self._stack = stack

    async def prepare(self) -> None:
        """Make and fill its database."""
        await self._stack.create_database(PGBENCH_DATABASE)
        await self._pgbench("--initialize", "--quiet", f"--scale={_PGBENCH_SCALE}")

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure its transactions a second."""
        started = perf_counter()
        output = await self._pgbench(
            *("--builtin=tpcb-like", "--no-vacuum", "--protocol=prepared", "--jobs=1"),
            *(f"--client={_PGBENCH_CLIENTS}", f"--time={max(1, round(seconds))}"),
        )
        found = _TPS.search(output)
        if found is None:
            message = f"pgbench said no rate after {perf_counter() - started:.0f} s: {output}"
            raise BenchError(message)
        figures.note({"limits.pgbench_tpcb": float(found[1])})

    async def _pgbench(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(str(wheel_programs() / "pgbench"), *arguments),
            *(f"--host={LOOPBACK}", f"--port={self._stack.postgres_port}"),
            *(f"--username={ADMIN_ROLE}", PGBENCH_DATABASE),
            env={
                "PGPASSWORD": self._stack.admin_password,
                "PATH": os.environ.get("PATH", os.defpath),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            message = f"pgbench failed: {output.decode(errors='replace').strip()}"
            raise BenchError(message)
        return output.decode()
