"""Figures and what becomes of them."""

from services.bench.figures import BenchReport, Figures, Ratio
from services.bench.pace import Pace


def report() -> BenchReport:
    """Make a report of three rounds."""
    figures = Figures()
    for rate, limit in ((100.0, 300.0), (120.0, 200.0), (90.0, 250.0)):
        figures.note({"x.rate": rate, "limits.x": limit, "cpu_us/ledger": 2.0, "cpu_us/kafka": 1.0})
    ratios = (Ratio("limit / rate", "limits.x", "x.rate"), Ratio("other", "limits.y", "x.rate"))
    return BenchReport(figures, ratios, Pace(seconds=1.0, rounds=3))


class TestBenchReport:
    def test_gives_medians_by_name(self) -> None:
        """One slow round moves no figure, and the spread shows it."""
        content = report().to_json()

        assert content["x.rate"] == 100.0
        assert content["limits.x"] == 250.0
        assert isinstance(content["spread"], dict)
        assert content["spread"]["x.rate"] == [90.0, 120.0]

    def test_groups_cpu_time_by_process(self) -> None:
        """What is named after a process stands under it."""
        assert report().to_json()["cpu_us"] == {"ledger": 2.0, "kafka": 1.0}

    def test_has_the_ratios_whose_figures_were_measured(self) -> None:
        """A ratio is of medians of the same run; one without its figures is left out."""
        assert report().to_json()["ratios"] == {"limit / rate": 2.5}
