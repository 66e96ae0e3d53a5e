"""Commands that are told to end: nothing that they started stays behind, and they say so."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.background import stop_stack
from deploy.local.lock import running_pid
from deploy.local.paths import StackPaths, stack_paths
from deploy.local.state import load_state

pytestmark = pytest.mark.slow

SECONDS_MAX = 120
INTERRUPTED = 130
"""What a shell calls the end by Ctrl-C."""

INTERRUPTED_AT_AN_IMPORT = """
import os, signal, sys
number = signal.Signals[sys.argv.pop()]
def interrupt(event, arguments):
    if event == "import" and arguments[0] == "deploy.local.stack":
        os.kill(os.getpid(), number)
sys.addaudithook(interrupt)
from services.cli import main
main()
"""


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[StackPaths]:
    """Return the folder of a stack that was never started; nothing of it outlives the test."""
    paths = stack_paths(tmp_path / "stack")
    yield paths
    if paths.root.exists():
        stop_stack(paths)


def is_starting(paths: StackPaths) -> bool:
    """Tell whether the stack's ``up`` runs."""
    return bool(running_pid(paths))


def is_up(paths: StackPaths) -> bool:
    """Tell whether all of the stack answers."""
    state = load_state(paths)
    return state is not None and state.ready


@pytest.mark.parametrize(
    ("command", "moment"),
    [("chaos kills", is_starting), ("chaos kills", is_up), ("bench ledger", is_starting)],
)
def test_sigterm_stops_a_command_s_own_stack(
    paths: StackPaths, command: str, moment: Callable[[StackPaths], bool]
) -> None:
    """It ends as Ctrl-C ends it, whether the stack still starts or all of it runs."""
    arguments = [sys.executable, "-m", "services.cli", *command.split(), f"--dir={paths.root}"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + SECONDS_MAX
        while not moment(paths):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        process.terminate()
        _, said = process.communicate(timeout=SECONDS_MAX)

    assert process.returncode == INTERRUPTED
    assert b"Traceback" not in said
    assert running_pid(paths) is None
    assert not stop_stack(paths)


@pytest.mark.parametrize("options", [(), ("--detach",)])
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_up_before_it_has_begun_ends_with_a_sentence(
    paths: StackPaths, number: str, options: tuple[str, ...]
) -> None:
    """Interrupted while it is still being loaded it says so without a traceback, and makes nothing."""
    arguments = ["up", *options, f"--dir={paths.root}", number]

    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT_AN_IMPORT, *arguments],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )

    assert done.returncode == INTERRUPTED
    assert done.stderr == "cagnotte: interrupted before it was done.\n"
    assert not paths.root.exists()
