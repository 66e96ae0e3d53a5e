"""What an audit answers: one verdict a check, with how much it covered and the first offenders."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypedDict

OFFENDERS_MAX: Final = 5
"""How many offenders a check names: enough to start looking, never a page."""

UNCONSUMED: Final = "is not yet consumed by {}: it is late, or a dead letter that never will be"
"""Says of an event that who follows it has not; one on a ``.dead`` topic waits for a person."""


class BreakKind(StrEnum):
    """What a failed check asks for."""

    PROOF = "proof"
    """Data was changed or lost, or a release is at fault: nothing may be trusted until somebody looked."""
    BUSINESS = "business"
    """Sound data tell of a break that a person clears; production goes on."""


class Fault(NamedTuple):
    """What is wrong with a row, in words, and what it asks for."""

    text: str
    kind: BreakKind = BreakKind.PROOF


class CheckJson(TypedDict):
    """A check as ``cagnotte verify --json`` writes it."""

    name: str
    ok: bool
    checked: int
    detail: str
    kind: str


class ReportJson(TypedDict):
    """A report as ``cagnotte verify --json`` writes it."""

    ok: bool
    checks: list[CheckJson]


def worst(kinds: Iterable[BreakKind]) -> BreakKind:
    """Return what breaks of these kinds ask for together; no break is of the kind that proves."""
    return BreakKind.BUSINESS if set(kinds) == {BreakKind.BUSINESS} else BreakKind.PROOF


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
        )


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """All verdicts of one audit, in the order in which they read best."""

    ok: bool
    checks: tuple[Check, ...]

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
        """Return exactly ``ok`` and ``checks[] {name, ok, checked, detail, kind}``."""
        checks = [
            CheckJson(name=c.name, ok=c.ok, checked=c.checked, detail=c.detail, kind=c.kind.value)
            for c in self.checks
        ]
        return ReportJson(ok=self.ok, checks=checks)
