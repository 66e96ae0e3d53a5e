"""Folded aggregates that are kept in memory, so that a batch reads only facts it has not seen.

Facts never change, so an aggregate folded up to a place in the journal stays right, and what
follows that place is all there is to read: nothing at all as long as this process is the only
one that writes.
"""

from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from services.common.runtime.database import Connection
from services.wallet.codec.journal import parse_event
from services.wallet.domain.batch import Batch
from services.wallet.domain.payment import Payment
from services.wallet.domain.shopper import Shopper
from services.wallet.store.payments import PAYMENTS


class _Kept(NamedTuple):
    seq: int
    payment: Payment | None
    shopper: Shopper | None


_NOTHING = _Kept(0, None, None)


class Shelf:
    """The aggregates of one shard that were last used."""

    def __init__(self, *, shard_id: int, size_max: int) -> None:
        """Keep at most ``size_max`` aggregates."""
        self._shard_id = shard_id
        self._size_max = size_max
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._head_seq = 0

    async def load(
        self,
        conn: Connection,
        batch: Batch,
        subjects: Collection[UUID],
        *,
        head_seq: int | None = None,
    ) -> None:
        """Put the aggregates of subjects into a batch, as the transaction sees them.

        ``head_seq`` is where the journal ends for a caller that holds the head's lock.
        """
        wanted: dict[UUID, int] = {}
        for subject in subjects:
            kept = self._kept.get(subject, _NOTHING)
            if kept.payment is not None:
                batch.payments[subject] = kept.payment
            if kept.shopper is not None:
                batch.shoppers[subject] = kept.shopper
            if kept is _NOTHING or head_seq is None or head_seq != self._head_seq:
                wanted[subject] = kept.seq
        if wanted:
            for event_type, payload in await conn.fetch(
                PAYMENTS["facts_since"], self._shard_id, list(wanted), list(wanted.values())
            ):
                batch.take(parse_event(event_type, payload))

    def keep(self, batch: Batch, subjects: Collection[UUID], *, head_seq: int) -> None:
        """Keep what a committed batch has left of its subjects; the journal ended at ``head_seq``."""
        for subject in subjects:
            payment = batch.payments.get(subject)
            shopper = batch.shoppers.get(subject)
            if payment is not None or shopper is not None:
                self._kept[subject] = _Kept(head_seq, payment, shopper)
                self._kept.move_to_end(subject)
        while len(self._kept) > self._size_max:
            self._kept.popitem(last=False)
        self._head_seq = head_seq
