"""A broker dies in the middle of a day's trade: the tills notice nothing and the books are exact."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

COMMAND_SECONDS_MAX = 180
KILLS = 2
BASKETS = 1_500

pytestmark = pytest.mark.slow


class Stack:
    """A stack of its own, driven by the command alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, *arguments: str) -> list[str]:
        """Return a command on this stack."""
        return [sys.executable, "-m", "services.cli", *arguments, f"--dir={self.folder}"]

    def run(self, *arguments: str) -> str:
        """Run a command to its end; it has to succeed."""
        done = subprocess.run(
            self.command(*arguments),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def broker_pid(self) -> int:
        """Return the process of the broker that was started last."""
        parts: list[dict[str, Any]] = json.loads((self.folder / "stack.json").read_text())["parts"]
        return next(int(part["process"]["pid"]) for part in parts if part["name"] == "kafka")

    def booked(self) -> int:
        """Return how many facts the ledger's journal has."""
        return int(json.loads(self.run("call", "ledger.GetJournalTotals")).get("seq", 0))


def environment() -> dict[str, str]:
    """Return the caller's environment without a stack of the caller's own."""
    return {name: value for name, value in os.environ.items() if name != "CAGNOTTE_DIR"}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Run a new, empty stack on a simulated clock."""
    stack = Stack(tmp_path / "stack")
    try:
        stack.run("up", "--detach", "--clock=simulated")
        yield stack
    finally:
        stack.run("down")


def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so; a test that waits in vain fails after a while."""
    deadline = monotonic() + COMMAND_SECONDS_MAX
    while not condition():
        assert monotonic() < deadline, "it never came true"
        sleep(0.1)


class TestBrokerDies:
    def test_and_every_ticket_is_booked_once(self, stack: Stack) -> None:
        """Killed twice while tills replay real baskets: all are answered, books and proof are exact."""
        replay = subprocess.Popen(
            stack.command("replay", f"--baskets={BASKETS}", "--json=-"),
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            for _ in range(KILLS):
                before, pid = stack.booked(), stack.broker_pid()
                # The last of the trade may be booked by now, if the machine was slow to restart the broker.
                until(lambda before=before: stack.booked() > before or replay.poll() is not None)  # type: ignore[misc]  # a lambda with a default
                os.kill(pid, signal.SIGKILL)
                until(lambda pid=pid: stack.broker_pid() != pid)  # type: ignore[misc]  # a lambda with a default
            output, _ = replay.communicate(timeout=COMMAND_SECONDS_MAX)
        finally:
            replay.kill()
        report = json.loads(output)

        assert replay.returncode == 0
        assert report["ok"]
        assert report["baskets"]["replayed"] == BASKETS
        assert all(check["ok"] for check in json.loads(stack.run("verify", "--json"))["checks"])
