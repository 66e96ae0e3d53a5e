"""The journal as the relay publishes it: four kinds of facts; the others concern nobody outside."""

from typing import Final

from cagnotte.wallet.v1 import events_pb2 as pb
from services.common.runtime.database import Connection, load_queries
from services.common.runtime.relay import OutgoingFact
from services.wallet.codec.event import MESSAGES
from services.wallet.domain.event import (
    CheckoutCancelled,
    CheckoutRefunded,
    CheckoutSettled,
    Event,
    TopUpSettled,
)

OUTBOX: Final = load_queries(__package__, "outbox.sql")

PUBLIC_TYPES: Final = (
    pb.EVENT_TYPE_CHECKOUT_SETTLED,
    pb.EVENT_TYPE_CHECKOUT_CANCELLED,
    pb.EVENT_TYPE_CHECKOUT_REFUNDED,
    pb.EVENT_TYPE_TOP_UP_SETTLED,
)
"""The types of the facts that leave the service."""


def is_public(event: Event) -> bool:
    """Tell whether a fact leaves the service."""
    return isinstance(event, CheckoutSettled | CheckoutCancelled | CheckoutRefunded | TopUpSettled)


class CheckoutFacts:
    """What the relay publishes, under the key of the shopper, or of the checkout without one."""

    async def facts_after(
        self, conn: Connection, shard_id: int, seq: int, limit: int
    ) -> list[OutgoingFact]:
        """Give at most ``limit`` public facts that follow ``seq``, in order."""
        rows = await conn.fetch(
            OUTBOX["public_facts_after"], shard_id, seq, limit, list(PUBLIC_TYPES)
        )
        facts = []
        for row in rows:
            message = MESSAGES[row["event_type"]].FromString(row["payload"])
            facts.append(
                OutgoingFact(
                    seq=row["seq"],
                    event_id=row["event_id"],
                    type_name=message.DESCRIPTOR.full_name,
                    key=_key_of(message),
                    payload=row["payload"],
                    time=row["recorded_time"],
                    traceparent=message.metadata.trace_parent,  # type: ignore[attr-defined]  # every fact begins with it
                )
            )
        return facts


def _key_of(message: object) -> bytes:
    customer_id: str = getattr(message, "customer_id")  # noqa: B009 -- every fact has it, `object` has not
    if customer_id:
        return customer_id.encode()
    assert isinstance(message, pb.CheckoutCancelled), "whoever pays is known"
    return message.checkout_id.encode()
