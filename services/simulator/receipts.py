"""A client's own record of what it was told is done, and the question to the services whether they still say so.

Every answer that a till or a phone gets is kept by what it acknowledges: a ticket by its key, a checkout and a top-up
by their ids. Asked for each of them afterwards, the services must give the same again, and have no more of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

from cagnotte.points.v1 import points_pb2
from cagnotte.points.v1 import points_service_pb2 as points_rpc
from cagnotte.wallet.v1 import checkout_service_pb2 as checkout_rpc
from cagnotte.wallet.v1 import wallet_pb2
from services.simulator.books import read_points_totals
from services.simulator.errors import ServiceRefusedError
from services.simulator.phone_books import read_phone_standing
from services.simulator.phones import Phone
from services.simulator.stack import Stack

_PAID: Final = frozenset({wallet_pb2.CHECKOUT_STATE_SETTLED, wallet_pb2.CHECKOUT_STATE_REFUNDED})
_AT_ONCE: Final = 32

Awards: TypeAlias = tuple[tuple[str, int, int], ...]
"""What a ticket earned: rule, currency, quantity."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One kind of receipts: how many there are, for how many the services say the same, how many they have."""

    kind: str
    acknowledged: int
    found: int
    in_service: int | None
    """None where the service counts them in nothing but money."""

    @property
    def ok(self) -> bool:
        """Tell whether everything acknowledged is there, and nothing beside it."""
        return self.acknowledged == self.found and self.in_service in (None, self.acknowledged)


@dataclass(slots=True)
class Receipts:
    """What was acknowledged so far."""

    tickets: dict[bytes, Awards] = field(default_factory=dict)
    """By key, what each earned."""
    checkouts: dict[str, int] = field(default_factory=dict)
    """Checkouts that were paid, and for how much."""
    top_ups: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Top-ups that are settled: whose, and how much."""

    def keep(self, response: object) -> None:
        """Keep what an answer acknowledges, if anything."""
        if isinstance(response, points_rpc.RecordTicketResponse):
            self._keep_tickets([response.outcome])
        elif isinstance(response, points_rpc.RecordTicketsResponse):
            self._keep_tickets(response.outcomes)
        checkout = getattr(response, "checkout", None)
        if isinstance(checkout, wallet_pb2.Checkout) and checkout.state in _PAID:
            self.checkouts[checkout.checkout_id] = checkout.total_minor
        top_up = getattr(response, "top_up", None)
        if isinstance(top_up, wallet_pb2.TopUp) and top_up.state == wallet_pb2.TOP_UP_STATE_SETTLED:
            self.top_ups[top_up.top_up_id] = (top_up.customer_id, top_up.amount_minor)

    async def audit(self, stack: Stack) -> tuple[Audited, ...]:
        """Ask for every one by its key or id. The stack had nothing before the first of them."""
        points, phones = await read_points_totals(stack), await read_phone_standing(stack)
        found = await _Asking(stack).count(self)
        return tuple(
            Audited(kind=kind, acknowledged=len(kept), found=count, in_service=in_service)
            for kind, kept, count, in_service in (
                ("tickets", self.tickets, found[0], points.tickets),
                ("paid checkouts", self.checkouts, found[1], phones.wallet.settled),
                ("top-ups", self.top_ups, found[2], None),
            )
        )

    def _keep_tickets(self, outcomes: Iterable[points_pb2.TicketOutcome]) -> None:
        for outcome in outcomes:
            if outcome.status == points_pb2.TICKET_STATUS_RECORDED:
                key = outcome.key.SerializeToString(deterministic=True)
                self.tickets[key] = _awards(outcome.decision)


@dataclass(frozen=True, slots=True)
class _Asking:
    stack: Stack

    async def count(self, receipts: Receipts) -> tuple[int, int, int]:
        """Count the tickets, checkouts and top-ups that are as their receipts say."""
        return (
            await _count(receipts.tickets.items(), self._has_ticket),
            await _count(receipts.checkouts.items(), self._has_checkout),
            await _count(receipts.top_ups.items(), self._has_top_up),
        )

    async def _has_ticket(self, receipt: tuple[bytes, Awards]) -> bool:
        key = points_pb2.TicketKey.FromString(receipt[0])
        request = points_rpc.GetTicketRequest(key=key)
        try:
            answer = await self.stack.till.call(self.stack.points.GetTicket, request)
        except ServiceRefusedError:
            return False
        return _awards(answer.outcome.decision) == receipt[1]

    async def _has_checkout(self, receipt: tuple[str, int]) -> bool:
        assert self.stack.phones is not None, "a checkout was paid by a phone"
        request = checkout_rpc.GetCheckoutRequest(checkout_id=receipt[0])
        checkouts = self.stack.phones.wallet.checkouts
        try:
            checkout = (await self.stack.till.call(checkouts.GetCheckout, request)).checkout
        except ServiceRefusedError:
            return False
        return checkout.state in _PAID and checkout.total_minor == receipt[1]

    async def _has_top_up(self, receipt: tuple[str, tuple[str, int]]) -> bool:
        top_up_id, (customer_id, amount_minor) = receipt
        top_up = await Phone.of(self.stack, UUID(customer_id)).find_top_up(UUID(top_up_id))
        return (
            top_up is not None
            and top_up.state == wallet_pb2.TOP_UP_STATE_SETTLED
            and top_up.amount_minor == amount_minor
        )


def _awards(decision: points_pb2.TicketDecision) -> Awards:
    return tuple((award.rule_id, award.currency, award.quantity) for award in decision.awards)


async def _count(items: Iterable[T], is_so: Callable[[T], Awaitable[bool]]) -> int:
    waiting = iter(items)
    count = 0

    async def work() -> None:
        nonlocal count
        for item in waiting:
            if await is_so(item):
                count += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(work())
    return count
