"""What is flooded: each service's own work, as its callers ask for it, and how its books count it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from cagnotte.ledger.v1 import ledger_service_pb2 as ledger
from cagnotte.points.v1 import points_pb2
from cagnotte.points.v1 import points_service_pb2 as points
from services.bench.baskets import TicketMaker
from services.bench.calls import Send, open_caller
from services.bench.checkout import PaidByPhone
from services.bench.errors import BenchError
from services.bench.figures import Figures
from services.bench.following import open_following
from services.bench.sales import SaleMaker
from services.bench.settling import Settling, open_settling
from services.bench.shoppers import make_shoppers
from services.bench.stack import BenchStack
from services.bench.transfers import TransferMaker
from services.bench.wire import open_wire

Call = Callable[[Any], Awaitable[int]]
"""Sends a request and gives how many units its answer is worth, or raises CallRefused."""

_Read = Callable[[], Awaitable[int]]
_LEDGER: Final = "/cagnotte.ledger.v1.LedgerService"
_POINTS: Final = "/cagnotte.points.v1.PointsService"
_TICKET_CALLERS: Final = 64
_TRANSFER_CALLERS: Final = 128
_SALE_CALLERS: Final = 48
_CONNECTIONS: Final = (1, 64)
"""One client that sends everything, and as many as a region's tills."""

_FIRST_PASS: Final = 80
"""Phones buy the same baskets: so many passes later no key is one of theirs."""


@dataclass(frozen=True, slots=True)
class Flooded:
    """A service under more load than it can take."""

    service: str
    title: str
    callers: int
    """So many in a closed loop reach its capacity."""
    make: Callable[[], Any]
    call: Call
    """One caller beside the flood, on a connection of its own."""
    open_calls: Callable[[int], AbstractAsyncContextManager[Call]]
    """Connects the flood, so many times."""
    connections: tuple[int, ...]
    """The numbers of connections to flood it over, one after the other."""
    count: Callable[[], Awaitable[int]]
    """Waits until nothing is under way any more, and tells how many units the books hold."""
    head: Callable[[], Awaitable[int]] | None = None
    """The end of the journal, where every unit leaves the same mean number of facts and a refused call none: a load
    generator that is itself at its limit hears of acknowledgments too late to count them."""


@asynccontextmanager
async def open_tickets(stack: BenchStack) -> AsyncIterator[Flooded]:
    """Give the points service: tills that record tickets."""
    async with AsyncExitStack() as resources:
        settling = await resources.enter_async_context(open_settling(stack))
        address, tokens = stack.info.addresses["points"], stack.info.tokens
        till = await resources.enter_async_context(open_caller(address, tokens["till"]))
        maker = TicketMaker(first_pass=_FIRST_PASS)
        enrol = till.by(tokens["operator"]).method(
            f"{_POINTS}/EnrolMembers", points.EnrolMembersResponse.FromString
        )
        for request in maker.enrolments():
            await enrol(request)
        record = (f"{_POINTS}/RecordTicket", points.RecordTicketResponse.FromString)
        totals = till.by(tokens["finance"]).method(
            f"{_POINTS}/GetLoyaltyTotals", points.GetLoyaltyTotalsResponse.FromString
        )

        def recorded(response: points.RecordTicketResponse) -> int:
            status = response.outcome.status
            if status != points_pb2.TICKET_STATUS_RECORDED:
                raise BenchError(f"A ticket of the benchmark was not recorded: {status}")
            return 1

        async def count() -> int:
            await settling.settle("points", "ledger")
            response = await totals(points.GetLoyaltyTotalsRequest().SerializeToString())
            counts = {fact.event_type: fact.count for fact in response.fact_counts}
            return int(counts.get("TICKET_RECORDED", 0))

        yield Flooded(
            "points",
            "tickets one by one",
            _TICKET_CALLERS,
            maker.written_ticket,
            _worth(till.method(*record), recorded),
            partial(_open_calls, address, tokens["till"], record, recorded),
            _CONNECTIONS,
            count,
            partial(settling.head, "points"),
        )


@asynccontextmanager
async def open_transfers(stack: BenchStack) -> AsyncIterator[Flooded]:
    """Give the ledger: services that post one transfer a call."""
    async with _ledger(stack) as (method, count, head):
        post = (f"{_LEDGER}/PostTransaction", ledger.PostTransactionResponse.FromString)
        address, token = stack.info.addresses["ledger"], stack.info.tokens["service"]
        maker = TransferMaker(seed=5)
        yield Flooded(
            "ledger",
            "transfers one by one",
            _TRANSFER_CALLERS,
            maker.written_unary,
            _worth(method(*post), _one),
            partial(_open_calls, address, token, post, _one),
            _CONNECTIONS,
            count,
            head,
        )


@asynccontextmanager
async def open_sales(stack: BenchStack) -> AsyncIterator[Flooded]:
    """Give the wallet: tills that open checkouts, phones that claim and pay them with three tenders.

    Whoever is refused at any step gives up: of what the till opened then nothing is left but an unpaid checkout.
    """
    async with AsyncExitStack() as resources:
        address, tokens = stack.info.addresses["wallet"], stack.info.tokens
        till = await resources.enter_async_context(open_caller(address, tokens["till"]))
        following = await resources.enter_async_context(open_following(stack))
        await make_shoppers(stack)
        phones = PaidByPhone(stack, till, following)
        maker = SaleMaker()

        async def count() -> int:
            await phones.finish(Figures(), 1)  # Fails unless books, points and phones agree.
            return phones.paid

        yield Flooded(
            "wallet",
            "sales paid by phone",
            _SALE_CALLERS,
            maker.by_three_tenders,
            phones.sell,
            lambda _: nullcontext(phones.sell),
            (1,),
            count,
        )


@asynccontextmanager
async def _ledger(
    stack: BenchStack,
) -> AsyncIterator[tuple[Callable[..., Any], _Read, _Read]]:
    async with AsyncExitStack() as resources:
        settling: Settling = await resources.enter_async_context(open_settling(stack))
        address, tokens = stack.info.addresses["ledger"], stack.info.tokens
        service = await resources.enter_async_context(open_caller(address, tokens["service"]))
        totals = service.by(tokens["finance"]).method(
            f"{_LEDGER}/GetJournalTotals", ledger.GetJournalTotalsResponse.FromString
        )

        async def count() -> int:
            await settling.settle("ledger")
            response = await totals(ledger.GetJournalTotalsRequest().SerializeToString())
            return int(response.transactions)

        yield service.method, count, partial(settling.head, "ledger")


@asynccontextmanager
async def _open_calls(
    address: str,
    token: str,
    method: tuple[str, Callable[[bytes], Any]],
    worth: Callable[[Any], int],
    connections: int,
) -> AsyncIterator[Call]:
    async with open_wire(address, token, *method, connections=connections) as send:
        yield _worth(send, worth)


def _worth(send: Send, worth: Callable[[Any], int]) -> Call:
    async def call(request: bytes) -> int:
        return worth(await send(request))

    return call


def _one(response: ledger.PostTransactionResponse) -> int:
    del response
    return 1
