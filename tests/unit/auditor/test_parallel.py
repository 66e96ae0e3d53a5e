"""Parts in processes of their own: verdicts, progress, and what happens to a part that breaks."""

import os

import pytest

from services.auditor.parallel import AuditError, Part, Sources, run_parts
from services.auditor.report import Check
from services.auditor.snapshot import Source
from services.auditor.tally import Listener, Progress, Tally, ignore_progress

SOURCES = Sources(
    ledger=Source("ledger", "0-0-1"),
    points=Source("points", "0-0-1"),
    wallet=None,
    chart_file=None,
)


async def sound(sources: Sources, listener: Listener) -> list[Check]:
    """Pass, in another process."""
    tally = Tally("sound", listener=listener)
    tally.cover(os.getpid())
    return [tally.close(sources.ledger.dsn)]


async def raising(_sources: Sources, _listener: Listener) -> list[Check]:
    """Fail to run."""
    message = "no such table"
    raise LookupError(message)


async def dying(_sources: Sources, _listener: Listener) -> list[Check]:
    """Die without a word."""
    os._exit(3)


class TestRunParts:
    """Silence is never success."""

    def test_runs_parts_elsewhere_and_keeps_their_order(self) -> None:
        """More parts than processes: each is run once, and progress comes through."""
        heard: list[Progress] = []
        parts = [Part(str(place), sound) for place in range(3)]

        verdicts = run_parts(parts, SOURCES, listener=heard.append, processes_max=2)

        assert [[check.detail for check in checks] for checks in verdicts] == [["ledger"]] * 3
        pids = {check.checked for checks in verdicts for check in checks}
        assert os.getpid() not in pids
        assert len(pids) <= 2
        assert len(heard) == 3

    def test_raises_what_a_part_raised(self) -> None:
        """The part and its error are named."""
        parts = [Part("sound", sound), Part("broken", raising)]
        with pytest.raises(AuditError, match="broken: LookupError: no such table"):
            run_parts(parts, SOURCES, listener=ignore_progress, processes_max=2)

    def test_raises_when_a_process_dies(self) -> None:
        """A process that was killed proves nothing."""
        with pytest.raises(AuditError, match=r"mute: the process died \(exit code 3\)"):
            run_parts([Part("mute", dying)], SOURCES, listener=ignore_progress, processes_max=1)
