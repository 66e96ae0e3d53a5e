"""The file of noted heads: read whole or not at all, and added to by an audit that disproves nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.auditor.heads import NotedHead, note_heads, read_heads
from services.auditor.parallel import AuditError
from services.auditor.report import BreakKind, Check, Head, VerifyReport

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LEDGER = Head("ledger", 0, 41, b"\x01" * 32)
POINTS = Head("points", 0, 7, b"\x02" * 32)


def report(*heads: Head, failed: BreakKind | None = None) -> VerifyReport:
    """Make a report with heads, of which a check may have failed."""
    offenders = () if failed is None else ("somebody",)
    check = Check(
        "x",
        ok=failed is None,
        checked=1,
        detail="",
        offenders=offenders,
        kind=failed or BreakKind.PROOF,
    )
    return VerifyReport(ok=check.ok, checks=(check,), heads=heads)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file in which nothing is noted yet."""
    made = tmp_path / "heads.jsonl"
    made.touch()
    return made


class TestNoting:
    def test_what_is_noted_is_read_again(self, file: Path) -> None:
        """Every head comes back with the time of its note; one that stands there is not added twice."""
        note_heads(file, report(LEDGER), read_heads(file), now=NOW)
        note_heads(file, report(LEDGER, POINTS), read_heads(file), now=NOW)

        assert read_heads(file) == (NotedHead(LEDGER, NOW), NotedHead(POINTS, NOW))

    @pytest.mark.parametrize(
        ("kind", "noted"), [(BreakKind.PROOF, 0), (BreakKind.BUSINESS, 1), (BreakKind.LAG, 1)]
    )
    def test_a_broken_proof_notes_nothing(self, file: Path, kind: BreakKind, noted: int) -> None:
        """A head stands for a journal that was proven; a break of business leaves the journals sound."""
        note_heads(file, report(LEDGER, failed=kind), (), now=NOW)

        assert len(read_heads(file)) == noted


class TestReading:
    def test_a_missing_file_is_no_empty_one(self, tmp_path: Path) -> None:
        """Whoever takes the file away does not take its heads back."""
        with pytest.raises(AuditError, match="cannot read"):
            read_heads(tmp_path / "gone.jsonl")

    @pytest.mark.parametrize(
        "line",
        [
            "x",
            "[]",
            '{"service": "ledger", "shard_id": 0, "seq": 1, "hash": "00"}',
            '{"service": "bank", "shard_id": 0, "seq": 1, "hash": "00", "time": "2026-11-23T12:00:00+00:00"}',
            '{"service": "ledger", "shard_id": 0, "seq": "1", "hash": "00", "time": "2026-11-23T12:00:00+00:00"}',
            '{"service": "ledger", "shard_id": 0, "seq": 1, "hash": "xy", "time": "2026-11-23T12:00:00+00:00"}',
            '{"service": "ledger", "shard_id": 0, "seq": 1, "hash": "00", "time": "2026-11-23T12:00:00"}',
            '{"service": "ledger", "shard_id": 0, "seq": 1, "hash": "00", "time": 5}',
        ],
    )
    def test_a_line_that_is_none(self, file: Path, line: str) -> None:
        """A line that cannot be read stops the audit with its place: a lost head would prove nothing."""
        file.write_text(f"\n{line}\n", encoding="utf-8")

        with pytest.raises(AuditError, match="line 2"):
            read_heads(file)
