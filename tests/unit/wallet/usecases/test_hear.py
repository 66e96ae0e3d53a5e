"""Events that come one by one are heard together, and each has its own answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import NoneType

from services.common.kernel.ids import new_uuid7
from services.wallet.clients.provider import ProviderEvent
from services.wallet.usecases.hear import Ears, HearAll, ears


@asynccontextmanager
async def running_ears(hear: HearAll) -> AsyncIterator[Ears]:
    """Let events be heard until the body ends."""
    heard = ears(hear)
    running = asyncio.create_task(heard.run())
    yield heard
    await heard.stop()
    await running


def _heard(number: int) -> ProviderEvent:
    return ProviderEvent(
        provider_event_id=f"evt_{number}",
        event_type="payment_intent.succeeded",
        object_reference="pi_1",
        payment_id=new_uuid7(),
        create_time=datetime(2026, 1, 5, tzinfo=UTC),
    )


class TestEars:
    async def test_what_comes_together_is_heard_together(self) -> None:
        """A crowd of webhooks is a few statements, and each has its own answer."""
        crowds: list[int] = []

        async def hear(events: Sequence[ProviderEvent]) -> None:
            crowds.append(len(events))

        async with running_ears(hear) as heard:
            await asyncio.gather(*(heard.submit(_heard(number)) for number in range(40)))

        assert sum(crowds) == 40
        assert len(crowds) <= 2

    async def test_an_event_that_cannot_be_heard_disturbs_no_other(self) -> None:
        """One bad event fails alone; those that came beside it are heard."""
        ids: list[str] = []

        async def hear(events: Sequence[ProviderEvent]) -> None:
            if any(event.provider_event_id == "evt_2" for event in events):
                raise ValueError("evt_2")
            ids.extend(event.provider_event_id for event in events)

        async with running_ears(hear) as heard:
            answers = await asyncio.gather(
                *(heard.submit(_heard(number)) for number in range(4)), return_exceptions=True
            )

        assert [type(answer) for answer in answers] == [NoneType, NoneType, ValueError, NoneType]
        assert ids == ["evt_0", "evt_1", "evt_3"]
