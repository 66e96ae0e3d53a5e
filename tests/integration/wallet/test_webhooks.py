"""Webhooks and the provider's event list: what is genuine is heard once, however it comes; nothing else is."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import pytest
import stripe

from deploy.local.ports import any_free_port
from services.common.kernel.errors import Unavailable
from services.common.kernel.ids import new_uuid7
from services.common.runtime.database import Database
from services.common.testing.postgres import TestDatabase
from services.wallet.api.webhooks import PATH, open_webhooks
from services.wallet.clients.provider import ProviderEvent
from services.wallet.usecases.hear import Ears, Hear, HearAll, ears
from services.wallet.usecases.poll_provider import PollProvider
from tests.integration.wallet.card_desk import CardDesk, open_adapter
from tests.integration.wallet.sandbox import WEBHOOK_SECRET, run_sandbox

HEARD_SECONDS_MAX = 60.0
UNTIL_ALL_HAVE_COME_SECONDS = 1.0


@dataclass(slots=True)
class Listener:
    """Hears events, or has no time for them."""

    heard: list[ProviderEvent] = field(default_factory=list)
    trouble: Exception | None = None

    async def __call__(self, event: ProviderEvent) -> None:
        """Hear an event."""
        if self.trouble is not None:
            raise self.trouble
        self.heard.append(event)


@dataclass(slots=True)
class Driver:
    """Keeps what it was asked to look at."""

    nudged: list[UUID] = field(default_factory=list)

    def nudge(self, payment_id: UUID) -> bool:
        """Look at a payment."""
        self.nudged.append(payment_id)
        return True


def _event(**changes: Any) -> dict[str, Any]:
    payment = {"object": "payment_intent", "id": "pi_1", "metadata": {"payment": str(new_uuid7())}}
    return {
        "object": "event",
        "id": "evt_1",
        "type": "payment_intent.succeeded",
        "created": 1_700_000_000,
        "data": {"object": payment},
    } | changes


def _signature(body: str, *, secret: str = WEBHOOK_SECRET, age_seconds: int = 0) -> str:
    timestamp = int(time.time()) - age_seconds
    header: str = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp)
    return header


async def _post(address: str, body: str, signature: str | None) -> int:
    headers = {} if signature is None else {"Stripe-Signature": signature}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{address}{PATH}", data=body, headers=headers) as response,
    ):
        return response.status


@pytest.fixture
def listener() -> Listener:
    """Give somebody who hears."""
    return Listener()


@pytest.fixture
async def address(listener: Listener) -> AsyncIterator[str]:
    """Open the door."""
    async with open_webhooks("127.0.0.1:0", secret=WEBHOOK_SECRET, hear=listener) as address:
        yield address


class TestDoor:
    async def test_hears_what_is_signed(self, address: str, listener: Listener) -> None:
        """A genuine webhook is heard by our name of the payment."""
        event = _event()
        body = json.dumps(event)

        status = await _post(address, body, _signature(body))

        [heard] = listener.heard
        assert status == 200
        assert heard.provider_event_id == "evt_1"
        assert heard.object_reference == "pi_1"
        assert str(heard.payment_id) == event["data"]["object"]["metadata"]["payment"]

    @pytest.mark.parametrize(
        "event",
        [
            _event(type="invoice.finalized", data={"object": {"object": "invoice", "id": "in_1"}}),
            _event(type="something.new", data={"object": {}}),
            _event(type="something.odd", data=None),
        ],
    )
    async def test_acknowledges_kinds_that_it_does_not_know(
        self, address: str, listener: Listener, event: dict[str, Any]
    ) -> None:
        """The provider would repeat for days what it gets no success for."""
        body = json.dumps(event)

        assert await _post(address, body, _signature(body)) == 200
        assert [heard.payment_id for heard in listener.heard] == [None]

    @pytest.mark.parametrize(
        "signature",
        [
            None,
            "",
            "t=1,v1=",
            "v1=abc",
            "t=now,v1=abc",
            "nonsense",
            f"t={int(time.time())},v1={'0' * 64}",
            f"t={int(time.time())},v1=é",
        ],
        ids=range(8),
    )
    async def test_refuses_what_is_not_signed_by_us(
        self, address: str, listener: Listener, signature: str | None
    ) -> None:
        """A request without our secret's signature is refused, whatever stands in the header."""
        assert await _post(address, json.dumps(_event()), signature) == 400
        assert listener.heard == []

    async def test_refuses_another_secret_an_old_signature_and_a_changed_body(
        self, address: str, listener: Listener
    ) -> None:
        """A recorded request cannot be sent again later, nor a signature moved to another body."""
        body, other = json.dumps(_event()), json.dumps(_event(id="evt_2"))

        statuses = [
            await _post(address, body, _signature(body, secret="whsec_other")),
            await _post(address, body, _signature(body, age_seconds=301)),
            await _post(address, other, _signature(body)),
        ]

        assert statuses == [400, 400, 400]
        assert listener.heard == []

    async def test_takes_either_signature_while_the_secret_changes(
        self, address: str, listener: Listener
    ) -> None:
        """During a change of secrets the provider signs with both."""
        body = json.dumps(_event())
        timestamp, mine = _signature(body).split(",")

        assert await _post(address, body, f"{timestamp},v1={'0' * 64},{mine}") == 200
        assert len(listener.heard) == 1

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "{",
            "[]",
            "null",
            '"event"',
            "{}",
            json.dumps(_event(id=None)),
            json.dumps(_event(id="evt_\u0000")),
            json.dumps(_event(id="e" * 300)),
            json.dumps(_event(created="yesterday")),
            json.dumps(_event(created=10**30)),
            "[" * 5000 + "]" * 5000,
        ],
    )
    async def test_refuses_what_is_signed_and_no_event(
        self, address: str, listener: Listener, body: str
    ) -> None:
        """What cannot be read is refused, so that it stands out at the provider's."""
        assert await _post(address, body, _signature(body)) == 400
        assert listener.heard == []

    async def test_refuses_a_flood(self, address: str, listener: Listener) -> None:
        """A body beyond the bound is not read to its end."""
        body = json.dumps(_event(padding="x" * 600_000))

        assert await _post(address, body, _signature(body)) == 413
        assert listener.heard == []

    @pytest.mark.parametrize(
        "trouble",
        [
            Unavailable("No database."),
            asyncpg.InternalClientError(
                "cannot switch to state 12; another operation (2) is in progress"
            ),
            asyncpg.ConnectionDoesNotExistError(),
        ],
        ids=lambda trouble: type(trouble).__name__,
    )
    async def test_asks_for_a_repetition_of_what_it_could_not_keep(
        self, address: str, listener: Listener, trouble: Exception
    ) -> None:
        """Without a database the webhook is not acknowledged, and comes again."""
        listener.trouble = trouble
        body = json.dumps(_event())

        assert await _post(address, body, _signature(body)) == 503

    async def test_knows_no_other_door(self, address: str) -> None:
        """Only this path, and only by POST."""
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{address}{PATH}") as response:
                assert response.status == 405
            async with session.post(f"http://{address}/") as response:
                assert response.status == 404


@dataclass(frozen=True, slots=True)
class Counter:
    """A desk whose sandbox calls our door, with the real log of events behind it."""

    desk: CardDesk
    driver: Driver
    hear: Hear
    db: Database

    async def pay(self, card: str) -> UUID:
        """Pay with a card, and give the payment."""
        call = await self.desk.captured(card)
        return call.payment_id

    async def until_kept(self, count: int) -> list[str]:
        """Wait until so many events are kept, and give their ids."""
        async with asyncio.timeout(HEARD_SECONDS_MAX):
            while len(kept := await self.kept()) < count:  # noqa: ASYNC110 -- another process ends it
                await asyncio.sleep(0.05)
        return kept

    async def until_nudged(self, count: int) -> None:
        """Wait until payments were to be looked at so often: after their events are kept."""
        async with asyncio.timeout(HEARD_SECONDS_MAX):
            while len(self.driver.nudged) < count:  # noqa: ASYNC110 -- another process ends it
                await asyncio.sleep(0.05)

    async def kept(self) -> list[str]:
        """Give the ids of the events in the log."""
        async with self.db.connection() as conn:
            rows = await conn.fetch("SELECT provider_event_id FROM provider_event")
        return [row["provider_event_id"] for row in rows]

    def poller(self) -> PollProvider:
        """Give a poller of the list."""
        return PollProvider(self.db, self.desk.provider, self.hear, shard_id=0, idle_seconds=0.05)


@asynccontextmanager
async def running_ears(hear: HearAll) -> AsyncIterator[Ears]:
    """Let events be heard together until the body ends; what waits then is cut off, as a crash would."""
    heard = ears(hear)
    running = asyncio.create_task(heard.run())
    try:
        yield heard
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def counter(database: TestDatabase, tmp_path: Path) -> AsyncIterator[Counter]:
    """Run a sandbox that delivers webhooks, and a door with a database behind it."""
    driver = Driver()
    door = f"127.0.0.1:{any_free_port()}"
    async with database.open() as db:
        hear = Hear(db, driver, shard_id=0)
        async with (
            running_ears(hear) as heard,
            open_webhooks(door, secret=WEBHOOK_SECRET, hear=heard.submit),
            run_sandbox(tmp_path, webhook_url=f"http://{door}{PATH}") as sandbox,
            open_adapter(sandbox.url) as provider,
        ):
            yield Counter(CardDesk(provider, provider, sandbox), driver, hear, db)


class TestHearing:
    @pytest.mark.parametrize(
        "card",
        [
            "pm_card_visa",
            "pm_card_webhookTwice",
            "pm_card_webhookReordered",
            "pm_card_webhookLate",
            "pm_card_webhookBadlySigned",
        ],
    )
    async def test_each_event_is_kept_once_and_its_payment_looked_at(
        self, counter: Counter, card: str
    ) -> None:
        """Twice, out of order, late or after a forged copy: two events of one payment, each once."""
        payment_id = await counter.pay(card)

        kept = await counter.until_kept(2)
        await counter.until_nudged(2)
        await asyncio.sleep(UNTIL_ALL_HAVE_COME_SECONDS)

        assert sorted(await counter.kept()) == sorted(kept)
        assert counter.driver.nudged == [payment_id] * 2

    async def test_what_no_webhook_told_the_list_tells(self, counter: Counter) -> None:
        """An event whose webhook never came is heard by polling, and one that came is not heard again."""
        told = await counter.pay("pm_card_visa")
        await counter.until_nudged(2)
        missed = await counter.pay("pm_card_webhookMissing")
        poller = counter.poller()

        async with counter.db.connection() as conn:
            counts = [await poller.poll(conn) for _ in range(2)]

        assert counts == [4, 0]
        assert counter.driver.nudged == [told, told, missed, missed]

    async def test_polling_goes_on_after_the_provider_was_away(self, counter: Counter) -> None:
        """The loop survives a provider that does not answer, and finds its place again."""
        async with counter.db.connection() as conn:
            await counter.poller().poll(conn)
        async with open_adapter(f"http://127.0.0.1:{any_free_port()}") as nobody:
            broken = PollProvider(counter.db, nobody, counter.hear, shard_id=0, idle_seconds=0.01)
            await _run_for(broken, 0.3)
        payment_id = await counter.pay("pm_card_webhookMissing")

        polling = asyncio.create_task(counter.poller().run())
        await counter.until_nudged(2)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)

        assert counter.driver.nudged == [payment_id] * 2


class TestDeath:
    async def test_what_waits_when_the_process_dies_comes_again(
        self, database: TestDatabase, tmp_path: Path
    ) -> None:
        """A webhook is acknowledged once it is heard: the provider repeats it, and its list tells it, too."""
        driver = Driver()
        turn: list[Ears] = []
        door = f"127.0.0.1:{any_free_port()}"

        async def submit(event: ProviderEvent) -> None:
            await turn[-1].submit(event)

        async with (
            database.open() as db,
            open_webhooks(door, secret=WEBHOOK_SECRET, hear=submit),
            run_sandbox(tmp_path, webhook_url=f"http://{door}{PATH}") as sandbox,
            open_adapter(sandbox.url) as provider,
        ):
            hear = Hear(db, driver, shard_id=0)
            counter = Counter(CardDesk(provider, provider, sandbox), driver, hear, db)
            async with running_ears(_never) as dying:
                turn.append(dying)
                payment_id = await counter.pay("pm_card_visa")
            assert await counter.kept() == []

            async with running_ears(hear) as next_one:
                turn.append(next_one)
                await counter.until_kept(2)
                async with db.connection() as conn:
                    assert await counter.poller().poll(conn) == 2

        assert driver.nudged == [payment_id] * 2


async def _never(_: Sequence[ProviderEvent]) -> None:
    await asyncio.Event().wait()


async def _run_for(poller: PollProvider, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await poller.run()
