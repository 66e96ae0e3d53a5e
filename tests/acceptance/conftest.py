"""A running stack for acceptance tests, known by nothing but its public addresses and tokens."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import grpc
import pytest

from services.common.runtime.grpc_client import open_channel

COMMAND_SECONDS_MAX = 120


@dataclass(frozen=True, slots=True)
class Stack:
    """What ``cagnotte env`` says of a running stack."""

    exports: Mapping[str, str]

    def channel(self, service: str, kind: str) -> grpc.aio.Channel:
        """Open a channel to a service as a kind of caller."""
        return open_channel(
            self.exports[f"CAGNOTTE_{service.upper()}_ADDRESS"], token=self.token(kind)
        )

    def token(self, kind: str) -> str:
        """Give the token of a kind of caller."""
        return self.exports[f"CAGNOTTE_TOKEN_{kind.upper()}"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a new, empty stack on a simulated clock for a module of tests."""
    folder = tmp_path_factory.mktemp("stack") / "stack"
    try:
        _cagnotte("up", "--detach", "--clock=simulated", f"--dir={folder}")
        exports = (
            line.removeprefix("export ").partition("=")
            for line in _cagnotte("env", f"--dir={folder}").splitlines()
        )
        yield Stack({name: shlex.split(value)[0] for name, _, value in exports})
    finally:
        _cagnotte("down", f"--dir={folder}")


def _cagnotte(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        env={name: value for name, value in os.environ.items() if name != "CAGNOTTE_DIR"},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
