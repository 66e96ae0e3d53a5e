"""What an audit answers: one verdict a check, with how much it covered and the first offenders."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, NotRequired, TypedDict

OFFENDERS_MAX: Final = 5
"""How many offenders a check names: enough to start looking, never a page."""

BREAKS_MAX: Final = 10_000
"""How many breaks of business a check keeps by name, so that each can be told from those that are acknowledged."""

UNCONSUMED: Final = "is not yet consumed by {}: it is late, or a dead letter that never will be"
"""Says of an event that who follows it has not; one on a ``.dead`` topic waits for a person."""


class BreakKind(StrEnum):
    """What a failed check asks for."""

    PROOF = "proof"
    """Data was changed or lost, or a release is at fault: nothing may be trusted until somebody looked."""
    BUSINESS = "business"
    """Sound data tell of a break that a person clears; production goes on."""
    LAG = "lag"
    """Facts were under way between what was compared: nothing is proven yet, and nothing disproven."""


class Fault(NamedTuple):
    """What is wrong with a row, in words, and what it asks for."""

    text: str
    kind: BreakKind = BreakKind.PROOF


class Acknowledged(NamedTuple):
    """A break of business that somebody has looked at, word for word as the check named it."""

    check: str
    text: str
    by: str
    time: datetime
    why: str

    def to_json(self) -> dict[str, str]:
        """Return ``check``, ``break``, ``by``, ``time`` and ``why``: a line of the file of acknowledgements."""
        return {
            "check": self.check,
            "break": self.text,
            "by": self.by,
            "time": self.time.isoformat(),
            "why": self.why,
        }

    def line(self) -> str:
        """Say it in a sentence."""
        return f"{self.text} (acknowledged by {self.by}, {self.time.isoformat()}: {self.why})"


class Head(NamedTuple):
    """Where a journal ended: its last number, and the hash that fixes all before."""

    service: str
    shard_id: int
    seq: int
    hash: bytes


class CheckJson(TypedDict):
    """A check as ``cagnotte verify --json`` writes it."""

    name: str
    ok: bool
    checked: int
    detail: str
    kind: str


class ReportJson(TypedDict):
    """A report as ``cagnotte verify --json`` writes it.

    ``breaks``, ``acknowledged`` and ``unused`` come with ``--acknowledged``, ``heads`` with ``--heads``.
    """

    ok: bool
    checks: list[CheckJson]
    breaks: NotRequired[list[dict[str, str]]]
    acknowledged: NotRequired[list[dict[str, str]]]
    unused: NotRequired[list[dict[str, str]]]
    heads: NotRequired[list[dict[str, str | int]]]


def worst(kinds: Iterable[BreakKind]) -> BreakKind:
    """Return what breaks of these kinds ask for together; no break is of the kind that proves."""
    found = set(kinds)
    if not found or BreakKind.PROOF in found:
        return BreakKind.PROOF
    return BreakKind.BUSINESS if BreakKind.BUSINESS in found else BreakKind.LAG


def difference(*, arrived: bool) -> BreakKind:
    """Return the kind of a difference between two services, by whether all facts have arrived at who follows them."""
    return BreakKind.PROOF if arrived else BreakKind.LAG


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict: what was proven, over how many rows, and the first rows that break it.

    The kind is that of the worst break; a check that passes proves.
    """

    name: str
    ok: bool
    checked: int
    detail: str
    offenders: tuple[str, ...] = ()
    kind: BreakKind = BreakKind.PROOF
    broken: int = 0
    """How many breaks there are, named or not, without the acknowledged ones."""
    breaks: tuple[str, ...] = ()
    """The breaks of business, which may be acknowledged."""
    acknowledged: tuple[Acknowledged, ...] = ()

    def __post_init__(self) -> None:
        """A passing check has no offender, and a failing one names at least one."""
        assert self.ok == (not self.offenders), self.name

    def joined(self, other: "Check") -> "Check":
        """Return the verdict over the rows of two shares of one check."""
        assert self.name == other.name, "shares of one check"
        broken = [check for check in (self, other) if not check.ok]
        return Check(
            self.name,
            ok=self.ok and other.ok,
            checked=self.checked + other.checked,
            detail="; ".join(check.detail for check in broken) or self.detail,
            offenders=(*self.offenders, *other.offenders)[:OFFENDERS_MAX],
            kind=worst(check.kind for check in broken),
            broken=self.broken + other.broken,
            breaks=(*self.breaks, *other.breaks)[:BREAKS_MAX],
        )


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """All verdicts of one audit, in the order in which they read best."""

    ok: bool
    checks: tuple[Check, ...]
    unused: tuple[Acknowledged, ...] | None = None
    """Acknowledgements that match no break of business; None when the audit was given none."""
    heads: tuple[Head, ...] = ()
    """Where the journals ended, when the audit was asked to compare heads."""

    @classmethod
    def of(cls, checks: Iterable[Check]) -> "VerifyReport":
        """Gather checks; the audit passes when every one does and there is at least one.

        Checks of one name are shares of one check and become one.
        """
        by_name: dict[str, Check] = {}
        for check in checks:
            known = by_name.get(check.name)
            by_name[check.name] = known.joined(check) if known else check
        gathered = tuple(by_name.values())
        return cls(ok=bool(gathered) and all(check.ok for check in gathered), checks=gathered)

    def failed(self) -> tuple[Check, ...]:
        """Return the checks that found an offender."""
        return tuple(check for check in self.checks if not check.ok)

    def to_json(self) -> ReportJson:
        """Return exactly ``ok`` and ``checks[] {name, ok, checked, detail, kind}``.

        An audit that was given acknowledgements adds the breaks of business that are left, those that are
        acknowledged, and the acknowledgements that match nothing; one that compared heads adds the present ones.
        """
        checks = [
            CheckJson(name=c.name, ok=c.ok, checked=c.checked, detail=c.detail, kind=c.kind.value)
            for c in self.checks
        ]
        report = ReportJson(ok=self.ok, checks=checks)
        if self.unused is not None:
            report["breaks"] = [
                {"check": c.name, "break": text} for c in self.checks for text in c.breaks
            ]
            report["acknowledged"] = [one.to_json() for c in self.checks for one in c.acknowledged]
            report["unused"] = [one.to_json() for one in self.unused]
        if self.heads:
            report["heads"] = [head._asdict() | {"hash": head.hash.hex()} for head in self.heads]
        return report
