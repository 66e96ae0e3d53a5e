"""Make the call that a step asks for, and classify what came of it."""

import asyncio
from collections.abc import Awaitable
from functools import cache
from typing import Final, assert_never

import structlog
from prometheus_client import Counter

from services.common.kernel.loyalty import LoyaltyAmount, LoyaltyCurrency
from services.wallet.clients.answer import CallAnswer, unknown
from services.wallet.clients.provider import CardCall, Provider
from services.wallet.clients.stored_value import MoneyHold, MoneyHolds, ValueHold, ValueHolds
from services.wallet.domain.command import Answer
from services.wallet.domain.ladder import Rung, rung
from services.wallet.domain.leg import LegOperation, LegPhase
from services.wallet.domain.step import Step, StepKind
from services.wallet.domain.tender import TenderKind

CALLS: Final = Counter(
    "cagnotte_wallet_leg_calls", "Calls made for legs.", ["operation", "outcome"]
)

_CURRENCIES: Final = {
    TenderKind.KITTY: LoyaltyCurrency.KITTY,
    TenderKind.POINTS: LoyaltyCurrency.POINTS,
}

log = structlog.get_logger(__name__)


@cache
def _counter(operation: LegOperation | None, phase: LegPhase) -> Counter:
    """Look a counter's child up once; both labels have few values."""
    assert operation is not None, "a step is an operation"
    return CALLS.labels(operation.name, phase.name)


class Perform:
    """Makes calls to points, ledger and provider, a bounded number of them at a time.

    A provider that hangs must not keep stored value from being held or released, so its calls
    are bounded by themselves.
    """

    def __init__(
        self, provider: Provider, values: ValueHolds, moneys: MoneyHolds, *, calls_max: int
    ) -> None:
        """Take whom to call."""
        self._provider = provider
        self._values = values
        self._moneys = moneys
        self._provider_slots = asyncio.Semaphore(calls_max)
        self._value_slots = asyncio.Semaphore(calls_max)

    async def __call__(self, step: Step, *, probe_number: int) -> Answer:
        """Make a step's call; ``probe_number`` is 0 for the first one, and counts what finds out later.

        Nothing that happens on the way is raised: it is an unknown outcome.
        """
        at_provider = step.leg.kind is TenderKind.CARD
        async with self._provider_slots if at_provider else self._value_slots:
            try:
                answer = await self._call(step, probe_number)
            except Exception:
                log.exception("wallet.call_failed", leg_id=str(step.leg.leg_id))
                answer = unknown("fault")
        leg = step.leg
        _counter(leg.operation, answer.phase).inc()
        # What went well at once stands in the facts; the log keeps what somebody may ask about.
        went_well = answer.phase is LegPhase.DONE and not probe_number
        write = log.debug if went_well else log.info
        write(
            "wallet.leg_called",
            payment_id=str(step.payment_id),
            leg_id=str(leg.leg_id),
            operation=leg.operation.name,
            try_number=leg.try_number,
            probe_number=probe_number,
            outcome=answer.phase.name,
            cause=answer.cause,
        )
        return Answer(
            leg_id=leg.leg_id,
            operation=leg.operation,
            try_number=leg.try_number,
            phase=answer.phase,
            decline=answer.decline,
            provider_reference=answer.provider_reference,
        )

    def _call(self, step: Step, probe_number: int) -> Awaitable[CallAnswer]:
        match step.kind:
            case StepKind.HOLD_VALUE:
                return self._values.hold(_value_hold(step))
            case StepKind.HOLD_MONEY:
                return self._moneys.hold(_money_hold(step))
            case StepKind.RELEASE_VALUE:
                return self._values.release(step.leg.leg_id)
            case StepKind.RELEASE_MONEY:
                return self._moneys.release(step.leg.leg_id, payment_id=step.payment_id)
            case StepKind.AUTHORIZE:
                return self._authorize(step, probe_number)
            case StepKind.CAPTURE | StepKind.CANCEL_CARD | StepKind.REFUND_CARD:
                return self._card(step, first=not probe_number)
            case _:
                assert_never(step.kind)

    def _authorize(self, step: Step, probe_number: int) -> Awaitable[CallAnswer]:
        call, provider = _card_call(step), self._provider
        if not probe_number:
            return provider.authorize(call)
        match rung(probe_number, wanted=step.wanted):
            case Rung.RETRY:
                return provider.retry_authorization(call)
            case Rung.LOOK_UP:
                return provider.look_up_authorization(call)
            case Rung.BURN:
                return provider.burn_authorization(call)

    def _card(self, step: Step, *, first: bool) -> Awaitable[CallAnswer]:
        call, provider = _card_call(step), self._provider
        match step.kind:
            case StepKind.CAPTURE:
                return provider.capture(call) if first else provider.find_out_capture(call)
            case StepKind.CANCEL_CARD:
                return provider.cancel(call) if first else provider.find_out_cancellation(call)
            case _:
                assert step.kind is StepKind.REFUND_CARD, "the others are no card's"
                return provider.refund(call) if first else provider.find_out_refund(call)


def _value_hold(step: Step) -> ValueHold:
    assert step.hold_expire_time is not None, "only checkouts hold"
    return ValueHold(
        leg_id=step.leg.leg_id,
        customer_id=step.customer_id,
        amount=LoyaltyAmount(_CURRENCIES[step.leg.kind], step.leg.quantity),
        expire_time=step.hold_expire_time,
    )


def _money_hold(step: Step) -> MoneyHold:
    assert step.hold_expire_time is not None, "only checkouts hold"
    return MoneyHold(
        leg_id=step.leg.leg_id,
        payment_id=step.payment_id,
        customer_id=step.customer_id,
        amount_minor=step.leg.amount_minor,
        currency_code=step.currency_code,
        expire_time=step.hold_expire_time,
    )


def _card_call(step: Step) -> CardCall:
    leg = step.leg
    assert leg.card is not None, "a card's leg has its tokens"
    return CardCall(
        payment_id=step.payment_id,
        leg_id=leg.leg_id,
        try_number=leg.try_number,
        amount_minor=leg.amount_minor,
        currency_code=step.currency_code,
        provider_customer=leg.card.provider_customer,
        provider_method=leg.card.provider_method,
        provider_reference=leg.provider_reference,
    )
