"""Instants at the doors of every service: what is none is refused by name, and kept ones are always read."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.common.v1 import clock_service_pb2
from cagnotte.ledger.v1 import ledger_service_pb2
from cagnotte.points.v1 import points_pb2, points_service_pb2
from cagnotte.wallet.v1 import checkout_service_pb2
from services.common.runtime.timestamps import (
    TIMESTAMP_FAULT,
    TimestampInvalid,
    decode_time,
    parse_time,
    render_time,
)
from services.common.runtime.validation import TextFault, TextGuard

NO_INSTANTS: Final = [
    Timestamp(seconds=1_483_617_600, nanos=1_000_000_007),
    Timestamp(seconds=1_483_617_600, nanos=1_000_000_000),
    Timestamp(seconds=1_483_617_600, nanos=-5),
    Timestamp(seconds=-1),
    Timestamp(seconds=-62_135_596_801),
    Timestamp(seconds=253_370_764_800),
    Timestamp(seconds=253_402_300_800),
    Timestamp(seconds=10**15),
    Timestamp(seconds=-(10**15)),
    Timestamp(seconds=2**63 - 1),
    Timestamp(seconds=-(2**63)),
]
LIMITS: Final = [
    (Timestamp(), datetime(1970, 1, 1, tzinfo=UTC)),
    (Timestamp(nanos=999_999_999), datetime(1970, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)),
    (
        Timestamp(seconds=253_370_764_799, nanos=999_999_999),
        datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ),
]
DOORS: Final[dict[str, Callable[[Timestamp], Any]]] = {
    "ticket.occur_time": lambda time: checkout_service_pb2.OpenCheckoutRequest(
        ticket=points_pb2.Ticket(occur_time=time)
    ),
    "ticket.occur_time ": lambda time: points_service_pb2.RecordTicketRequest(
        ticket=points_pb2.Ticket(occur_time=time)
    ),
    "expire_time": lambda time: points_service_pb2.HoldValueRequest(expire_time=time),
    "recorded_time": lambda time: ledger_service_pb2.GetBalanceRequest(recorded_time=time),
    "effective_time": lambda time: ledger_service_pb2.GetBalanceRequest(effective_time=time),
    "business_time": lambda time: clock_service_pb2.SetTimeRequest(business_time=time),
}


class TestParseTime:
    @pytest.mark.parametrize("message", NO_INSTANTS, ids=lambda m: f"{m.seconds}.{m.nanos}")
    def test_refuses_what_is_no_instant(self, message: Timestamp) -> None:
        """Whatever a caller sends, the refusal names the field and nothing overflows."""
        with pytest.raises(TimestampInvalid) as refusal:
            parse_time(message, "ticket.occur_time")

        assert refusal.value.reason == "FIELD_INVALID"
        assert refusal.value.violations == (("ticket.occur_time", TIMESTAMP_FAULT),)
        assert refusal.value.metadata == {"field": "ticket.occur_time"}

    @pytest.mark.parametrize(("message", "instant"), LIMITS)
    def test_takes_the_limits(self, message: Timestamp, instant: datetime) -> None:
        """From 1970 to 9998, cut off to the microsecond."""
        assert parse_time(message, "x") == instant
        assert parse_time(render_time(instant), "x") == instant

    def test_kept_ones_are_read_whatever_their_nanos(self) -> None:
        """A fact that was written once can be folded for ever."""
        message = Timestamp(seconds=1_483_617_600, nanos=1_000_000_007)

        assert decode_time(message) == datetime(2017, 1, 5, 12, 0, 1, tzinfo=UTC)


class TestEveryDoor:
    @pytest.mark.parametrize("door", DOORS)
    @pytest.mark.parametrize("message", NO_INSTANTS, ids=lambda m: f"{m.seconds}.{m.nanos}")
    def test_refuses_what_is_no_instant(self, door: str, message: Timestamp) -> None:
        """The guard of every request finds it, by its path, before any service sees it."""
        request = DOORS[door](message)

        fault = TextGuard(request.DESCRIPTOR).find(request)

        assert fault == TextFault(door.strip(), is_pan=False, description=TIMESTAMP_FAULT)

    @pytest.mark.parametrize("door", DOORS)
    @pytest.mark.parametrize("message", [message for message, _ in LIMITS])
    def test_lets_instants_in(self, door: str, message: Timestamp) -> None:
        """Also at the limits; what a service makes of them is its own affair."""
        request = DOORS[door](message)

        assert TextGuard(request.DESCRIPTOR).find(request) is None

    @pytest.mark.parametrize("door", DOORS)
    def test_lets_pass_what_is_absent(self, door: str) -> None:
        """Whether a time is required is the proto's rule."""
        request = type(DOORS[door](Timestamp()))()

        assert TextGuard(request.DESCRIPTOR).find(request) is None
