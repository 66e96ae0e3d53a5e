"""The figures of a run: every round of each, their median and spread, and the ratios between them."""

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

import psutil
from rich.table import Table

from services.bench.pace import Effort

_GIB = 1024**3
_TENFOLD = 10


@dataclass(slots=True)
class Figures:
    """What was measured, by the figure's name (``ledger.grpc_unary``), one value a round."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def note(self, values: Mapping[str, float]) -> None:
        """Add a round's values."""
        for name, value in values.items():
            self.rounds.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        """Give a figure: the median of its rounds."""
        return median(self.rounds[name])

    def spread(self, name: str) -> tuple[float, float]:
        """Give a figure's lowest and highest round."""
        return min(self.rounds[name]), max(self.rounds[name])


@dataclass(frozen=True, slots=True)
class Ratio:
    """How one figure compares with another of the same run."""

    name: str
    of: str
    to: str


@dataclass(frozen=True, slots=True)
class BenchReport:
    """A finished run."""

    figures: Figures
    ratios: tuple[Ratio, ...]
    pace: Effort

    def to_json(self) -> dict[str, object]:
        """Give every figure under its own name, CPU times as objects by process, and how they came about."""
        figures = self.figures
        content: dict[str, object] = {}
        for name in figures.rounds:
            group, _, process = name.partition("/")
            if process:
                by_process = content.setdefault(group, {})
                assert isinstance(by_process, dict), "a group holds processes only"
                by_process[process] = _rounded(figures.median(name))
            else:
                content[name] = _rounded(figures.median(name))
        content["ratios"] = {ratio.name: round(value, 3) for ratio, value in self._ratios()}
        content["spread"] = {
            name: [_rounded(bound) for bound in figures.spread(name)] for name in figures.rounds
        }
        content.update(self.pace.to_json())
        content["machine"] = describe_machine()
        return content

    def table(self) -> Table:
        """Draw the report for people."""
        table = Table(caption=" · ".join(f"{k} {v}" for k, v in describe_machine().items()))
        table.add_column("figure", no_wrap=True)
        for column in ("median", "lowest", "highest"):
            table.add_column(column, justify="right")
        for name in self.figures.rounds:
            low, high = self.figures.spread(name)
            table.add_row(name, *map(_text, (self.figures.median(name), low, high)))
        table.add_section()
        for ratio, value in self._ratios():
            table.add_row(ratio.name, f"{value:.2f}", "", "")
        return table

    def _ratios(self) -> Iterable[tuple[Ratio, float]]:
        for ratio in self.ratios:
            if {ratio.of, ratio.to} <= self.figures.rounds.keys():
                yield ratio, self.figures.median(ratio.of) / self.figures.median(ratio.to)


def describe_machine() -> dict[str, object]:
    """Tell what the run had: without it no figure means anything."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / _GIB),
        "load_before": round(os.getloadavg()[2], 2),
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 -- a file of the kernel's
            names = [line.partition(":")[2] for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0].strip() if names else platform.machine()


def _rounded(value: float) -> float:
    return round(value, 1) if abs(value) >= _TENFOLD else round(value, 3)


def _text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 * _TENFOLD else f"{value:,.2f}"
