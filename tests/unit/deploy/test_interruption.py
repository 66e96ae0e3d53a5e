"""An end that somebody asks for."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from deploy.local.interruption import ended_as_by_ctrl_c, ended_later

ENDING = (signal.SIGTERM, signal.SIGHUP)
LONG_SECONDS = 30.0


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Begin as a fresh process does, and leave every handler as it was."""
    before = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGINT)}
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def wait_for(*numbers: signal.Signals) -> None:
    """Get signals, and wait for what they do."""
    for number in numbers:
        os.kill(os.getpid(), number)
    time.sleep(LONG_SECONDS)


class TestEndedAsByCtrlC:
    @pytest.mark.parametrize("number", ENDING)
    def test_interrupts_what_waits(self, number: signal.Signals) -> None:
        """The body hears of it as of Ctrl-C; afterwards the signal does what it did."""
        with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
            wait_for(number)

        assert signal.getsignal(number) == signal.SIG_DFL

    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
    def test_cancels_what_runs_in_a_loop(
        self, run: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        """A coroutine is cancelled, so that it can put away what it holds."""
        cancelled = []

        async def work() -> None:
            asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)
            try:
                await asyncio.sleep(LONG_SECONDS)
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
            run(work())

        assert cancelled

    def test_reaches_who_ignores_ctrl_c(self) -> None:
        """A script's background command ignores Ctrl-C; SIGTERM still ends it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

        with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
            wait_for(signal.SIGTERM)

    def test_happens_once(self) -> None:
        """A second signal does not disturb the stopping that the first one began."""
        stopped = []

        def work() -> None:
            try:
                wait_for(signal.SIGTERM)
            finally:
                for number in ENDING:
                    os.kill(os.getpid(), number)
                stopped.append(True)

        with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
            work()

        assert stopped

    def test_leaves_an_ignored_signal_ignored(self) -> None:
        """What runs under ``nohup`` outlives its terminal."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

        with ended_as_by_ctrl_c():
            os.kill(os.getpid(), signal.SIGHUP)

        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN

    def test_within_another_changes_nothing(self) -> None:
        """The outer one is still in force when the inner one has ended."""

        def work() -> None:
            with ended_as_by_ctrl_c():
                pass
            wait_for(signal.SIGTERM)

        with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
            work()


class TestEndedLater:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_holds_the_end_back_until_the_body_is_done(self, number: signal.Signals) -> None:
        """What the body starts is known before anybody has to stop it; the signal is not lost, and comes once."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        started = []

        def start() -> None:
            with ended_as_by_ctrl_c(), ended_later():
                for _ in range(2):
                    os.kill(os.getpid(), number)
                started.append(True)

        with pytest.raises(KeyboardInterrupt):
            start()

        assert started
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_changes_nothing_where_nobody_asks_for_an_end(self) -> None:
        """The handlers are back afterwards."""
        before = signal.getsignal(signal.SIGTERM)

        with ended_later():
            pass

        assert signal.getsignal(signal.SIGTERM) == before
