"""Verdicts: counting them, gathering them, showing them."""

from rich.console import Console

from services.auditor.render import render_report, shown_progress
from services.auditor.report import OFFENDERS_MAX, BreakKind, Check, VerifyReport, difference
from services.auditor.tally import Progress, Tally

SOUND = Check("ledger.sequence", ok=True, checked=1234, detail="numbers run without a gap")
BROKEN = Check(
    "points.lots", ok=False, checked=7, detail="1 broken, first: lot [b]", offenders=("lot [b]",)
)


class TestTally:
    """A check while it runs."""

    def test_names_the_first_offenders_and_counts_the_rest(self) -> None:
        """However much is broken, the report stays short and the count stays true."""
        tally = Tally("ledger.sequence")
        tally.cover(100)
        for place in range(40):
            tally.blame(f"seq {place}")

        check = tally.close("numbers run without a gap")

        assert not check.ok
        assert check.offenders == tuple(f"seq {place}" for place in range(OFFENDERS_MAX))
        assert (check.broken, check.breaks) == (40, ())
        assert check.detail == "40 broken, first: seq 0"
        assert check.checked == 100

    def test_passes_when_nobody_is_blamed(self) -> None:
        """The detail then says what was proven."""
        tally = Tally("ledger.sequence")
        tally.expect(holds=True, offender="nobody")
        assert tally.close("proven") == Check(
            "ledger.sequence", ok=True, checked=0, detail="proven"
        )

    def test_is_of_the_kind_of_its_worst_break(self) -> None:
        """One break of the proof among business breaks is enough to stop for, in any share."""
        tally = Tally("books.clearing")
        tally.blame("left over", BreakKind.BUSINESS)
        business = tally.close("proven")
        assert business.kind is BreakKind.BUSINESS
        passed = Check("books.clearing", ok=True, checked=0, detail="fine")
        assert business.joined(passed).kind is passed.joined(business).kind is BreakKind.BUSINESS
        tally.blame("altered")
        assert tally.close("proven").kind is BreakKind.PROOF
        assert business.joined(tally.close("proven")).kind is BreakKind.PROOF

    def test_a_break_that_time_explains_is_none_of_the_proof(self) -> None:
        """Facts under way make a check fail as late, unless something else is broken too."""
        tally = Tally("books.lots")
        tally.blame("lots hold 69, the ledger counts 0", difference(arrived=False))
        assert tally.close("proven").kind is BreakKind.LAG
        assert tally.close("proven").breaks == (), "nobody has to clear it"
        tally.blame("not yet consumed", BreakKind.BUSINESS)
        assert tally.close("proven").kind is BreakKind.BUSINESS
        tally.blame("altered", difference(arrived=True))
        assert tally.close("proven").kind is BreakKind.PROOF

    def test_keeps_every_break_of_business_by_name(self) -> None:
        """Each of them may be acknowledged, not only those that are shown."""
        tally = Tally("books.checkout_totals")
        for place in range(40):
            tally.blame(f"checkout {place}", BreakKind.BUSINESS)
        tally.blame("altered")
        check = tally.close("proven")
        assert (check.broken, check.breaks) == (41, tuple(f"checkout {n}" for n in range(40)))

    def test_tells_how_far_it_is(self) -> None:
        """Small steps are told together, and the rest at the end."""
        heard: list[Progress] = []
        tally = Tally("ledger.sequence", listener=heard.append)
        for _ in range(5):
            tally.cover(300)
        tally.close("proven")
        assert heard == [Progress("ledger.sequence", 1_200), Progress("ledger.sequence", 300)]


class TestVerifyReport:
    """All verdicts of one audit."""

    def test_passes_only_when_every_check_does(self) -> None:
        """One failed check fails the audit, and an audit without checks proves nothing."""
        assert VerifyReport.of([SOUND]).ok
        assert not VerifyReport.of([SOUND, BROKEN]).ok
        assert not VerifyReport.of([]).ok
        assert VerifyReport.of([SOUND, BROKEN]).failed() == (BROKEN,)

    def test_joins_the_shares_of_one_check(self) -> None:
        """What two processes proved of one check reads as one line, broken when either is."""
        other = Check("points.lots", ok=True, checked=5, detail="fine")
        joined = VerifyReport.of([other, BROKEN]).checks
        assert joined == (
            Check(
                "points.lots",
                ok=False,
                checked=12,
                detail="1 broken, first: lot [b]",
                offenders=("lot [b]",),
            ),
        )

    def test_writes_exactly_the_agreed_json(self) -> None:
        """The shape is a contract with whoever reads ``cagnotte verify --json``."""
        assert VerifyReport.of([BROKEN]).to_json() == {
            "ok": False,
            "checks": [
                {
                    "name": "points.lots",
                    "ok": False,
                    "checked": 7,
                    "detail": "1 broken, first: lot [b]",
                    "kind": "proof",
                }
            ],
        }


class TestRenderReport:
    """What people see."""

    def test_shows_every_check_with_its_rows_and_offenders(self) -> None:
        """Offenders are shown as they are, never read as markup."""
        console = Console(width=120, record=True, quiet=False, file=None, force_terminal=False)
        with console.capture() as capture:
            console.print(render_report(VerifyReport.of([SOUND, BROKEN])))
        text = capture.get()
        assert "1 of 2 checks FAILED (1 of the proof, 0 business)" in text
        assert "1,234" in text
        assert "lot [b]" in text

    def test_shows_progress_and_leaves_nothing_behind(self) -> None:
        """A console that is no terminal sees nothing of the moving line."""
        console = Console(width=120, force_terminal=False)
        with console.capture() as capture, shown_progress(console) as listen:
            listen(Progress("ledger.sequence", 500))
        assert "ledger.sequence" not in capture.get()
