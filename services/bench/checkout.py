"""``cagnotte bench checkout``: baskets paid by phone, from the till's code to the books and the points."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, NamedTuple, TypeAlias

import aiohttp
from rich.console import Console

from cagnotte.wallet.v1 import checkout_service_pb2 as pb
from cagnotte.wallet.v1 import wallet_pb2
from deploy.local.identity import shopper_tokens
from deploy.local.ports import LOOPBACK, any_free_port
from services.bench.baskets import TicketMaker
from services.bench.calls import Caller, Send, open_caller
from services.bench.cpu import CpuMeter
from services.bench.empty_server import run_empty_server
from services.bench.errors import BenchError
from services.bench.figures import BenchReport, Figures, Ratio
from services.bench.following import Following, open_following
from services.bench.load import closed_loop, open_loop, quantile_ms, warm_up_seconds
from services.bench.pace import Pace
from services.bench.rounds import Workload, run_rounds
from services.bench.sales import Sale, SaleMaker
from services.bench.shoppers import SHOPPERS, customer_id, make_shoppers
from services.bench.stack import BenchStack
from services.bench.tickets import EmptyUnary
from services.bench.transfers import Supply
from services.common.runtime.dev_keys import JWKS_FILE

_CALLERS: Final = 48
_SALES_FIRST: Final = 200
_BUDGET_RATE: Final = 60.0
"""Checkouts a second that the budget asks for."""
_PATH: Final = "/cagnotte.wallet.v1.CheckoutService"
_PARTS: Final = ("wallet", "points", "ledger", "provider", "postgres", "kafka")
_AUTHORIZE: Final = "authorize:1"
_CAPTURE: Final = "capture:1"
_ANSWERED: Final = (
    wallet_pb2.CHECKOUT_STATE_PROCESSING,
    wallet_pb2.CHECKOUT_STATE_AUTHORIZED,
    wallet_pb2.CHECKOUT_STATE_SETTLED,
)

ONE: Final = "checkout.one_tender"
THREE: Final = "checkout.three_tenders"
RATIOS: Final = (
    Ratio("three tenders / empty unary", THREE, "limits.empty_unary"),
    Ratio("three tenders / one tender", THREE, ONE),
)


class PaidByPhone:
    """Tills and phones with one channel, each under its own name."""

    def __init__(self, stack: BenchStack, till: Caller, following: Following) -> None:
        """Take the till's caller; phones get theirs from it."""
        token = shopper_tokens(stack.paths)
        phones = [till.by(token(customer_id(number))) for number in range(SHOPPERS)]
        self._open: Send = till.method(f"{_PATH}/OpenCheckout", pb.OpenCheckoutResponse.FromString)
        self._claims = [
            phone.method(f"{_PATH}/ClaimCheckout", pb.ClaimCheckoutResponse.FromString)
            for phone in phones
        ]
        self._pays = [
            phone.method(f"{_PATH}/PayCheckout", pb.PayCheckoutResponse.FromString)
            for phone in phones
        ]
        self._following = following
        self._cpu = CpuMeter({part: stack.pids[part] for part in _PARTS})
        self._paid = 0

    @property
    def paid(self) -> int:
        """Give how many were paid so far."""
        return self._paid

    async def sell(self, sale: Sale) -> int:
        """Open, claim, pay; nothing is worth anything before ``finish`` has seen it booked."""
        await self.begin(sale)
        await self.pay(sale)
        return 1

    async def begin(self, sale: Sale) -> None:
        """Do what comes before the payment."""
        await self._open(sale.open)
        await self._claims[sale.shopper](sale.claim)

    async def pay(self, sale: Sale) -> wallet_pb2.Checkout:
        """Pay; the answer may be that it takes longer."""
        response: pb.PayCheckoutResponse = await self._pays[sale.shopper](sale.pay)
        if response.checkout.state not in _ANSWERED:
            raise BenchError(f"A checkout of the benchmark was not paid: {response.checkout}")
        self._paid += 1
        return response.checkout

    def start(self) -> None:
        """Begin to count CPU time."""
        self._cpu.start()

    async def finish(self, figures: Figures, units: int, *, cpu_figure: str = "") -> float:
        """Wait until books and points have followed; give the moment at which they had."""
        moment = await self._following.wait(self._paid)
        if cpu_figure:
            used = self._cpu.per_unit(units)
            figures.note({f"{cpu_figure}/{part}": value for part, value in used.items()})
        return moment


@dataclass(slots=True)
class EndToEnd:
    """Checkouts as fast as they are paid, and the time until all of them are in books and points."""

    title: str
    figure: str
    cpu_figure: str
    calls: PaidByPhone
    supply: Supply[Sale]

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure the rate from the first till's code to the last booking."""
        self.supply.refill()
        self.calls.start()
        began = perf_counter()
        done = await closed_loop(
            self.calls.sell, iter(self.supply), callers=_CALLERS, seconds=seconds
        )
        ended = await self.calls.finish(figures, done.units, cpu_figure=self.cpu_figure)
        figures.note({self.figure: done.units / (ended - began)})


class _AtProvider(NamedTuple):
    """When the sandbox had a request's head (``perf_counter``), and how long it took for its answers, in seconds."""

    began: float
    seconds: float


_Asked: TypeAlias = Mapping[str, _AtProvider]
"""What the provider was asked for one leg, by operation and try as in the key."""


class _Payment(NamedTuple):
    """When a phone asked for PayCheckout (``perf_counter``), how long it waited, and the leg of its card."""

    began: float
    seconds: float
    card_leg_id: str

    def own(self, asked: _Asked) -> float:
        """Give the time to the answer less the provider's."""
        return self.seconds - sum(each.seconds for each in asked.values())

    def own_to_authorized(self, asked: _Asked) -> float:
        """Give the time until the authorization was written down, less the provider's.

        The capture is sent right after that: its head at the provider is the first sign of it that is seen outside.
        """
        return asked[_CAPTURE].began - self.began - asked[_AUTHORIZE].seconds


@dataclass(slots=True)
class OwnTime:
    """PayCheckout at a load: its time less the provider's.

    The load is half of what was just reached, or half of ``whole_rate``: every gain in throughput makes the first of
    them harder. The provider's time is its own: from a request's head to its answer, as its server measures it. The
    network, the SDK and every wait of the wallet for its turn stay in ours.
    """

    calls: PaidByPhone
    supply: Supply[Sale]
    sandbox_url: str
    sandbox_key: str
    title: str = "three tenders at half load"
    whole_rate: float | None = None
    suffix: str = ""
    """Of the figures' names."""
    _seed: int = 0
    _payments: list[_Payment] = field(default_factory=list)

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure from when the phone pays to its answer."""
        self.supply.refill()
        self._seed += 1
        self._payments.clear()
        await self._read_times()
        self.calls.start()
        begin = perf_counter() + warm_up_seconds(seconds)
        seen = await open_loop(
            lambda sale: self._sell(sale, begin=begin),
            iter(self.supply),
            rate=(self.whole_rate or figures.median(THREE)) / 2,
            seconds=seconds,
            seed=self._seed,
        )
        cpu_figure = f"cpu_us_per_checkout_half_load{self.suffix}"
        await self.calls.finish(figures, seen.units, cpu_figure=cpu_figure)
        times = await self._read_times()
        seen_by = {
            "own": [each.own(times[each.card_leg_id]) for each in self._payments],
            "authorized": [
                each.own_to_authorized(times[each.card_leg_id]) for each in self._payments
            ],
            "pay": [each.seconds for each in self._payments],
        }
        for name, values in seen_by.items():
            values.sort()
            for quantile in (50, 99):
                key = f"checkout.{name}{self.suffix}_p{quantile}_ms"
                figures.note({key: quantile_ms(values, quantile)})

    async def _sell(self, sale: Sale, *, begin: float) -> int:
        await self.calls.begin(sale)
        began = perf_counter()
        checkout = await self.calls.pay(sale)
        if began >= begin:
            card = next(leg for leg in checkout.legs if leg.kind == wallet_pb2.TENDER_KIND_CARD)
            self._payments.append(_Payment(began, perf_counter() - began, card.leg_id))
        return 1

    async def _read_times(self) -> Mapping[str, _Asked]:
        """Read, and so clear, what the sandbox was asked and how long it took, by leg."""
        headers = {"Authorization": f"Bearer {self.sandbox_key}"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.sandbox_url}/_sandbox/times", headers=headers) as answer,
        ):
            answer.raise_for_status()
            by_key: dict[str, dict[str, float]] = await answer.json()
        by_leg: defaultdict[str, dict[str, _AtProvider]] = defaultdict(dict)
        for key, times in by_key.items():
            leg_id, _, operation = key.partition(":")
            by_leg[leg_id][operation] = _AtProvider(**times)
        return by_leg


async def bench_checkout(stack: BenchStack, *, pace: Pace, console: Console) -> BenchReport:
    """Run all rounds and give the report."""
    figures = Figures()
    async with AsyncExitStack() as resources:
        address = f"{LOOPBACK}:{any_free_port()}"
        await resources.enter_async_context(
            run_empty_server(
                jwks_file=stack.paths.keys / JWKS_FILE,
                address=address,
                log_file=stack.paths.logs / "empty.log",
            )
        )
        token = stack.info.tokens["till"]
        empty = await resources.enter_async_context(open_caller(address, token))
        till = await resources.enter_async_context(
            open_caller(stack.info.addresses["wallet"], token)
        )
        following = await resources.enter_async_context(open_following(stack))
        console.print(f"making {SHOPPERS} shoppers with kitty, prepaid balance and card")
        await make_shoppers(stack)
        maker = SaleMaker()
        console.print(f"baskets of {maker.lines_mean:.1f} lines on average", highlight=False)
        calls = PaidByPhone(stack, till, following)
        await _warm_up(calls, maker, seconds=pace.seconds)
        workloads: list[Workload] = [
            EmptyUnary(empty, TicketMaker()),
            _end_to_end("one tender: card", ONE, calls, maker.by_card),
            _end_to_end(
                "three tenders: kitty, prepaid, card", THREE, calls, maker.by_three_tenders
            ),
            *_own_times(stack, calls, maker),
        ]
        await run_rounds(workloads, figures, pace=pace, console=console)
    return BenchReport(figures, RATIOS, pace)


def _own_times(stack: BenchStack, calls: PaidByPhone, maker: SaleMaker) -> list[Workload]:
    supply = Supply(maker.by_three_tenders, first=_SALES_FIRST)
    parts = calls, supply, stack.info.sandbox_url, stack.info.sandbox_key
    half = round(_BUDGET_RATE / 2)
    return [
        OwnTime(*parts),
        OwnTime(
            *parts,
            title=f"three tenders at {half} a second, half of the budget",
            whole_rate=_BUDGET_RATE,
            suffix=f"_{half}",
        ),
    ]


async def _warm_up(calls: PaidByPhone, maker: SaleMaker, *, seconds: float) -> None:
    """Let every process see what comes, so that a round's time holds nobody's first time."""
    supply = Supply(maker.by_three_tenders, first=_SALES_FIRST)
    supply.refill()
    await closed_loop(
        calls.sell, iter(supply), callers=_CALLERS, seconds=2 * warm_up_seconds(seconds)
    )
    await calls.finish(Figures(), 1)


def _end_to_end(title: str, figure: str, calls: PaidByPhone, make: Callable[[], Sale]) -> EndToEnd:
    return EndToEnd(
        title=title,
        figure=figure,
        cpu_figure="cpu_us_per_checkout" + ("_one_tender" if figure == ONE else ""),
        calls=calls,
        supply=Supply(make, first=_SALES_FIRST),
    )
