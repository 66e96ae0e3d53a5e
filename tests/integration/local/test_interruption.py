"""Commands that are told to end: nothing that they started stays behind, and they say so."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.background import stop_stack
from deploy.local.lock import running_pid
from deploy.local.paths import StackPaths, stack_paths
from deploy.local.state import load_state

pytestmark = pytest.mark.slow

SECONDS_MAX = 120
FILLING = 9
"""Processes below ``bench size`` when it fills: PostgreSQL with its own, and the two that fill."""
INTERRUPTED = 130
"""What a shell calls the end by Ctrl-C."""

MOMENTS = (
    "typer.core",
    "rich.console",
    "services.bench.command",
    "services.cli_options",
    "deploy.local.up",
    "psutil",
)
"""Modules, in the order in which ``up`` imports them."""

INTERRUPTED_AT_AN_IMPORT = """
import os, signal, sys
moment = sys.argv.pop()
number = signal.Signals[sys.argv.pop()]
# Tests that run in the background inherit that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
def interrupt(event, arguments):
    if event == "import" and arguments[0] == moment:
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


def test_up_that_is_told_to_end_before_it_is_up_was_interrupted(paths: StackPaths) -> None:
    """Whoever waited for it does not take the end for success; once it is up, the same end is what was wanted."""
    command = [sys.executable, "-m", "services.cli", "up", f"--dir={paths.root}"]
    codes = []
    for moment in (is_starting, is_up):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            until = time.monotonic() + SECONDS_MAX
            while not moment(paths):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.02)
            process.terminate()
            said, complained = process.communicate(timeout=SECONDS_MAX)
        codes.append(process.returncode)
        assert "Traceback" not in complained
        assert ("Stopped; the data is kept." in said) == (moment is is_up)

    assert codes == [INTERRUPTED, 0]
    assert not stop_stack(paths)


def test_sigterm_ends_what_bench_size_fills_with(tmp_path: Path) -> None:
    """While it fills there is no stack yet, but PostgreSQL and two processes: none is left, and no folder."""
    command = [sys.executable, "-m", "services.cli", "bench", "size", "--rows=100000,10000000"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        until = time.monotonic() + SECONDS_MAX
        while len(family := psutil.Process(process.pid).children(recursive=True)) < FILLING:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        process.terminate()
        _, said = process.communicate(timeout=SECONDS_MAX)

    assert process.returncode == INTERRUPTED
    assert b"Traceback" not in said
    assert not psutil.wait_procs(family, timeout=SECONDS_MAX)[1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_while_the_command_is_loaded_ends_with_a_sentence(
    paths: StackPaths, moment: str
) -> None:
    """From its first line on there is no moment at which Ctrl-C brings a traceback."""
    done = run_interrupted(paths, "SIGINT", moment)

    assert done.returncode == INTERRUPTED
    assert done.stderr == "cagnotte: interrupted before it was done.\n"
    assert not paths.root.exists()


@pytest.mark.parametrize("options", [(), ("--detach",)])
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_up_before_it_has_begun_ends_with_a_sentence(
    paths: StackPaths, number: str, options: tuple[str, ...]
) -> None:
    """Interrupted while it is still being loaded it says so without a traceback, and makes nothing."""
    done = run_interrupted(paths, number, "deploy.local.stack", *options)

    assert done.returncode == INTERRUPTED
    assert done.stderr == "cagnotte: interrupted before it was done.\n"
    assert not paths.root.exists()


def run_interrupted(
    paths: StackPaths, number: str, moment: str, *options: str
) -> "subprocess.CompletedProcess[str]":
    """Run ``up``, which gets a signal when it comes to import a module."""
    arguments = ["up", *options, f"--dir={paths.root}", number, moment]
    return subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT_AN_IMPORT, *arguments],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
