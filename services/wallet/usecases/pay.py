"""Pay a checkout: plan the tenders against what the shopper has, and begin an attempt."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
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
from services.wallet.domain.planner import Plan, all_means, check_requests, plan_tenders
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
        return Planned(checkout, await self._plan(checkout, tenders, shopper, shopper_id(caller)))

    async def pay(self, request: PayRequest, *, caller: Caller) -> Payment:
        """Begin an attempt, and give the checkout at rest, or as it is when the time is over.

        A repeat is recognized before anything is planned: its own holds have lowered what the
        shopper has.

        Raises:
            CheckoutNotFound, CheckoutNotClaimed, CheckoutNotOpen: as they say.
            RequestIdReused: the id made another attempt.
            TendersInvalid, TendersInsufficient, PaymentMethodNotFound, CardAmountTooSmall: as they say.
            AttemptsTooMany, CardDeclinesTooMany: it was tried as often as it may be; nothing was asked.
            BalancesUnavailable: points or ledger did not tell; nothing has begun.
        """
        checkout, shopper = await self._reader.own_checkout(request.checkout_id, caller=caller)
        require_claimed(checkout, shopper_id(caller))
        if is_repeat(checkout, request_id=request.request_id, request_hash=request.request_hash):
            return await self._in_time.await_rest(checkout)
        require_open(checkout, now=self._clock())
        require_attempt_left(checkout, attempts_max=self._terms.attempts_max)
        plan = await self._plan(checkout, request.tenders, shopper, shopper_id(caller))
        if plan.missing_minor:
            raise TendersInsufficient(
                "The tenders do not pay what is due.", missing_minor=plan.missing_minor
            )
        if any(tender.card and tender.amount_minor for tender in plan.tenders):
            self._declines.require_few(shopper_id(caller))
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
        return await self._in_time.execute(command)

    async def _plan(
        self,
        checkout: Checkout,
        tenders: Sequence[TenderRequest],
        shopper: Shopper | None,
        customer_id: UUID,
    ) -> Plan:
        require_open(checkout, now=self._clock())
        check_requests(tenders)
        requests = tenders or all_means(shopper)
        funds = await self._read_funds(customer_id, {request.kind for request in requests})
        return plan_tenders(
            requests,
            due_minor=checkout.basket.due_minor,
            funds=funds,
            shopper=shopper,
            point_value_minor_per_100=self._terms.point_value_minor_per_100,
            card_least_minor=self._terms.card_least_minor.get(checkout.currency_code, 0),
        )
