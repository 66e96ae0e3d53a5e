"""A stack looked at from outside."""

import json
import os
import shlex
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.lock import hold_lock
from deploy.local.paths import StackPaths, stack_paths
from deploy.local.processes import identify
from deploy.local.state import PartState, StackState, save_state
from services.cli_commands import app

GONE = "999999\n"
"""What the lock file of a killed ``up`` says."""


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[StackPaths]:
    """Return the folder of a stack with one part, which lives and answers."""
    paths = stack_paths(tmp_path / "a stack")
    paths.make()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        part = PartState("kafka", address, identify(os.getpid()))
        state = StackState(clock="system", ports={}, pid=1, ready=True, parts=(part,))
        save_state(paths, state)
        yield paths


def ask(paths: StackPaths, *options: str) -> tuple[int, str]:
    """Return the exit code of ``cagnotte status`` and what it says."""
    done = CliRunner().invoke(app, ["status", f"--dir={paths.root}", *options])
    return done.exit_code, done.stdout


class TestOfARunningStack:
    def test_is_success(self, paths: StackPaths) -> None:
        """With its ``up`` and all parts there is nothing to say; the ``up`` is a row of its own."""
        with hold_lock(paths):
            code, said = ask(paths)

        assert code == 0
        assert f"│ up    │ {os.getpid()}" in said
        assert "DOWN" not in said
        assert said.rstrip().endswith("┘")

    def test_is_the_same_for_machines(self, paths: StackPaths) -> None:
        """The JSON names the process of the ``up`` and warns of nothing."""
        with hold_lock(paths):
            code, said = ask(paths, "--json")

        found = json.loads(said)
        assert code == 0
        assert (found["supervisor_pid"], found["warning"]) == (os.getpid(), None)
        assert [part["healthy"] for part in found["parts"]] == [True]


class TestOfAStackWhoseUpWasKilled:
    def test_says_that_nobody_starts_parts_again_and_what_to_do(self, paths: StackPaths) -> None:
        """Its parts answer, and it is a failure all the same, with both ways out."""
        paths.lock.write_text(GONE)

        code, said = ask(paths)

        folder = shlex.quote(str(paths.root))
        assert code == 1
        assert "│ up    │ -" in said
        assert said.count("DOWN") == 1
        assert "nobody starts one again" in said
        assert f"`cagnotte up --dir {folder}` takes over" in said
        assert f"`cagnotte down --dir {folder}` stops them" in said

    def test_says_so_for_machines(self, paths: StackPaths) -> None:
        """The JSON has no process of an ``up``, and the same warning."""
        paths.lock.write_text(GONE)

        code, said = ask(paths, "--json")

        found = json.loads(said)
        assert code == 1
        assert found["supervisor_pid"] is None
        assert "cagnotte up --dir" in found["warning"]
        assert [part["healthy"] for part in found["parts"]] == [True]

    def test_is_of_a_stopped_one_when_no_part_is_left(self, paths: StackPaths) -> None:
        """After the machine's restart nothing runs: then it is plainly stopped."""
        paths.lock.write_text(GONE)
        part = PartState("kafka", "127.0.0.1:1", None)
        state = StackState(clock="system", ports={}, pid=1, ready=True)
        save_state(paths, replace(state, parts=(part,)))

        code, said = ask(paths)

        assert code == 1
        assert "is stopped" in said
        assert json.loads(ask(paths, "--json")[1])["warning"] is None
