"""The README's own commands, pasted as a newcomer pastes them, and pasted once more."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

README: Final = Path(__file__).parents[2] / "README.md"
SECONDS_MAX: Final = 180
PASTES: Final = 2


def block_after(heading: str, language: str) -> str:
    """Give the first block of a language below a heading of the README."""
    section = README.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None, heading
    return found[1]


def run(script: str, folder: Path) -> str:
    """Run a script in a shell that has the command, and the environment of the stack in a folder."""
    programs = Path(sys.executable).parent
    environment = os.environ | {
        "CAGNOTTE_DIR": str(folder),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'eval "$(cagnotte env)"\n{script}'],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the folder of a running stack whose clock is today's."""
    folder = tmp_path_factory.mktemp("readme")
    command = [sys.executable, "-m", "services.cli"]
    subprocess.run([*command, "up", "--detach", f"--dir={folder}"], check=True, timeout=SECONDS_MAX)
    try:
        yield folder
    finally:
        subprocess.run([*command, "down", f"--dir={folder}"], check=True, timeout=SECONDS_MAX)


@pytest.mark.slow
class TestReadme:
    def test_a_phones_developer_pays_and_brings_back_as_often_as_pasted(self, folder: Path) -> None:
        """Each time the basket is paid with balance and card, and given back whole."""
        script = block_after("For a phone's developer, and a till's at checkout", "sh")
        # A refund that takes longer than an answer may is told by the stream.
        script += (
            """cagnotte call wallet.WatchCheckout '{"checkoutId": "'$CHECKOUT'"}' --as till\n"""
        )

        for _ in range(PASTES):
            said = run(script, folder)
            assert "CHECKOUT_STATE_SETTLED" in said
            assert "CHECKOUT_STATE_REFUNDED" in said

    def test_a_tills_developer_credits_tickets_as_often_as_pasted(self, folder: Path) -> None:
        """Each time a ticket is recorded, and its repetition gets the same answer."""
        script = block_after("For a till's developer", "sh")

        for _ in range(PASTES):
            said = run(script, folder)
            assert said.count("TICKET_STATUS_RECORDED") == PASTES
            assert "CONFLICT" not in said

    def test_finance_reads_and_reverses_as_often_as_pasted(self, folder: Path) -> None:
        """Each time three postings are accepted, the fourth is refused, and the trial balance follows."""
        script = block_after("For finance", "sh")

        for _ in range(PASTES):
            said = run(script, folder)
            assert said.count("ERROR_REASON_ALREADY_REVERSED") == 1
            assert said.count("OUTCOME_STATUS_REFUSED") == 1
            assert '"gl_code": "658200"' in said
            assert '"posted": "500"' in said

    def test_a_tills_developer_asks_from_a_program(self, folder: Path) -> None:
        """The program prints the balances of the card that the ticket was credited to."""
        run(block_after("For a till's developer", "sh"), folder)
        program = block_after("For a till's developer", "python")

        said = run(f"python - <<'PROGRAM'\n{program}PROGRAM\n", folder)

        assert "balance" in said
