"""A running stack for acceptance tests, known by nothing but its public addresses and tokens."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from deploy.local.paths import stack_paths
from services.common.runtime.grpc_client import open_channel
from services.replaying import endpoints_of
from services.simulator.stack import Endpoints
from tests.acceptance.collector import Traces, collected_traces

COMMAND_SECONDS_MAX = 120
DEMO_SECONDS_MAX = 600
DEMO_BASKETS = 2_000
EXIT_IMPOSSIBLE = 2


@dataclass(frozen=True, slots=True)
class Stack:
    """What ``cagnotte env`` says of a running stack, and its identity, which mints tokens for more than one shopper."""

    exports: Mapping[str, str]
    folder: Path

    def channel(self, service: str, kind: str) -> grpc.aio.Channel:
        """Open a channel to a service as a kind of caller."""
        return open_channel(
            self.exports[f"CAGNOTTE_{service.upper()}_ADDRESS"], token=self.token(kind)
        )

    def token(self, kind: str) -> str:
        """Give the token of a kind of caller."""
        return self.exports[f"CAGNOTTE_TOKEN_{kind.upper()}"]

    def endpoints(self) -> Endpoints:
        """Give what the simulator's tills and phones need."""
        return endpoints_of(stack_paths(self.folder))

    def verify(self) -> Mapping[str, Any]:
        """Run ``cagnotte verify`` and give its report, whatever its verdict."""
        done = _run("verify", "--json", f"--dir={self.folder}")
        assert done.stdout, done.stderr
        return as_mapping(done.stdout)


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo's own world after ``cagnotte demo``: its report, and its stack, still running."""

    folder: Path
    report: Mapping[str, Any]
    stack: Stack
    screen: str
    traces: Traces

    def verify(self) -> Mapping[str, Any]:
        """Run ``cagnotte verify``; it fails the test unless every check passes."""
        return as_mapping(_cagnotte("verify", "--json", f"--dir={self.folder}"))

    def replay(self) -> Mapping[str, Any]:
        """Run ``cagnotte replay`` with the baskets of the demo once more."""
        return as_mapping(
            _cagnotte(
                "replay",
                f"--baskets={DEMO_BASKETS}",
                "--json=-",
                f"--dir={self.folder}",
                seconds_max=DEMO_SECONDS_MAX,
            )
        )

    def refused_replay(self, *options: str) -> str:
        """Run ``cagnotte replay`` with options that it cannot take here, and give what it says."""
        arguments = (f"--baskets={DEMO_BASKETS}", f"--dir={self.folder}", *options)
        done = _run("replay", *arguments, seconds_max=DEMO_SECONDS_MAX)
        assert done.returncode == EXIT_IMPOSSIBLE, done.stdout + done.stderr
        return done.stderr


Report = Mapping[str, Any]
"""What ``cagnotte demo --json`` writes."""


def as_mapping(text: str) -> Mapping[str, Any]:
    """Read a report's JSON."""
    content = json.loads(text)
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run the demo with a few baskets, and keep its stack for all tests that look at it."""
    folder = tmp_path_factory.mktemp("demo") / "stack"
    report = folder.parent / "report.json"
    with collected_traces() as traces:
        try:
            screen = _cagnotte(
                "demo",
                f"--baskets={DEMO_BASKETS}",
                "--keep",
                f"--json={report}",
                f"--dir={folder}",
                seconds_max=DEMO_SECONDS_MAX,
                environment=traces.settings(),
            )
            content = as_mapping(report.read_text(encoding="utf-8"))
            yield Demo(folder, content, _stack_in(folder), screen, traces)
        finally:
            _cagnotte("down", f"--dir={folder}")


@pytest.fixture(scope="session")
def demo_without_phones(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Run the demo with the same baskets and without phones, and give its report."""
    folder = tmp_path_factory.mktemp("demo-without-phones") / "stack"
    arguments = (f"--baskets={DEMO_BASKETS}", "--phones=0", "--json=-", f"--dir={folder}")
    return as_mapping(_cagnotte("demo", *arguments, seconds_max=DEMO_SECONDS_MAX))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a new, empty stack on a simulated clock for a module of tests."""
    folder = tmp_path_factory.mktemp("stack") / "stack"
    try:
        _cagnotte("up", "--detach", "--clock=simulated", f"--dir={folder}")
        yield _stack_in(folder)
    finally:
        _cagnotte("down", f"--dir={folder}")


def _stack_in(folder: Path) -> Stack:
    exports = (
        line.removeprefix("export ").partition("=")
        for line in _cagnotte("env", f"--dir={folder}").splitlines()
    )
    return Stack({name: shlex.split(value)[0] for name, _, value in exports}, folder)


def _cagnotte(
    *arguments: str,
    seconds_max: float = COMMAND_SECONDS_MAX,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a command that must succeed, and give what it wrote."""
    done = _run(*arguments, seconds_max=seconds_max, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _run(
    *arguments: str,
    seconds_max: float = COMMAND_SECONDS_MAX,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        env={name: value for name, value in os.environ.items() if name != "CAGNOTTE_DIR"}
        | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )
