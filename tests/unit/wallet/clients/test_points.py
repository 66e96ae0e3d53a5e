"""The client of points: refusals are declines, all else is unknown."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import grpc
import pytest

from cagnotte.points.v1 import points_pb2, points_service_pb2
from services.common.kernel.errors import FailedPrecondition, NotFound
from services.common.kernel.loyalty import LoyaltyAmount, LoyaltyCurrency
from services.wallet.clients.answer import CallAnswer, declined, done, unknown
from services.wallet.clients.points import PointsClient
from services.wallet.clients.service_token import ServiceToken
from services.wallet.clients.stored_value import BalancesUnavailable, ValueBalances, ValueHold
from tests.unit.wallet.clients.fake_channel import FakeChannel, failure, refusal

LEG_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8002")
CUSTOMER_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8003")
HOLD = ValueHold(
    leg_id=LEG_ID,
    customer_id=CUSTOMER_ID,
    amount=LoyaltyAmount(LoyaltyCurrency.KITTY, 250),
    expire_time=datetime(2017, 1, 8, tzinfo=UTC),
)


class ValueInsufficient(FailedPrecondition):
    """Points' refusal."""

    reason = "VALUE_INSUFFICIENT"


class MemberNotFound(NotFound):
    """Points' refusal."""

    reason = "MEMBER_NOT_FOUND"


class HoldNotFound(NotFound):
    """Points' refusal."""

    reason = "HOLD_NOT_FOUND"


class HoldNotOpen(FailedPrecondition):
    """Points' refusal."""

    reason = "HOLD_NOT_OPEN"


TROUBLE = [
    failure(grpc.StatusCode.UNAVAILABLE),
    failure(grpc.StatusCode.DEADLINE_EXCEEDED),
    failure(grpc.StatusCode.RESOURCE_EXHAUSTED),
    failure(grpc.StatusCode.UNAUTHENTICATED),
    failure(grpc.StatusCode.INTERNAL),
    failure(grpc.StatusCode.UNKNOWN),
    failure(grpc.StatusCode.CANCELLED),
]


def _client(**replies: Any) -> tuple[PointsClient, FakeChannel]:
    channel = FakeChannel(replies)
    client = PointsClient(cast("grpc.aio.Channel", channel), token=None, timeout_seconds=2.0)
    return client, channel


def _held(state: points_pb2.HoldState.ValueType) -> points_service_pb2.HoldValueResponse:
    return points_service_pb2.HoldValueResponse(hold=points_pb2.Hold(state=state))


class TestHold:
    async def test_asks_for_the_leg_under_its_own_id(self) -> None:
        """The leg's id is the hold's, so that the same call can be made again."""
        client, channel = _client(HoldValue=_held(points_pb2.HOLD_STATE_OPEN))

        answer = await client.hold(HOLD)

        [(_, request)] = channel.requests
        assert answer == done()
        assert (request.hold_id, request.customer_id) == (str(LEG_ID), str(CUSTOMER_ID))
        assert (request.currency, request.quantity) == (LoyaltyCurrency.KITTY, 250)
        assert request.expire_time.ToDatetime(UTC) == HOLD.expire_time
        assert channel.options[0]["timeout"] == 2.0

    @pytest.mark.parametrize(
        ("reply", "answer"),
        [
            (refusal(ValueInsufficient("Less.")), declined("VALUE_INSUFFICIENT")),
            (refusal(MemberNotFound("None.")), declined("MEMBER_NOT_FOUND")),
            (_held(points_pb2.HOLD_STATE_RELEASED), declined("RELEASED")),
            (_held(points_pb2.HOLD_STATE_EXPIRED), declined("EXPIRED")),
            (_held(points_pb2.HOLD_STATE_SPENT), done()),
        ],
    )
    async def test_a_decision_of_points_is_final(self, reply: Any, answer: CallAnswer) -> None:
        """A refusal is a decline with its reason, and so is a hold that has ended meanwhile."""
        client, _ = _client(HoldValue=reply)

        assert await client.hold(HOLD) == answer

    @pytest.mark.parametrize("trouble", TROUBLE, ids=lambda error: error.code().name)
    async def test_trouble_leaves_it_unknown(self, trouble: grpc.aio.AioRpcError) -> None:
        """Whoever did not decide may have held, or may yet."""
        client, _ = _client(HoldValue=trouble, ReleaseHold=trouble)

        answers = [await client.hold(HOLD), await client.release(LEG_ID)]

        assert answers == [unknown(trouble.code().name)] * 2

    async def test_without_a_token_it_is_unknown(self, tmp_path: Path) -> None:
        """Our own identity missing is trouble like any other."""
        client = PointsClient(
            cast("grpc.aio.Channel", FakeChannel({})),
            token=ServiceToken(tmp_path / "none"),
            timeout_seconds=2.0,
        )

        assert await client.hold(HOLD) == unknown("IDENTITY_UNAVAILABLE")


class TestInDoubt:
    @pytest.mark.parametrize("trouble", TROUBLE, ids=lambda error: error.code().name)
    async def test_follows_trouble_until_points_decides_again(
        self, trouble: grpc.aio.AioRpcError
    ) -> None:
        """What points refuses is an answer as good as any other."""
        client, _ = _client(HoldValue=trouble, ReleaseHold=refusal(HoldNotFound("None.")))

        doubts = [client.in_doubt]
        await client.hold(HOLD)
        doubts.append(client.in_doubt)
        await client.release(LEG_ID)
        doubts.append(client.in_doubt)

        assert doubts == [False, True, False]


class TestRelease:
    @pytest.mark.parametrize(
        ("reply", "answer"),
        [
            (points_service_pb2.ReleaseHoldResponse(), done()),
            (refusal(HoldNotFound("None.")), done()),
            (refusal(HoldNotOpen("Spent.")), declined("HOLD_NOT_OPEN")),
        ],
    )
    async def test_ends_with_nothing_held(self, reply: Any, answer: CallAnswer) -> None:
        """A hold that is not there needs no release; one that was spent cannot be released."""
        client, _ = _client(ReleaseHold=reply)

        assert await client.release(LEG_ID) == answer


class TestBalances:
    async def test_tells_both_currencies(self) -> None:
        """What can be spent now, of points and of kitty."""
        balances = [
            points_pb2.Balance(currency=LoyaltyCurrency.POINTS.value, available=120, held=5),  # type: ignore[arg-type]  # an enum is its number
            points_pb2.Balance(currency=LoyaltyCurrency.KITTY.value, available=345),  # type: ignore[arg-type]  # an enum is its number
        ]
        client, _ = _client(GetBalances=points_service_pb2.GetBalancesResponse(balances=balances))

        assert await client.balances(CUSTOMER_ID) == ValueBalances(points=120, kitty_minor=345)

    async def test_who_is_no_member_has_nothing(self) -> None:
        """A shopper without a loyalty card pays with other means."""
        client, _ = _client(GetBalances=refusal(MemberNotFound("None.")))

        assert await client.balances(CUSTOMER_ID) == ValueBalances(points=0, kitty_minor=0)

    async def test_trouble_is_told_as_such(self) -> None:
        """Unknown balances are not zero balances."""
        client, _ = _client(GetBalances=failure(grpc.StatusCode.UNAVAILABLE))

        with pytest.raises(BalancesUnavailable):
            await client.balances(CUSTOMER_ID)
