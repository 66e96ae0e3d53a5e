"""Answer questions: members, balances, tickets, programmes, totals, the journal's proof.

Shoppers see their own data only: whoever is asked about is looked up first, and then it is
checked that the caller may know.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.access import require_own_data
from services.common.runtime.database import Database
from services.common.runtime.identity import Caller
from services.common.runtime.journal import ChainReport, read_fact_bytes, read_head, verify_chain
from services.points.domain.batch import PublishedProgramme
from services.points.domain.holding import usable_lots
from services.points.domain.member import MemberNotFound
from services.points.domain.programme import Programme, ProgrammeNotFound, in_force
from services.points.domain.state import LotRow, MemberRow
from services.points.domain.ticket import TicketKey, TicketNotFound
from services.points.store import reads
from services.points.store.holders import MemberName, find_holder
from services.points.store.programmes import ProgrammeShelf
from services.points.store.reads import KeptTicket, Totals


class MemberView(NamedTuple):
    """A member and the numbers of its cards."""

    member: MemberRow
    card_numbers: Sequence[str]


class CurrencyPosition(NamedTuple):
    """What a member has of one currency; ``ends`` are (instant, quantity), soonest first."""

    currency: LoyaltyCurrency
    available: int
    held: int
    ends: Sequence[tuple[datetime, int]]


class Reader:
    """The questions of one shard."""

    def __init__(self, db: Database, *, shard_id: int) -> None:
        """Take the database."""
        self._db = db
        self._shard_id = shard_id
        self._programmes = ProgrammeShelf(shard_id=shard_id)

    async def member(self, name: MemberName, *, caller: Caller) -> MemberView:
        """Find a member with its cards.

        Raises:
            MemberNotFound, CallerNotAllowed: nobody, or not the caller's to see.
        """
        async with self._db.connection() as conn:
            found = await reads.find_member(conn, name, shard_id=self._shard_id)
            member = _permitted(found, name, caller)
            cards = await reads.cards_of(conn, member.member_id, shard_id=self._shard_id)
        return MemberView(member, cards)

    async def balances(
        self, name: MemberName, *, caller: Caller, now: datetime
    ) -> tuple[UUID, list[CurrencyPosition]]:
        """Find what a member has now, by lot; what is over but not yet swept is not there.

        Raises:
            MemberNotFound, CallerNotAllowed: nobody, or not the caller's to see.
        """
        async with self._db.connection() as conn:
            holder = await find_holder(conn, name, shard_id=self._shard_id)
        member = _permitted(holder.member if holder else None, name, caller)
        lots = holder.lots if holder else []
        return member.member_id, [_position(lots, currency, now) for currency in LoyaltyCurrency]

    async def ticket(self, key: TicketKey) -> KeptTicket:
        """Find what is recorded under a key.

        Raises:
            TicketNotFound: nothing is.
        """
        async with self._db.connection() as conn:
            kept = await reads.read_ticket(conn, key, shard_id=self._shard_id)
        if kept is None:
            raise TicketNotFound("Nothing is recorded under the key.", store_id=key.store_id)
        return kept

    async def programme(self, programme_id: str, version: int, *, now: datetime) -> Programme:
        """Find a published version; 0 asks for the one in force now.

        Raises:
            ProgrammeNotFound: there is none.
        """
        async with self._db.connection() as conn:
            published = await self._programmes.load(conn)
        programme = _choose(published, programme_id, version, now)
        if programme is None:
            raise ProgrammeNotFound("No such programme.", programme_id=programme_id)
        return programme

    async def totals(self) -> tuple[Totals, int]:
        """Sum all lots, and give the number of the journal's last fact with it."""
        async with self._db.snapshot() as conn:
            totals = await reads.read_totals(conn, shard_id=self._shard_id)
            head = await read_head(conn, self._shard_id)
        return totals, head.seq

    async def verify_journal(self) -> tuple[ChainReport, bytes]:
        """Recompute the chain of the journal, streaming; give the report and the head's hash."""
        async with self._db.snapshot() as conn:
            report = await verify_chain(conn, self._shard_id, read_fact_bytes)
            head = await read_head(conn, self._shard_id)
        return report, head.head_hash


def _permitted(member: MemberRow | None, name: MemberName, caller: Caller) -> MemberRow:
    """Give the member if it exists and the caller may see it.

    To a shopper, a member or card that does not exist is like one of somebody else: who
    probes numbers learns nothing.
    """
    if member is None:
        require_own_data(caller, name.customer_id)
        raise MemberNotFound("No such member.")
    require_own_data(caller, member.customer_id)
    return member


def _position(lots: list[LotRow], currency: LoyaltyCurrency, now: datetime) -> CurrencyPosition:
    ends: dict[datetime, int] = {}
    for lot in usable_lots(lots, currency, now=now):
        ends[lot.expire_time] = ends.get(lot.expire_time, 0) + lot.available
    return CurrencyPosition(
        currency=currency,
        available=sum(ends.values()),
        held=sum(lot.held for lot in lots if lot.currency is currency),
        ends=list(ends.items()),
    )


def _choose(
    published: Sequence[PublishedProgramme], programme_id: str, version: int, now: datetime
) -> Programme | None:
    versions = [
        known.programme for known in published if known.programme.programme_id == programme_id
    ]
    if not version:
        return next(iter(in_force(versions, at=now)), None)
    return next((known for known in versions if known.version == version), None)
