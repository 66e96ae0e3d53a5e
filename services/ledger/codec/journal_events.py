"""Facts of the journal -> the events that the ledger publishes."""

from typing import Final

from google.protobuf.message import Message

from cagnotte.common.v1 import event_pb2
from cagnotte.ledger.v1 import events_pb2
from services.ledger.codec.render import render_transaction
from services.ledger.domain.account import Account
from services.ledger.domain.journal import Recorded
from services.ledger.domain.transaction import Kind

_TRANSACTION_POSTED: Final = events_pb2.TransactionPosted.DESCRIPTOR.full_name
_HOLD_EXPIRED: Final = events_pb2.HoldExpired.DESCRIPTOR.full_name


def render_event(recorded: Recorded, accounts: dict[int, Account]) -> tuple[str, bytes]:
    """Render an accepted transaction as its event: the type's full name and the bytes, always the same."""
    entry = recorded.entry
    assert not entry.status, "refusals are not published"
    transaction = render_transaction(recorded, accounts)
    metadata = event_pb2.EventMetadata(
        event_id=str(entry.transaction_id),
        occur_time=transaction.effective_time,
        record_time=transaction.recorded_time,
    )
    event: Message
    if entry.kind == Kind.HOLD_EXPIRED:
        event = events_pb2.HoldExpired(
            metadata=metadata,
            shard_id=entry.shard_id,
            hold_id=str(entry.target_id),
            transaction=transaction,
        )
        return _HOLD_EXPIRED, event.SerializeToString(deterministic=True)
    event = events_pb2.TransactionPosted(
        metadata=metadata, shard_id=entry.shard_id, transaction=transaction
    )
    return _TRANSACTION_POSTED, event.SerializeToString(deterministic=True)
