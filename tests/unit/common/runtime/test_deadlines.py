"""An outgoing call never outlives the call that it is made for."""

import asyncio

from services.common.runtime.deadlines import outgoing_timeout, seconds_left, set_deadline


class TestDeadlines:
    def test_outside_any_call_there_is_none(self) -> None:
        """A background loop's calls have their own most."""
        assert seconds_left() is None
        assert outgoing_timeout(5.0) == 5.0

    async def test_an_outgoing_call_gets_what_is_left(self) -> None:
        """Never more than the running call has."""
        set_deadline(seconds_left=2.0)

        assert outgoing_timeout(1.0) == 1.0
        assert 1.0 < outgoing_timeout(5.0) <= 2.0

    async def test_a_deadline_that_has_passed_leaves_nothing(self) -> None:
        """There is no negative time."""
        set_deadline(seconds_left=-1.0)

        assert seconds_left() == 0.0

    async def test_belongs_to_its_task(self) -> None:
        """One call's deadline is not another's."""

        async def call() -> None:
            set_deadline(seconds_left=1.0)

        await asyncio.create_task(call())

        assert seconds_left() is None
