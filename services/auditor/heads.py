"""The heads of the journals, noted where no database's owner can write, and compared at every later audit.

A head's hash fixes all that its journal said by then. Whoever owns every database could write a consistent other
history, or cut a journal's end off; neither leads to a head that was noted before. The file is a list that only grows,
one JSON object a line: ``service``, ``shard_id``, ``seq``, ``hash`` (hexadecimal) and ``time`` of the note.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from services.auditor.facts import QUERIES
from services.auditor.object_lines import parse_object, read_lines
from services.auditor.parallel import AuditError, Sources
from services.auditor.report import BreakKind, Check, Head, VerifyReport
from services.auditor.snapshot import Source, reading
from services.auditor.tally import Listener, Tally

SERVICES: Final = ("ledger", "points", "wallet")
"""Whose journals have heads."""

_KEYS: Final = ("service", "shard_id", "seq", "hash", "time")


class NotedHead(NamedTuple):
    """A head as an earlier audit found it."""

    head: Head
    time: datetime


def read_heads(file: Path) -> tuple[NotedHead, ...]:
    """Read a file of noted heads; raise AuditError where it is not there or a line is none."""
    return tuple(
        _parse(line, place) for place, line in read_lines(file, what="the heads noted before")
    )


def note_heads(
    file: Path, report: VerifyReport, known: Iterable[NotedHead], *, now: datetime
) -> None:
    """Add the report's heads to the file, those that stand there left out; raise AuditError when it cannot be written.

    An audit that disproved something adds none: a head is noted for what it proves.
    """
    if any(check.kind is BreakKind.PROOF for check in report.failed()):
        return
    there = {noted.head for noted in known}
    lines = [
        json.dumps(head._asdict() | {"hash": head.hash.hex(), "time": now.isoformat()})
        for head in report.heads
        if head not in there
    ]
    try:
        with file.open("a", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise AuditError(f"cannot note the heads: {error}") from error


async def with_heads(
    report: VerifyReport, sources: Sources, noted: Sequence[NotedHead], *, listener: Listener
) -> VerifyReport:
    """Add the journals' heads, and that every head noted before is still one of their blocks."""
    frozen: Mapping[str, Source | None] = {
        "ledger": sources.ledger,
        "points": sources.points,
        "wallet": sources.wallet,
    }
    heads: list[Head] = []
    checks: list[Check] = []
    for service, source in frozen.items():
        if source is None:
            continue
        of_service = [one for one in noted if one.head.service == service]
        present, check = await _compare(service, source, of_service, listener)
        heads += present
        checks.append(check)
    return replace(VerifyReport.of((*report.checks, *checks)), heads=tuple(heads))


async def _compare(
    service: str, source: Source, noted: Sequence[NotedHead], listener: Listener
) -> tuple[list[Head], Check]:
    tally = Tally(f"{service}.heads", listener=listener)
    async with reading(source) as conn:
        rows = await conn.fetch(QUERIES["heads"])
        present = [Head(service, *row) for row in rows if row["seq"]]
        for head, time in noted:
            tally.cover(1)
            now = await conn.fetchval(QUERIES["block_hash_at"], head.shard_id, head.seq)
            where = (
                f"the head of shard {head.shard_id} at seq {head.seq}, noted at {time.isoformat()},"
            )
            if now is None:
                tally.blame(f"{where} is gone: the journal was cut off or written anew")
            elif now != head.hash:
                tally.blame(f"{where} has another hash: what the journal said by then was changed")
    return present, tally.close("every head that was noted before still stands")


def _parse(line: str, place: str) -> NotedHead:
    parts = parse_object(line, place, keys=_KEYS)
    try:
        return _noted(parts)
    except (TypeError, ValueError) as error:
        raise AuditError(f"{place} is no noted head: {error}") from error


def _noted(parts: Mapping[str, Any]) -> NotedHead:
    if parts["service"] not in SERVICES:
        raise ValueError(f"there is no service {parts['service']}")
    if not all(isinstance(parts[key], int) for key in ("shard_id", "seq")):
        raise ValueError("shard_id and seq are numbers")
    time = datetime.fromisoformat(parts["time"])
    if time.tzinfo is None:
        raise ValueError(f"the time {parts['time']} has no time zone")
    hash_ = bytes.fromhex(parts["hash"])
    return NotedHead(Head(parts["service"], parts["shard_id"], parts["seq"], hash_), time)
