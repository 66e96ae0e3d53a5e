"""How decisions are kept: their canonical bytes, which another room makes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from services.points.domain.award import TicketDecision
from services.points.domain.event import LoyaltyTender


@dataclass(frozen=True, slots=True)
class Settlement:
    """How the checkout of a ticket was settled, as far as loyalty goes."""

    checkout_id: UUID
    settle_time: datetime
    tenders: tuple[LoyaltyTender, ...]
    decision: TicketDecision


KeepDecision: TypeAlias = Callable[[TicketDecision], bytes]
"""How a decision is kept."""

KeepSettlement: TypeAlias = Callable[[Settlement], bytes]
"""How a settlement is kept."""


class Keep(NamedTuple):
    """How each of them is kept."""

    decision: KeepDecision
    settlement: KeepSettlement
