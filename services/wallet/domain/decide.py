"""The fold: one command after the other, each decided on what those before it left."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias, assert_never

from services.common.kernel.errors import DomainError
from services.wallet.domain.batch import Batch
from services.wallet.domain.command import (
    ClaimCheckout,
    Command,
    DefaultMethod,
    DetachMethod,
    EnrolMethod,
    ExpireCheckouts,
    OpenCheckout,
    RecordAnswers,
    RegisterShopper,
    RequestCancellation,
    StartPayment,
    StartRefund,
    StartTopUp,
)
from services.wallet.domain.enrolling import (
    ShopperOutcome,
    decide_default,
    decide_detach,
    decide_enrol,
    decide_register,
)
from services.wallet.domain.opening import (
    PaymentOutcome,
    SweepOutcome,
    decide_cancel,
    decide_claim,
    decide_expire,
    decide_open,
)
from services.wallet.domain.paying import (
    decide_answers,
    decide_payment,
    decide_refund,
    decide_top_up,
)

Outcome: TypeAlias = PaymentOutcome | ShopperOutcome | SweepOutcome
"""What a command brought about."""

Verdict: TypeAlias = Outcome | DomainError
"""What one caller hears; a refusal is one caller's and leaves no trace."""


def decide(batch: Batch, command: Command, *, now: datetime) -> Outcome:
    """Decide one command and record its facts, with all that follows, in the batch.

    Raises:
        DomainError: the command is refused; the batch is as it was.
    """
    match command:
        case RecordAnswers():
            return decide_answers(batch, command, now=now)
        case OpenCheckout():
            return decide_open(batch, command, now=now)
        case ClaimCheckout():
            return decide_claim(batch, command, now=now)
        case StartPayment():
            return decide_payment(batch, command, now=now)
        case RequestCancellation():
            return decide_cancel(batch, command, now=now)
        case ExpireCheckouts():
            return decide_expire(batch, command, now=now)
        case StartRefund():
            return decide_refund(batch, command, now=now)
        case StartTopUp():
            return decide_top_up(batch, command, now=now)
        case _:
            return _decide_for_shopper(batch, command, now=now)


def _decide_for_shopper(
    batch: Batch,
    command: RegisterShopper | EnrolMethod | DefaultMethod | DetachMethod,
    *,
    now: datetime,
) -> ShopperOutcome:
    match command:
        case RegisterShopper():
            return decide_register(batch, command, now=now)
        case EnrolMethod():
            return decide_enrol(batch, command, now=now)
        case DefaultMethod():
            return decide_default(batch, command, now=now)
        case DetachMethod():
            return decide_detach(batch, command, now=now)
        case _:
            assert_never(command)


def decide_all(batch: Batch, commands: Sequence[Command], *, now: datetime) -> list[Verdict]:
    """Decide commands in their order; a refusal never disturbs the rest."""
    verdicts: list[Verdict] = []
    for command in commands:
        try:
            verdicts.append(decide(batch, command, now=now))
        except DomainError as refusal:
            verdicts.append(refusal)
    return verdicts
