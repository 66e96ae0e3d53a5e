"""Dead letters are listed with what is wrong with them, and sent again on demand."""

import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.dead_letters import DeadLetter, read_dead_letters, republish
from deploy.local.identity import make_keys
from deploy.local.paths import stack_paths
from deploy.local.ports import LOOPBACK, hold_ports
from deploy.local.processes import identify
from deploy.local.secrets import load_passwords, load_provider_secrets
from deploy.local.state import PartState, StackState, save_state
from services.cli_commands import app
from services.common.kernel.clock import system_clock
from services.common.kernel.ids import new_uuid7
from services.common.runtime.kafka import Consumer, IncomingEvent, Unreadable, open_producer
from services.common.runtime.kafka_events import Message, render_headers
from services.common.testing.kafka import Broker, start_broker

pytestmark = pytest.mark.slow

TOPIC = "cagnotte.test.v1.repaired"
BODIES = ("1", "2", "3")
DEAD_TOPIC = "cagnotte.points.v1.loyalty.dead"


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Give a broker of its own."""
    with start_broker() as started:
        yield started


def event(place: int) -> Message:
    """Make an event as a relay sends it, with its place in the journal."""
    headers = render_headers(
        event_id=new_uuid7(),
        type_name="cagnotte.test.v1.Happened",
        source="/test",
        time=system_clock(),
        seq=place,
        previous_seq=place - 1,
        traceparent="",
    )
    return Message(b"k", BODIES[place - 1].encode(), headers)


async def test_an_event_is_listed_and_handled_once_the_consumer_is_mended(broker: Broker) -> None:
    """The running consumer, which has gone beyond the event, handles it when it is sent again; noise stays."""
    settings = broker.settings(partitions=1)
    handled = asyncio.Queue[str]()
    mended = asyncio.Event()

    def parse(incoming: IncomingEvent) -> str:
        body = incoming.payload.decode()
        if body == "2" and not mended.is_set():
            raise Unreadable("TEST_UNREADABLE", "It says so, with 4111 1111 1111 1111.")
        return body

    async def handle(events: Sequence[str]) -> None:
        for each in events:
            await handled.put(each)

    consumer = Consumer(
        settings, topics=[TOPIC], group_id="test", parse=parse, handle=handle, batch_max=100
    )
    running = asyncio.create_task(consumer.run())
    try:
        async with asyncio.timeout(60), open_producer(settings) as producer:
            messages = [Message(b"k", b"noise", []), *map(event, (1, 2, 3))]
            await producer.publish(TOPIC, [(0, each) for each in messages])
            assert [await handled.get(), await handled.get()] == ["1", "3"]
            letters = await read_dead_letters(
                settings.bootstrap, [f"{TOPIC}.dead", TOPIC, "cagnotte.test.v1.unknown.dead"]
            )
            letters = [each for each in letters if each.topic.endswith(".dead")]
            mended.set()
            sent = await republish(settings.bootstrap, [*letters, *letters])
            assert await handled.get() == "2"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert handled.empty()
    assert sent == 1
    assert [each.value for each in letters] == [b"noise", b"2"]
    assert "test  cagnotte.test.v1.Happened" in letters[1].line()
    assert "TEST_UNREADABLE: It says so, with ****" in letters[1].line()


def test_json_has_every_header_and_no_card_number() -> None:
    """Whoever reads it sees what the consumer saw, masked."""
    headers = (("ce_id", b"e"), ("dead_detail", b"4111 1111 1111 1111"), ("odd", b"\xff"))
    letter = DeadLetter(f"{TOPIC}.dead", b"k", b"", headers)
    assert letter.to_json() == {
        "topic": f"{TOPIC}.dead",
        "key": "k",
        "headers": {"ce_id": "e", "dead_detail": "**** **** **** 1111", "odd": "\ufffd"},
        "obstacle": None,
    }


class TestCommand:
    @pytest.fixture
    def folder(self, broker: Broker, tmp_path: Path) -> Path:
        """Give the folder of a stack of which only the broker runs."""
        paths = stack_paths(tmp_path / "stack")
        paths.make()
        load_passwords(paths)
        load_provider_secrets(paths)
        make_keys(paths)
        with hold_ports({}) as free:
            ports = {**free, "kafka": broker.port}
        running = PartState("kafka", f"{LOOPBACK}:{broker.port}", identify(os.getpid()))
        save_state(
            paths, StackState(clock="system", ports=ports, pid=0, ready=True, parts=(running,))
        )
        return paths.root

    async def publish(self, broker: Broker, *messages: Message) -> None:
        """Put dead letters where a consumer would."""
        async with open_producer(broker.settings(partitions=1)) as producer:
            await producer.publish(DEAD_TOPIC, [(0, each) for each in messages])

    def test_says_which_cannot_be_sent_again_and_why(self, broker: Broker, folder: Path) -> None:
        """What has no id stays: its line says so, the last line counts it, and the command fails."""
        asyncio.run(self.publish(broker, Message(b"k", b"noise", []), event(1)))

        listed = CliRunner().invoke(app, ["dead", f"--dir={folder}"])
        done = CliRunner().invoke(app, ["dead", "--republish", f"--dir={folder}"])

        assert listed.exit_code == 0
        assert done.exit_code == 1
        noise, sound, last = done.stdout.splitlines()
        assert "cannot be sent again: it came without an id (ce_id)" in noise
        assert "cannot" not in sound
        assert last == "2 dead letters, 1 events sent again, 1 left."

    def test_says_so_for_machines(self, broker: Broker, folder: Path) -> None:
        """The JSON has the obstacle of each letter and how many were left."""
        asyncio.run(self.publish(broker, Message(b"k", b"noise", []), event(1)))

        done = CliRunner().invoke(app, ["dead", "--republish", "--json", f"--dir={folder}"])

        found = json.loads(done.stdout)
        assert done.exit_code == 1
        assert (found["republished"], found["left"]) == (1, 1)
        obstacles = [letter["obstacle"] for letter in found["dead"]]
        assert obstacles[0].startswith("it came without an id")
        assert obstacles[1] is None

    def test_succeeds_when_all_were_sent(self, broker: Broker, folder: Path) -> None:
        """Events with an id are all sent, and nothing is left."""
        asyncio.run(self.publish(broker, event(1), event(2)))

        done = CliRunner().invoke(app, ["dead", "--republish", f"--dir={folder}"])

        assert done.exit_code == 0
        assert done.stdout.splitlines()[-1] == "2 dead letters, 2 events sent again."
