"""What an audit answers: one verdict a check, with how much it covered and the first offenders."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypedDict

OFFENDERS_MAX: Final = 5
"""How many offenders a check names: enough to start looking, never a page."""


class CheckJson(TypedDict):
    """A check as ``cagnotte verify --json`` writes it."""

    name: str
    ok: bool
    checked: int
    detail: str


class ReportJson(TypedDict):
    """A report as ``cagnotte verify --json`` writes it."""

    ok: bool
    checks: list[CheckJson]


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict: what was proven, over how many rows, and the first rows that break it."""

    name: str
    ok: bool
    checked: int
    detail: str
    offenders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """A passing check has no offender, and a failing one names at least one."""
        assert self.ok == (not self.offenders), self.name

    def joined(self, other: "Check") -> "Check":
        """Return the verdict over the rows of two shares of one check."""
        assert self.name == other.name, "shares of one check"
        broken = [check.detail for check in (self, other) if not check.ok]
        return Check(
            self.name,
            ok=self.ok and other.ok,
            checked=self.checked + other.checked,
            detail="; ".join(broken) or self.detail,
            offenders=(*self.offenders, *other.offenders)[:OFFENDERS_MAX],
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
        """Return exactly ``ok`` and ``checks[] {name, ok, checked, detail}``."""
        checks = [
            CheckJson(name=c.name, ok=c.ok, checked=c.checked, detail=c.detail) for c in self.checks
        ]
        return ReportJson(ok=self.ok, checks=checks)
