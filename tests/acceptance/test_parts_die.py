"""While tills and phones sell, parts of the stack are killed: nothing acknowledged is missing, nothing is double."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SECONDS_MAX = 900
ROUNDS = 4
SEED = 20
BASKETS = 2_500

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Make a short experiment by the command, and return its report."""
    folder = tmp_path_factory.mktemp("chaos")
    arguments = (f"--rounds={ROUNDS}", f"--seed={SEED}", f"--baskets={BASKETS}")
    files = (f"--dir={folder / 'stack'}", f"--json={folder / 'report.json'}")
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "chaos", "kills", *arguments, *files],
        env={name: value for name, value in os.environ.items() if name != "CAGNOTTE_DIR"},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    content: dict[str, Any] = json.loads(_read(folder / "report.json"))
    return content


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


class TestKilledParts:
    def test_come_back(self, report: dict[str, Any]) -> None:
        """Every round took place: what was killed answered again."""
        assert report["rounds"] == {"asked": ROUNDS, "done": ROUNDS}
        assert {"wallet", "postgres", "provider"} <= set(report["killed"])

    def test_lose_nothing_and_repeat_nothing(self, report: dict[str, Any]) -> None:
        """What tills and phones were told is in the books to the cent, and told again it is all known."""
        assert all(item["ok"] for item in report["replay"]["comparisons"])
        assert report["replay"]["baskets"]["by_phone"] > 0
        assert report["replay"]["checkouts"]["unknown_open"] == 0
        assert report["repeated"] == {"ok": True, "nothing_new": True}

    def test_keep_every_acknowledged_ticket_checkout_and_top_up(
        self, report: dict[str, Any]
    ) -> None:
        """A client's own record, asked for one by one: all is there as it was told, and nothing beside it."""
        receipts = report["receipts"]
        assert receipts.keys() == {"tickets", "paid checkouts", "top-ups"}
        for kept in receipts.values():
            assert 0 < kept["acknowledged"] == kept["found"]
            assert kept["in_service"] in (None, kept["acknowledged"])

    def test_leave_a_state_that_proves_itself(self, report: dict[str, Any]) -> None:
        """The audit of all databases and of the provider passes."""
        assert report["verify"]["ok"]
        assert report["ok"]
