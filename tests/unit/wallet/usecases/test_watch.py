"""Waiting for a payment: nothing newer is missed, nothing older is told again."""

import asyncio

import pytest

from services.common.runtime.group_commit import Draining
from services.wallet.domain.checkout import Checkout
from services.wallet.usecases.watch import Watcher, WatchHub
from tests.properties.wallet.world import World
from tests.unit.wallet.domain.till import CHECKOUT, cancelling, claimed


def states() -> tuple[Checkout, Checkout]:
    """Give a checkout before and after a change."""
    world: World = claimed()
    before = world.checkout(CHECKOUT)
    world.settle(cancelling())
    return before, world.checkout(CHECKOUT)


def hub() -> WatchHub:
    """Make a hub that is never asked to look at a database."""
    return WatchHub(None, None, shard_id=0, idle_seconds=1.0)  # type: ignore[arg-type]  # unused here


class TestWatcher:
    async def test_gives_what_is_newer_at_once(self) -> None:
        """Whoever asks for news of an old version waits for nothing."""
        before, after = states()
        watcher = Watcher(CHECKOUT)

        watcher.offer(before)
        watcher.offer(after)

        assert await watcher.newer_than(before.version) == after

    async def test_an_older_state_changes_nothing(self) -> None:
        """States may come in any order; time only goes forwards."""
        before, after = states()
        watcher = Watcher(CHECKOUT)

        watcher.offer(after)
        watcher.offer(before)

        assert watcher.version == after.version

    async def test_waits_for_what_is_not_there_yet(self) -> None:
        """The next change wakes whoever has seen everything."""
        before, after = states()
        with hub().watching(CHECKOUT) as watcher:
            watcher.offer(before)
            waiting = asyncio.ensure_future(watcher.newer_than(before.version))
            await asyncio.sleep(0)
            assert not waiting.done()

            watcher.offer(after)

            assert await waiting == after


class TestHub:
    async def test_tells_all_who_watch_a_payment(self) -> None:
        """Till and phone hear the same; who has gone hears nothing, and is forgotten."""
        before, _ = states()
        watched = hub()
        with watched.watching(CHECKOUT) as till, watched.watching(CHECKOUT) as phone:
            watched.publish([before])

            assert till.version == phone.version == before.version
            assert watched.watched == 1
        assert watched.watched == 0

    async def test_sends_everybody_away_at_the_end(self) -> None:
        """Streams would hold the end of the process up; another process goes on with them."""
        before, _ = states()
        watched = hub()
        with watched.watching(CHECKOUT) as watcher:
            watcher.offer(before)
            waiting = asyncio.ensure_future(watcher.newer_than(before.version))
            await asyncio.sleep(0)

            watched.close()

            with pytest.raises(Draining):
                await waiting
        with pytest.raises(Draining), watched.watching(CHECKOUT):
            pass

    async def test_sends_away_who_was_busy_at_the_end(self) -> None:
        """Whoever comes back to wait after the end does not wait for ever."""
        before, _ = states()
        watched = hub()
        with watched.watching(CHECKOUT) as watcher:
            watcher.offer(before)
            watched.close()

            with pytest.raises(Draining):
                await watcher.newer_than(before.version)
