"""Every state table of points, walked beside the facts, subject by subject.

Facts and tables come sorted by subject, so that only one member's rows are in memory at a time.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from asyncpg import Record

from cagnotte.points.v1 import events_pb2 as pb
from services.auditor.merge import gather
from services.auditor.parallel import Sources
from services.auditor.points_fold import (
    UNREADABLE,
    FactRow,
    Kept,
    KeptRows,
    KeptSettlement,
    KnownProgramme,
    SubjectFold,
)
from services.auditor.points_rows import EXPECTED, KEY_COLUMNS, Key, Values, differences
from services.auditor.report import Check
from services.auditor.setbased import SetCheck, run_set_checks
from services.auditor.snapshot import batches, reading
from services.auditor.tally import Listener, Tally
from services.common.runtime.database import Connection, load_queries
from services.points.codec.journal import parse_event
from services.points.domain.batch import PublishedProgramme
from services.points.domain.event import ProgrammePublished

QUERIES: Final = load_queries(__package__, "points_members.sql")

OPEN_HOLDS: Final = SetCheck(
    "points.open_holds",
    ("holds_overdue",),
    counted="count_holds",
    proven="every open hold has its time still to come",
)

PROVEN: Final = {
    "members": "every member is what its facts say",
    "cards": "every card leads where its facts say",
    "balances": "every balance is what the facts of its member add up to",
    "lots": "every lot is what was earned, held, spent and expired of it",
    "holds": "every hold is what its facts made of it",
    "hold_lots": "the lots behind every hold are those it was made of",
    "tickets": "every ticket is kept under its fact, and no other",
    "conflicts": "every conflicting content is kept under its fact, and no other",
    "settlements": "every settled checkout is kept under its fact, and no other",
    "reversals": "every refunded checkout is kept under its fact, and no other",
}

KEPT_COLUMNS: Final = {"tickets": 2, "conflicts": 1, "settlements": 3}
"""How many columns at the end are content: they are proven by deciding again."""

SUBJECT_ROWS: Final = 500
"""Rows of each table held in memory at a time; tickets are large, and the tables are many."""


SHARES: Final = 2
"""Shares of the subjects, each walked by a process of its own: this is the longest part."""


class MembersAudit:
    """Compares every table with the facts while all of them stream by."""

    def __init__(
        self, programmes: Mapping[int, Sequence[KnownProgramme]], *, listener: Listener
    ) -> None:
        """Start with the programmes of each shard, in the order of their facts."""
        self._programmes = programmes
        self._facts = Tally("points.facts_fold_again", listener=listener)
        self._tables = {name: Tally(f"points.{name}", listener=listener) for name in EXPECTED}

    async def run(self, conn: Connection, share: int) -> list[Check]:
        """Walk facts and tables of a share of the subjects together."""
        streams = [_records(conn, name, share) for name in ("facts", *EXPECTED)]
        async for subject, (facts, *tables) in gather(streams):
            self._compare(subject, facts, dict(zip(EXPECTED, tables, strict=True)))
        return [
            self._facts.close("every fact folds, and every ticket is decided again as it was"),
            *(tally.close(PROVEN[name]) for name, tally in self._tables.items()),
        ]

    def _compare(
        self, subject: UUID, facts: Sequence[Record], tables: Mapping[str, Sequence[Record]]
    ) -> None:
        """Fold one subject and compare all its rows."""
        shard_id = facts[0]["shard_id"] if facts else -1
        fold = SubjectFold(shard_id, self._programmes.get(shard_id, ()))
        self._facts.cover(len(facts))
        faults = fold.fold(
            [FactRow(*row[2:]) for row in facts],
            _kept(tables),
        )
        for fault in faults:
            self._facts.blame(f"subject {subject}: {fault}")
        for name, rows in tables.items():
            tally = self._tables[name]
            tally.cover(len(rows))
            for fault in differences(EXPECTED[name](fold), _keyed(name, rows)):
                tally.blame(f"subject {subject}: {fault}")


def _kept(tables: Mapping[str, Sequence[Record]]) -> KeptRows:
    """Give what the tables keep of a subject's tickets, which is decided again."""
    return KeptRows(
        {row["ticket_id"]: Kept(*row[-2:]) for row in tables["tickets"]},
        {(row["ticket_id"], row["content_hash"]): row[-1] for row in tables["conflicts"]},
        {row["checkout_id"]: KeptSettlement(*row[-3:]) for row in tables["settlements"]},
    )


def _keyed(name: str, rows: Iterable[Record]) -> Iterator[tuple[Key, Values]]:
    """Split the rows of a table into key and compared values, without subject and kept bytes."""
    key_end = 1 + KEY_COLUMNS[name]
    values_end = -KEPT_COLUMNS.get(name, 0) or None
    for row in rows:
        yield tuple(row[1:key_end]), tuple(row[key_end:values_end])


async def _records(conn: Connection, name: str, share: int) -> AsyncIterator[tuple[UUID, Record]]:
    """Stream the rows of a query by their subject."""
    async for rows in batches(conn, QUERIES[name], share, SHARES, rows_max=SUBJECT_ROWS):
        for row in rows:
            yield row[0], row


async def audit_points_members(share: int, sources: Sources, listener: Listener) -> list[Check]:
    """Prove every state table of points from the journal, for one share of the subjects."""
    async with reading(sources.points) as conn:
        programmes = Tally("points.programmes", listener=listener)
        known = await _audit_programmes(conn, programmes)
        checks = await MembersAudit(known, listener=listener).run(conn, share)
    if share:
        # Every share needs the programmes; one of them answers for them.
        return checks
    return [programmes.close("every version is what was published"), *checks]


async def audit_points_holds(sources: Sources, listener: Listener) -> list[Check]:
    """Prove that no hold is open beyond its time."""
    async with reading(sources.points) as conn:
        return await run_set_checks(conn, [OPEN_HOLDS], QUERIES, listener=listener)


async def _audit_programmes(conn: Connection, tally: Tally) -> dict[int, list[KnownProgramme]]:
    """Compare the published versions with their facts, and give them by shard."""
    known: dict[int, list[KnownProgramme]] = {}
    expected: dict[Key, Values] = {}
    published = pb.EVENT_TYPE_PROGRAMME_PUBLISHED
    for shard_id, seq, payload in await conn.fetch(QUERIES["published"], published):
        try:
            event = parse_event(published, payload)
        except UNREADABLE as error:
            tally.blame(f"fact seq {seq} does not fold: {error}")
            continue
        assert isinstance(event, ProgrammePublished), "the type says so"
        version = PublishedProgramme(event.programme, event.content)
        known.setdefault(shard_id, []).append(KnownProgramme(seq, version))
        key = (event.programme.programme_id, event.programme.version)
        effective_from, publish_time = event.programme.effective_from, event.stamp.occur_time
        expected[key] = (shard_id, effective_from, event.content, publish_time)
    rows = await conn.fetch(QUERIES["programmes"])
    tally.cover(len(rows))
    for fault in differences(expected.items(), ((tuple(r[:2]), tuple(r[2:])) for r in rows)):
        tally.blame(fault)
    return known
