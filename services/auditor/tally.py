"""Counting while a check streams: rows covered, offenders found, progress told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.auditor.report import BREAKS_MAX, OFFENDERS_MAX, BreakKind, Check, worst

TELL_ROWS: Final = 1_000
"""Rows between two words of progress: members are many, and most have few rows."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Rows that a check has covered since it last said so."""

    check: str
    rows: int


Listener = Callable[[Progress], None]
"""Hears how far the audit is; called from the auditor's own thread."""


def ignore_progress(_progress: Progress) -> None:
    """Hear nothing, for callers that show nothing."""


class Tally:
    """One check while it runs.

    Keeps the first offenders and counts the rest, so that a wholly broken table costs no more
    memory than a broken row; breaks of business, which people clear one by one, are kept by name.
    """

    def __init__(self, name: str, *, listener: Listener = ignore_progress) -> None:
        """Start an empty check; ``listener`` hears every call of ``cover``."""
        self._name = name
        self._listener = listener
        self._checked = 0
        self._untold = 0
        self._broken = 0
        self._offenders: list[str] = []
        self._breaks: list[str] = []
        self._kinds: set[BreakKind] = set()

    @property
    def kind(self) -> BreakKind:
        """What the breaks found so far ask for."""
        return worst(self._kinds)

    def cover(self, rows: int) -> None:
        """Count rows that were looked at, whatever was found."""
        self._checked += rows
        self._untold += rows
        if self._untold >= TELL_ROWS:
            self._tell()

    def blame(self, offender: str, kind: BreakKind = BreakKind.PROOF) -> None:
        """Record a broken row, in words that lead a reader to it."""
        self._broken += 1
        self._kinds.add(kind)
        if len(self._offenders) < OFFENDERS_MAX:
            self._offenders.append(offender)
        if kind is BreakKind.BUSINESS and len(self._breaks) < BREAKS_MAX:
            self._breaks.append(offender)

    def expect(self, *, holds: bool, offender: str, kind: BreakKind = BreakKind.PROOF) -> None:
        """Blame unless ``holds``."""
        if not holds:
            self.blame(offender, kind)

    def close(self, proven: str) -> Check:
        """Return the verdict; ``proven`` says what holds when nobody was blamed."""
        self._tell()
        if not self._broken:
            return Check(self._name, ok=True, checked=self._checked, detail=proven)
        detail = f"{self._broken} broken, first: {self._offenders[0]}"
        return Check(
            self._name,
            ok=False,
            checked=self._checked,
            detail=detail,
            offenders=tuple(self._offenders),
            kind=self.kind,
            broken=self._broken,
            breaks=tuple(self._breaks),
        )

    def _tell(self) -> None:
        """Tell the rows covered since the last time."""
        if self._untold:
            self._listener(Progress(self._name, self._untold))
            self._untold = 0
