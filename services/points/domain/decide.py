"""The fold: one command after the other, each decided on what those before it left."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias, assert_never

from services.common.kernel.errors import DomainError
from services.points.domain.batch import Batch
from services.points.domain.command import (
    Command,
    EnrolMember,
    ExpireValue,
    HoldValue,
    IdentifyMember,
    LinkCard,
    PublishProgramme,
    RecordTicket,
    ReleaseHold,
    ReverseCheckout,
    SettleCheckout,
    SpendHold,
)
from services.points.domain.holding import (
    HoldOutcome,
    SweepOutcome,
    decide_hold,
    decide_release,
    decide_spend,
    decide_sweep,
)
from services.points.domain.keeping import Keep
from services.points.domain.member import (
    MemberOutcome,
    decide_enrol,
    decide_identify,
    decide_link,
)
from services.points.domain.publishing import PublishOutcome, decide_publish
from services.points.domain.recording import RecordOutcome, decide_ticket
from services.points.domain.reversing import ReverseOutcome, decide_reverse
from services.points.domain.settling import SettleOutcome, decide_settle
from services.points.domain.ticket import TicketLimits

Outcome: TypeAlias = (
    MemberOutcome
    | PublishOutcome
    | RecordOutcome
    | HoldOutcome
    | SweepOutcome
    | SettleOutcome
    | ReverseOutcome
)
"""What a command brought about."""

Answer: TypeAlias = Outcome | DomainError
"""What one caller hears; a refusal is one caller's and leaves no trace."""


def decide(
    batch: Batch,
    command: Command,
    *,
    now: datetime,
    limits: TicketLimits,
    keep: Keep,
) -> Outcome:
    """Decide one command and record its facts in the batch.

    Raises:
        DomainError: the command is refused; the batch is as it was.
    """
    match command:
        case RecordTicket():
            return decide_ticket(batch, command, now=now, limits=limits, keep=keep.decision)
        case EnrolMember():
            return decide_enrol(batch, command, now=now)
        case IdentifyMember():
            return decide_identify(batch, command, now=now)
        case LinkCard():
            return decide_link(batch, command, now=now)
        case PublishProgramme():
            return decide_publish(batch, command, now=now)
        case HoldValue():
            return decide_hold(batch, command, now=now)
        case SpendHold():
            return decide_spend(batch, command, now=now)
        case ReleaseHold():
            return decide_release(batch, command, now=now)
        case ExpireValue():
            return decide_sweep(batch, command, now=now)
        case SettleCheckout():
            return decide_settle(batch, command, now=now, keep=keep)
        case ReverseCheckout():
            return decide_reverse(batch, command, now=now)
        case _:
            assert_never(command)


def decide_all(
    batch: Batch,
    commands: Sequence[Command],
    *,
    now: datetime,
    limits: TicketLimits,
    keep: Keep,
) -> list[Answer]:
    """Decide commands in their order; a refusal never disturbs the rest."""
    answers: list[Answer] = []
    for command in commands:
        try:
            answers.append(decide(batch, command, now=now, limits=limits, keep=keep))
        except DomainError as refusal:
            answers.append(refusal)
    return answers
