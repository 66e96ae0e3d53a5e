"""Breaks that a person has looked at: they are named for ever, and fail nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from services.auditor import AuditError
from services.auditor.acknowledgements import (
    acknowledge,
    read_acknowledgements,
    write_acknowledgement,
)
from services.auditor.render import render_report, render_unused
from services.auditor.report import Acknowledged, BreakKind, Check, VerifyReport
from services.auditor.tally import Tally

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
TOTALS = "books.checkout_totals"


def known(text: str, *, check: str = TOTALS) -> Acknowledged:
    """Make an acknowledgement."""
    return Acknowledged(
        check, text, "A. Martin, accounting", AT, "refunded at the till, voucher 17"
    )


def check_of(*breaks: str, proof: str = "") -> Check:
    """Make a check that found breaks of business, and perhaps one of the proof."""
    tally = Tally(TOTALS)
    tally.cover(9)
    for text in breaks:
        tally.blame(text, BreakKind.BUSINESS)
    if proof:
        tally.blame(proof)
    return tally.close("proven")


def report_of(*breaks: str, proof: str = "") -> VerifyReport:
    """Make a report of one such check and one that passes."""
    passed = Check("ledger.sequence", ok=True, checked=4, detail="no gap")
    return VerifyReport.of([passed, check_of(*breaks, proof=proof)])


class TestAcknowledge:
    def test_what_was_looked_at_fails_nothing_and_is_still_named(self) -> None:
        """With who, when and why."""
        report = acknowledge(report_of("checkout 1"), [known("checkout 1")])
        assert report.ok
        assert report.checks[1].acknowledged == (known("checkout 1"),)
        console = Console(width=200, force_terminal=False)
        with console.capture() as capture:
            console.print(render_report(report))
        text = capture.get()
        assert "every check passed, but for 1 acknowledged" in text
        assert "known" in text
        assert "A. Martin, accounting, 2026-11-20T09:00:00+00:00: refunded at the till" in text

    def test_what_is_new_fails(self) -> None:
        """Beside what is known, and however many known ones come before it."""
        breaks = [f"checkout {number}" for number in range(30)]
        report = acknowledge(report_of(*breaks), [known(text) for text in breaks[:29]])
        assert not report.ok
        check = report.failed()[0]
        assert (check.broken, check.offenders) == (1, ("checkout 29",))
        assert check.kind is BreakKind.BUSINESS
        assert check.detail == "1 broken, first: checkout 29"
        assert len(check.acknowledged) == 29

    def test_a_break_of_the_proof_cannot_be_acknowledged(self) -> None:
        """Whatever a file says: it fails, and the line is named as one that matches nothing."""
        report = acknowledge(report_of(proof="altered"), [known("altered")])
        assert not report.ok
        assert report.failed()[0].kind is BreakKind.PROOF
        assert report.unused == (known("altered"),)

    def test_a_break_of_the_proof_is_not_hidden_by_known_ones(self) -> None:
        """Even under the same words."""
        report = acknowledge(report_of("same", proof="same"), [known("same")])
        assert not report.ok
        assert report.failed()[0].kind is BreakKind.PROOF
        assert report.failed()[0].broken == 1

    def test_a_break_that_has_changed_is_a_new_one(self) -> None:
        """The words must be the same, and the check."""
        for other in (known("checkout 1: 5 less"), known("checkout 1", check="books.clearing")):
            report = acknowledge(report_of("checkout 1"), [other])
            assert (report.ok, report.unused) == (False, (other,))
            assert [*render_unused(report)] == [
                f"acknowledged, but no break of business any more: {other.check}: {other.line()}"
            ]

    def test_two_breaks_of_one_text_are_known_together(self) -> None:
        """Nobody could tell them apart."""
        assert acknowledge(report_of("twice", "twice"), [known("twice")]).ok

    def test_the_last_word_about_a_break_counts(self) -> None:
        """The list only grows: who errs adds a line."""
        second = known("checkout 1")._replace(why="voucher 18, not 17")
        report = acknowledge(report_of("checkout 1"), [known("checkout 1"), second])
        assert report.checks[1].acknowledged == (second,)
        assert report.unused == ()

    def test_json_names_what_is_left_known_and_unused(self) -> None:
        """What is left can be copied, signed and given a reason; without a list the shape is as ever."""
        report = acknowledge(report_of("a", "b"), [known("b"), known("c")]).to_json()
        assert report["breaks"] == [{"check": TOTALS, "break": "a"}]
        assert [one["break"] for one in report["acknowledged"]] == ["b"]
        assert report["unused"] == [known("c").to_json()]
        assert set(report_of("a").to_json()) == {"ok", "checks"}


class TestFile:
    def test_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        """Line by line; what stands there stays."""
        file = tmp_path / "acknowledged.jsonl"
        for text in ("one", "zwei, für später"):
            write_acknowledgement(file, known(text))
        assert read_acknowledgements(file) == (known("one"), known("zwei, für später"))

    @pytest.mark.parametrize(
        "line",
        [
            "no json",
            "[]",
            json.dumps({"check": TOTALS, "break": "a", "by": "b", "time": AT.isoformat()}),
            json.dumps({**known("a").to_json(), "by": " "}),
            json.dumps({**known("a").to_json(), "time": "yesterday"}),
            json.dumps({**known("a").to_json(), "time": "2026-11-20T09:00:00"}),
            json.dumps({**known("a").to_json(), "more": "x"}),
        ],
    )
    def test_a_line_that_is_none_stops_the_audit(self, tmp_path: Path, line: str) -> None:
        """An acknowledgement says who, when and why, or is none; the message names the line."""
        file = tmp_path / "acknowledged.jsonl"
        file.write_text(json.dumps(known("a").to_json()) + "\n\n" + line + "\n")
        with pytest.raises(AuditError, match="line 3"):
            read_acknowledgements(file)

    def test_a_file_that_is_not_there_stops_the_audit(self, tmp_path: Path) -> None:
        """An audit with fewer acknowledgements than it was asked for would cry wolf."""
        with pytest.raises(AuditError, match="cannot read"):
            read_acknowledgements(tmp_path / "none")

    def test_nothing_is_written_that_could_not_be_read(self, tmp_path: Path) -> None:
        """Without a reason there is no acknowledgement."""
        file = tmp_path / "acknowledged.jsonl"
        with pytest.raises(AuditError, match="leaves something empty"):
            write_acknowledgement(file, known("a")._replace(why=""))
        with pytest.raises(AuditError, match="these do: books"):
            write_acknowledgement(file, known("a", check="ledger.hash_chain"))
        assert not file.exists()
