"""Pay a checkout: plan the tenders against what the shopper has, and begin an attempt."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NamedTuple, TypeAlias
from uuid import UUID

from services.common.kernel.clock import Clock
from services.common.kernel.ids import new_uuid7
from services.common.runtime.identity import Caller
from services.common.runtime.telemetry import current_traceparent
from services.wallet.domain.checkout import Checkout
from services.wallet.domain.command import StartPayment
from services.wallet.domain.opening import require_open
from services.wallet.domain.paying import (
    TendersInsufficient,
    is_repeat,
    require_attempt_left,
    require_claimed,
)
from services.wallet.domain.payment import Payment
from services.wallet.domain.planner import Funds, Plan, all_means, check_requests, plan_tenders
from services.wallet.domain.shopper import Shopper
from services.wallet.domain.tender import TenderRequest
from services.wallet.usecases.declines import CardDeclines
from services.wallet.usecases.funds import ReadFunds
from services.wallet.usecases.in_time import InTime
from services.wallet.usecases.read import Reader, shopper_id


class PayRequest(NamedTuple):
    """What the phone asks for; ``request_hash`` is the SHA-256 of it as it came."""

    request_id: UUID
    request_hash: bytes
    checkout_id: UUID
    tenders: Sequence[TenderRequest]


class PayTerms(NamedTuple):
    """What the settings say of paying; ``card_least_minor`` is by currency, nothing where one is not named.

    An attempt with holds may take ``hold_duration`` of business time. The holds last ``settle_duration`` longer, so
    that points and the books find those of what was settled last, however late they hear of it.
    """

    hold_duration: timedelta
    settle_duration: timedelta
    attempts_max: int
    point_value_minor_per_100: int
    card_least_minor: Mapping[str, int]


class Planned(NamedTuple):
    """A plan and the checkout that it pays."""

    checkout: Checkout
    plan: Plan


_Early: TypeAlias = asyncio.Task[Funds]
"""What a shopper has, asked for before anybody knew whether it would be needed."""


class Pay:
    """Quotes and pays checkouts."""

    def __init__(
        self,
        reader: Reader,
        read_funds: ReadFunds,
        in_time: InTime,
        clock: Clock,
        declines: CardDeclines,
        *,
        terms: PayTerms,
    ) -> None:
        """Take its parts."""
        self._reader = reader
        self._read_funds = read_funds
        self._in_time = in_time
        self._clock = clock
        self._declines = declines
        self._terms = terms

    async def quote(
        self, checkout_id: UUID, tenders: Sequence[TenderRequest], *, caller: Caller
    ) -> Planned:
        """Tell what tenders would pay of a checkout; nothing is reserved.

        Raises:
            CheckoutNotFound, CheckoutNotClaimed, CheckoutNotOpen: as they say.
            TendersInvalid, PaymentMethodNotFound, CardAmountTooSmall, BalancesUnavailable: as they say.
        """
        checkout, shopper = await self._reader.own_checkout(checkout_id, caller=caller)
        require_claimed(checkout, shopper_id(caller))
        require_open(checkout, now=self._clock())
        check_requests(tenders)
        requests = tenders or all_means(shopper)
        funds = await self._read_funds(shopper_id(caller), {each.kind for each in requests})
        return Planned(checkout, self._plan(checkout, requests, shopper, funds))

    async def pay(self, request: PayRequest, *, caller: Caller) -> Payment:
        """Begin an attempt, and give the checkout at rest, or as it is when the time is over.

        A repeat is recognized before anything is planned: its own holds have lowered what the
        shopper has. Of means with an amount nobody asks beforehand what they have: their holds
        tell (see ``ReadFunds.to_ask``).

        Raises:
            CheckoutNotFound, CheckoutNotClaimed, CheckoutNotOpen: as they say.
            RequestIdReused: the id made another attempt.
            TendersInvalid, TendersInsufficient, PaymentMethodNotFound, CardAmountTooSmall: as they say.
            AttemptsTooMany, CardDeclinesTooMany: it was tried as often as it may be; nothing was asked.
            BalancesUnavailable: points or ledger did not tell; nothing has begun.
        """
        async with self._asking_early(request, caller) as early:
            return await self._pay(request, early, caller=caller)

    async def _pay(self, request: PayRequest, early: _Early | None, *, caller: Caller) -> Payment:
        checkout, shopper = await self._reader.own_checkout(request.checkout_id, caller=caller)
        require_claimed(checkout, shopper_id(caller))
        if is_repeat(checkout, request_id=request.request_id, request_hash=request.request_hash):
            return await self._in_time.await_rest(checkout)
        require_open(checkout, now=self._clock())
        require_attempt_left(checkout, attempts_max=self._terms.attempts_max)
        check_requests(request.tenders)
        requests = request.tenders or all_means(shopper)
        asked = early if early is not None and not checkout.attempt else None
        funds = await (
            asked or self._read_funds(shopper_id(caller), self._read_funds.to_ask(requests))
        )
        plan = self._plan(checkout, requests, shopper, funds)
        if plan.missing_minor:
            raise TendersInsufficient(
                "The tenders do not pay what is due.", missing_minor=plan.missing_minor
            )
        give_up_time = self._clock() + self._terms.hold_duration
        command = StartPayment(
            event_id=new_uuid7(),
            trace_parent=current_traceparent(),
            checkout_id=request.checkout_id,
            customer_id=shopper_id(caller),
            request_id=request.request_id,
            request_hash=request.request_hash,
            tenders=plan.tenders,
            hold_expire_time=give_up_time + self._terms.settle_duration,
            give_up_time=give_up_time,
            attempts_max=self._terms.attempts_max,
        )
        if not any(tender.card and tender.amount_minor for tender in plan.tenders):
            return await self._in_time.execute(command)
        with self._declines.asking(shopper_id(caller), request.checkout_id):
            return await self._in_time.execute(command)

    @asynccontextmanager
    async def _asking_early(
        self, request: PayRequest, caller: Caller
    ) -> AsyncIterator[_Early | None]:
        """Ask what the shopper has while the checkout is being read, where the request names the means.

        The answer may be older than the checkout that is read. It holds for one that was never tried: an attempt that
        ended in between would have given its holds back, and they would be missing from the answer.
        """
        kinds = self._read_funds.to_ask(request.tenders)
        # None where amounts are named, or where all is meant that the shopper has, which is still to be read.
        if not kinds:
            yield None
            return
        early = asyncio.create_task(self._read_funds(shopper_id(caller), kinds))
        try:
            yield early
        finally:
            early.cancel()
            # Who did not need the answer does not hear that there was none.
            await asyncio.gather(early, return_exceptions=True)

    def _plan(
        self,
        checkout: Checkout,
        requests: Sequence[TenderRequest],
        shopper: Shopper | None,
        funds: Funds,
    ) -> Plan:
        return plan_tenders(
            requests,
            due_minor=checkout.basket.due_minor,
            funds=funds,
            shopper=shopper,
            point_value_minor_per_100=self._terms.point_value_minor_per_100,
            card_least_minor=self._terms.card_least_minor.get(checkout.currency_code, 0),
        )
