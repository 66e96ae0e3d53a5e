"""Breaks that a person has looked at: who, when and why, so that the audit speaks of what is new.

The file is a list that only grows, one JSON object a line: ``check``, ``break``, ``by``, ``time`` and ``why``. Only a
break of business can be acknowledged, and only word for word as the audit names it: one that changes is a new one. A
break of the proof cannot, whatever a file says.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from services.auditor.object_lines import parse_object, read_lines
from services.auditor.parallel import AuditError
from services.auditor.report import OFFENDERS_MAX, Acknowledged, Check, VerifyReport

CHECKS: Final = frozenset(
    {
        "books.checkout_sales_by_vat_rate",
        "books.checkout_totals",
        "books.checkouts_booked_once",
        "books.clearing",
        "books.events_booked_once",
        "books.hand_postings",
        "books.loyalty_holds",
        "books.prepaid_holds",
        "books.sales_by_vat_rate",
        "books.settled_in_points",
    }
)
"""The checks that can find a break of business for a person to clear; a relay that is late catches up by itself."""

_KEYS: Final = ("check", "break", "by", "time", "why")


def read_acknowledgements(file: Path) -> tuple[Acknowledged, ...]:
    """Read a file of acknowledgements; raise AuditError with the line that is none."""
    return tuple(
        _parse(line, place) for place, line in read_lines(file, what="the acknowledgements")
    )


def write_acknowledgement(file: Path, acknowledged: Acknowledged) -> None:
    """Add a line to the file; what stands there stays. Raises AuditError where a part is empty or no such check is."""
    if acknowledged.check not in CHECKS:
        raise AuditError(
            f"{acknowledged.check} finds no break that can be acknowledged; these do: {', '.join(sorted(CHECKS))}"
        )
    line = json.dumps(acknowledged.to_json(), ensure_ascii=False)
    _parse(line, "an acknowledgement")
    try:
        with file.open("a", encoding="utf-8") as out:
            out.write(f"{line}\n")
    except OSError as error:
        raise AuditError(f"cannot write the acknowledgement: {error}") from error


def _parse(line: str, place: str) -> Acknowledged:
    parts = parse_object(line, place, keys=_KEYS)
    if not all(isinstance(part, str) and part.strip() for part in parts.values()):
        raise AuditError(f"{place} leaves something empty: each part is a text")
    try:
        time = datetime.fromisoformat(parts["time"])
    except ValueError as error:
        raise AuditError(f"{place}: {error}") from error
    if time.tzinfo is None:
        raise AuditError(f"{place}: the time {parts['time']} has no time zone")
    return Acknowledged(parts["check"], parts["break"], parts["by"], time, parts["why"])


def acknowledge(report: VerifyReport, known: Sequence[Acknowledged]) -> VerifyReport:
    """Give the report in which acknowledged breaks no longer fail their checks; they and what is unused are named.

    Of several lines about one break the last one counts.
    """
    by_break = {(one.check, one.text): one for one in known}
    checks = tuple(_acknowledge(check, by_break) for check in report.checks)
    used = {(one.check, one.text) for check in checks for one in check.acknowledged}
    unused = tuple(one for key, one in by_break.items() if key not in used)
    return replace(VerifyReport.of(checks), unused=unused, heads=report.heads)


def _acknowledge(check: Check, by_break: dict[tuple[str, str], Acknowledged]) -> Check:
    """Give a check without the breaks that are acknowledged; several of one text are acknowledged together."""
    known = [by_break.get((check.name, text)) for text in check.breaks]
    matched = tuple(dict.fromkeys(one for one in known if one is not None))
    if not matched:
        return check
    texts = {one.text for one in matched}
    breaks = tuple(text for text in check.breaks if text not in texts)
    broken = check.broken - (len(check.breaks) - len(breaks))
    left = _first(text for text in (*check.offenders, *breaks) if text not in texts)
    if not broken:
        detail = f"nothing but what is acknowledged: {len(matched)}"
        return Check(
            check.name, ok=True, checked=check.checked, detail=detail, acknowledged=matched
        )
    # More is broken than is named only where the first ones alone were kept: those are not acknowledged.
    offenders = left or ("others than those that are acknowledged; there are too many to name",)
    return replace(
        check,
        detail=f"{broken} broken, first: {offenders[0]}",
        offenders=offenders,
        breaks=breaks,
        broken=broken,
        acknowledged=matched,
    )


def _first(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))[:OFFENDERS_MAX]
