"""No card number and no secret in anything that a whole demo leaves behind.

Logs, every row of every table, every record of every topic, every span, the provider's file, the metrics and what the
command says are searched for what looks like a card number and for the stack's real keys, passwords, tokens and client
secrets.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
import asyncpg
import grpc
import pytest

from cagnotte.points.v1 import points_service_pb2, points_service_pb2_grpc
from services.common.kernel.ids import new_uuid7
from services.simulator.calls import Patience
from services.simulator.phones import Phone
from services.simulator.stack import open_stack
from tests.acceptance.conftest import Demo
from tests.acceptance.published import TOPICS, read_topic

CARD_NUMBER: Final = "4242424242424242"
"""The number that one shopper of this test types, and that a confused till sends as an article."""

DIGITS: Final = re.compile(
    # No part of an id or of a fraction, and no span of a traceparent, of which one in two thousand is all digits.
    rb"(?<![0-9A-Za-z])(?<![0-9][.])(?<![0-9a-f]{32}-)"
    rb"(?:[0-9]{13,19}|[0-9]{4}(?:[ -][0-9]{4}){2}[ -][0-9]{1,7})(?![0-9A-Za-z])"
)
UUID_TEXT: Final = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Its last group may be all digits, and the byte of a proto's next field be one more."""
SCHEMES: Final = re.compile(rb"4|5[1-5]|2[2-7]|3[47]|35|30|36|38|6")
TOKEN: Final = re.compile(rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}")
CLIENT_SECRET: Final = re.compile(rb"(?:seti|pi)_[A-Za-z0-9]+_secret_[A-Za-z0-9]+")
SECRET_KEY: Final = re.compile(rb"(?:sk_(?:test|live)|whsec)_[A-Za-z0-9_-]{8,}")

KEPT: Final = frozenset({"secrets.json"})
"""Files whose purpose is to keep a secret for their owner; the folder ``keys`` is another."""


def luhn(digits: bytes) -> bool:
    """Tell whether digits have a payment card's check digit."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = digit - ord("0")
        doubled = number * 2 if place % 2 else number
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def card_numbers(content: bytes) -> Iterator[bytes]:
    """Give what looks like a card number: its length, a scheme's prefix, and the check digit."""
    for match in DIGITS.finditer(UUID_TEXT.sub(b" id ", content)):
        digits = re.sub(rb"[ -]", b"", match[0])
        if SCHEMES.match(digits) and luhn(digits):
            yield match[0]


def secrets_of(folder: Path) -> list[bytes]:
    """Give the stack's real secrets: passwords, the provider's keys, and the private key's body."""
    content = json.loads((folder / "secrets.json").read_text(encoding="utf-8"))
    known = [
        str(value).encode()
        for name, value in content.items()
        if name != "provider_publishable_key"  # Phones carry it: it is no secret.
    ]
    pem = (folder / "keys" / "dev-key.pem").read_bytes()
    return [*known, *(line for line in pem.splitlines() if b"-----" not in line)]


class Search:
    """Looks for secrets and card numbers, and remembers where it found any."""

    def __init__(self, known: list[bytes]) -> None:
        """Take the real secrets."""
        self._known = re.compile(b"|".join(re.escape(secret) for secret in known))
        self.found: list[str] = []
        self.searched = 0

    def look(self, place: str, content: bytes, *, is_providers: bool = False) -> None:
        """Search some bytes; the provider itself may keep the client secrets that it checks."""
        self.searched += len(content)
        finds = [match[0] for match in self._known.finditer(content)]
        for pattern in (TOKEN, SECRET_KEY, *(() if is_providers else (CLIENT_SECRET,))):
            finds += [match[0] for match in pattern.finditer(content)]
        finds += card_numbers(content)
        self.found += [f"{place}: {find[:12]!r}..." for find in finds]


@pytest.fixture(scope="module")
def search(demo: Demo) -> Search:
    """Let somebody type a card number where it belongs and somebody else where it does not; then begin to search."""
    asyncio.run(_type_card_numbers(demo))
    return Search(secrets_of(demo.folder))


async def _type_card_numbers(demo: Demo) -> None:
    async with open_stack(demo.stack.endpoints(), patience=Patience()) as stack:
        phone = Phone.of(stack, new_uuid7())
        await phone.enrol(CARD_NUMBER, request_id=new_uuid7())
    async with demo.stack.channel("points", "till") as channel:
        points: Any = points_service_pb2_grpc.PointsServiceStub(channel)
        request = points_service_pb2.RecordTicketRequest(request_id=str(uuid4()))
        request.ticket.lines.add(line_number=1, product_id=CARD_NUMBER, department=CARD_NUMBER)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await points.RecordTicket(request)
        assert CARD_NUMBER not in str(caught.value.details())


class TestWhatADemoLeavesBehind:
    def test_in_files(self, demo: Demo, search: Search) -> None:
        """Logs and states of all parts, and the provider's file; PostgreSQL's pages are read as tables."""
        kept = {demo.folder / "keys", demo.folder / "postgres"}
        logs = 0
        for path in sorted(demo.folder.rglob("*")):
            if path.is_file() and path.name not in KEPT and kept.isdisjoint(path.parents):
                logs += path.suffix == ".log"
                is_providers = demo.folder / "provider" in path.parents
                search.look(str(path), path.read_bytes(), is_providers=is_providers)

        assert search.found == []
        assert logs >= 7

    async def test_in_tables(self, demo: Demo, search: Search) -> None:
        """Every column of every row of all three databases, journals included."""
        tables = 0
        for service in ("ledger", "points", "wallet"):
            async with aclosing(rows_of(demo, service)) as rows:
                seen = {table async for table in self._look(rows, search)}
            assert "fact" in seen or service == "ledger"
            tables += len(seen)

        assert search.found == []
        assert tables > 20

    async def test_in_topics(self, demo: Demo, search: Search) -> None:
        """Key, value and headers of every record, dead letters included."""
        records = 0
        for topic in TOPICS:
            for record in await read_topic(demo.stack.exports["CAGNOTTE_KAFKA"], topic):
                records += 1
                headers = b"\n".join(value for _, value in record.headers)
                search.look(topic, b"\n".join((record.key or b"", record.value or b"", headers)))

        assert search.found == []
        assert records > 1_000

    def test_in_traces(self, demo: Demo, search: Search) -> None:
        """Names, attributes and events of every span that a collector was sent."""
        for request in list(demo.traces.requests):
            search.look("traces", str(request).encode())

        assert search.found == []
        assert demo.traces.spans > 1_000

    async def test_in_metrics(self, demo: Demo, search: Search) -> None:
        """What anybody on the network of the monitoring can read."""
        pages = 0
        state = json.loads((demo.folder / "stack.json").read_text(encoding="utf-8"))
        ports = [port for name, port in state["ports"].items() if name.endswith("_metrics")]
        async with aiohttp.ClientSession() as session:
            for port in ports:
                async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
                    search.look(f"metrics of {port}", await response.read())
                    pages += 1

        assert search.found == []
        assert pages == 3

    def test_in_what_the_command_says(self, demo: Demo, search: Search) -> None:
        """The report, and all that was on the screen."""
        search.look("the report", json.dumps(demo.report).encode())
        search.look("the screen", demo.screen.encode())

        assert search.found == []
        assert search.searched > 10_000_000, "a demo leaves megabytes behind"

    async def _look(
        self, rows: AsyncIterator[tuple[str, Any]], search: Search
    ) -> AsyncIterator[str]:
        async for table, row in rows:
            for name, value in row.items():
                content = value if isinstance(value, bytes) else str(value).encode()
                search.look(f"{table}.{name}", content)
            yield table


class TestTheSearch:
    @pytest.mark.parametrize(
        "content",
        [
            CARD_NUMBER,
            "paid with 4242 4242 4242 4242.",
            "4242-4242-4242-4242",
            '{"number":"378282246310005"}',
            "pi_3abc_secret_Xyz1",
            "sk_test_0123456789",
            "whsec_0123456789",
            "a-password-of-ours",
        ],
    )
    def test_finds_what_it_is_for(self, content: str) -> None:
        """A search that finds nothing must be one that could have."""
        search = Search([b"a-password-of-ours"])

        search.look("here", content.encode())

        assert len(search.found) == 1

    @pytest.mark.parametrize(
        "content",
        [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-4242424242424242-01",
            "4242424242424241",
            "3760158523574",
            "018f00004242424242424242",
            "0.4242424242424242",
        ],
    )
    def test_leaves_other_numbers_alone(self, content: str) -> None:
        """Wrong check digits, other lengths, and parts of ids, traces and fractions are no card numbers."""
        search = Search([b"a-password-of-ours"])

        search.look("here", content.encode())

        assert search.found == []


async def rows_of(demo: Demo, service: str) -> AsyncGenerator[tuple[str, Any]]:
    """Give every row of every table of a service's database, as its owner reads it."""
    url = demo.stack.exports[f"CAGNOTTE_{service.upper()}_DATABASE_URL"]
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS path, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for table in tables:
            async with connection.transaction():
                async for row in connection.cursor(
                    f"SELECT * FROM {table['path']}", prefetch=5_000
                ):
                    yield table["tablename"], row
    finally:
        await connection.close()
