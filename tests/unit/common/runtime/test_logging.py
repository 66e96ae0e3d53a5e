"""Lines are JSON, carry no secrets, and a traceback no values."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.common.runtime.config import LogSettings
from services.common.runtime.logging import configure_logging

PAN = "4111111111111111"


class Output:
    """What a process wrote."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.stream = io.StringIO()

    def lines(self) -> list[dict[str, Any]]:
        """Read the lines back."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def output() -> Iterator[Output]:
    """Configure logging as a process does, and undo it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    output = Output()
    root.handlers = []
    configure_logging(LogSettings(), service="points", stream=output.stream)
    yield output
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


class TestLines:
    def test_have_time_level_service_and_event(self, output: Output) -> None:
        """Whoever reads them finds the same keys in every service."""
        structlog.get_logger().info("points.ticket_recorded", ticket_id="7")

        (line,) = output.lines()
        assert line.pop("time").endswith("Z")
        assert line == {
            "level": "info",
            "service": "points",
            "event": "points.ticket_recorded",
            "ticket_id": "7",
        }

    def test_below_the_level_are_not_written(self, output: Output) -> None:
        """Debugging lines cost nothing in production."""
        structlog.get_logger().debug("points.detail")

        assert output.lines() == []

    def test_carry_what_the_task_has_bound(self, output: Output) -> None:
        """A consumer binds its event once."""
        with structlog.contextvars.bound_contextvars(topic="t", offset=7):
            structlog.get_logger().info("points.event_handled")

        assert output.lines()[0]["offset"] == 7

    def test_mask_card_numbers_wherever_they_are(self, output: Output) -> None:
        """Also nested, as a number, in a list or in an object's text."""
        structlog.get_logger().info(
            "x", a=PAN, b={"c": [f"card {PAN}"]}, d=int(PAN), e=ValueError(PAN), f=None, g=1.5
        )

        assert PAN not in output.stream.getvalue()
        line = output.lines()[0]
        assert line["a"] == "************1111"
        assert (line["f"], line["g"]) == (None, 1.5)

    def test_a_traceback_has_no_locals(self, output: Output) -> None:
        """What a function held when it failed stays in memory."""
        self.fail_with_a_secret()

        (line,) = output.lines()
        assert line["exception"][0]["exc_type"] == "ValueError"
        assert "hunter2" not in output.stream.getvalue()

    def test_libraries_write_the_same_way(self, output: Output) -> None:
        """The standard library's warnings become lines as well."""
        logging.getLogger("aiokafka").warning("broker %s is gone: %s", 1, PAN)

        (line,) = output.lines()
        assert line["event"] == "broker 1 is gone: ************1111"
        assert line["level"] == "warning"

    def fail_with_a_secret(self) -> None:
        """Fail while a local variable holds a secret."""
        password = "hunter" + "2"
        try:
            int(f"wrong: {len(password)}")
        except ValueError:
            structlog.get_logger().exception("points.failed")
