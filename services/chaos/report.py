"""What an experiment found."""

import statistics
from collections import Counter
from dataclasses import dataclass, replace

from rich.table import Table

from services.chaos.killing import Recovery
from services.simulator.books import Books, PointsTotals
from services.simulator.phone_books import PhoneStanding
from services.simulator.receipts import Audited
from services.simulator.report import ReplayReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosReport:
    """What ``cagnotte chaos kills`` shows and writes."""

    seed: int
    rounds_asked: int
    rounds_done: int
    recoveries: tuple[Recovery, ...]
    replay: ReplayReport
    """What tills and phones were told against the books, while parts died."""
    receipts: tuple[Audited, ...]
    """What clients were told is done, asked for afterwards one by one."""
    repeated: ReplayReport
    """The same once more, undisturbed."""
    verify_ok: bool

    @property
    def nothing_lost(self) -> bool:
        """Tell whether everything that tills and phones know of is in the books: told again, nothing was new."""
        return self.repeated.ok and _standing(self.replay) == _standing(self.repeated)

    @property
    def receipts_ok(self) -> bool:
        """Tell whether everything that was acknowledged is there as it was acknowledged, once."""
        return all(each.ok for each in self.receipts)

    @property
    def ok(self) -> bool:
        """Tell whether every round took place and nothing is missing, double or unproven."""
        return (
            self.rounds_done == self.rounds_asked
            and self.replay.ok
            and self.receipts_ok
            and self.nothing_lost
            and self.verify_ok
        )

    def to_json(self) -> dict[str, object]:
        """Return the report as nested objects."""
        return {
            "ok": self.ok,
            "seed": self.seed,
            "rounds": {"asked": self.rounds_asked, "done": self.rounds_done},
            "killed": dict(sorted(Counter(each.part for each in self.recoveries).items())),
            "recovery_seconds": {
                part: {"median": round(median, 3), "max": round(longest, 3)}
                for part, (median, longest) in self._recovery_seconds().items()
            },
            "kills": [
                {
                    "round": each.round_number,
                    "part": each.part,
                    "at_seconds": round(each.at_seconds, 3),
                    "recovery_seconds": round(each.seconds, 3),
                }
                for each in self.recoveries
            ],
            "replay": self.replay.to_json(),
            "receipts": {
                each.kind: {
                    "acknowledged": each.acknowledged,
                    "found": each.found,
                    "in_service": each.in_service,
                }
                for each in self.receipts
            },
            "repeated": {"ok": self.repeated.ok, "nothing_new": self.nothing_lost},
            "verify": {"ok": self.verify_ok},
        }

    def table(self) -> Table:
        """Draw the recoveries for people."""
        verdict = "[green]nothing lost, nothing twice[/]" if self.ok else "[bold red]failed[/]"
        table = Table(
            title=f"{self.rounds_done} of {self.rounds_asked} rounds, seed {self.seed}: {verdict}",
            caption=f"{_told(self.receipts)}; the same replay again added nothing: {_yes(self.nothing_lost)}; "
            f"verify: {_yes(self.verify_ok)}",
        )
        table.add_column("part")
        for column in ("killed", "back after (median)", "at most"):
            table.add_column(column, justify="right")
        counts = Counter(each.part for each in self.recoveries)
        for part, (median, longest) in self._recovery_seconds().items():
            table.add_row(part, str(counts[part]), f"{median:.1f} s", f"{longest:.1f} s")
        return table

    def _recovery_seconds(self) -> dict[str, tuple[float, float]]:
        by_part: dict[str, list[float]] = {}
        for each in self.recoveries:
            by_part.setdefault(each.part, []).append(each.seconds)
        return {
            part: (statistics.median(seconds), max(seconds))
            for part, seconds in sorted(by_part.items())
        }


def _standing(report: ReplayReport) -> tuple[Books, PointsTotals, PhoneStanding]:
    """Return what the services have, but for what time alone changes: unpaid checkouts expire whenever they do."""
    phones = report.phones
    return report.books, report.points, replace(phones, wallet=replace(phones.wallet, expired=0))


def _told(receipts: tuple[Audited, ...]) -> str:
    found = ", ".join(f"{each.found:,} of {each.acknowledged:,} {each.kind}" for each in receipts)
    return f"acknowledged and there: {found}"


def _yes(value: bool) -> str:  # noqa: FBT001 -- it is what is said
    return "yes" if value else "NO"
