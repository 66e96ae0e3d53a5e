"""The client of the ledger: its refusals are declines, all else is unknown."""

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import grpc
import pytest

from cagnotte.ledger.v1 import error_reason_pb2, ledger_pb2, ledger_service_pb2
from services.common.kernel.errors import InvalidArgument, NotFound
from services.common.kernel.ids import derive_id
from services.wallet.clients.answer import CallAnswer, declined, done, unknown
from services.wallet.clients.ledger import LedgerClient
from services.wallet.clients.stored_value import BalancesUnavailable, MoneyHold
from tests.unit.wallet.clients.fake_channel import FakeChannel, failure, refusal

LEG_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8002")
CUSTOMER_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8003")
PAYMENT_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8001")
HOLD = MoneyHold(
    leg_id=LEG_ID,
    payment_id=PAYMENT_ID,
    customer_id=CUSTOMER_ID,
    amount_minor=1500,
    currency_code="EUR",
    expire_time=datetime(2017, 1, 8, tzinfo=UTC),
)


class AccountNotFound(NotFound):
    """The ledger's refusal."""

    reason = "ACCOUNT_NOT_FOUND"


class RequestIdReused(InvalidArgument):
    """The ledger's refusal."""

    reason = "REQUEST_ID_REUSED"


def _client(**replies: Any) -> tuple[LedgerClient, FakeChannel]:
    channel = FakeChannel(replies)
    client = LedgerClient(cast("grpc.aio.Channel", channel), token=None, timeout_seconds=2.0)
    return client, channel


def _outcome(reason: str = "") -> ledger_service_pb2.PostTransactionResponse:
    if not reason:
        outcome = ledger_pb2.Outcome(status=ledger_pb2.OUTCOME_STATUS_ACCEPTED)
    else:
        outcome = ledger_pb2.Outcome(
            status=ledger_pb2.OUTCOME_STATUS_REFUSED,
            reason=error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}"),
        )
    return ledger_service_pb2.PostTransactionResponse(outcome=outcome)


class TestHold:
    async def test_holds_prepaid_money_for_the_clearing_of_checkouts(self) -> None:
        """A balanced hold under the leg's id, out of the shopper's account."""
        client, channel = _client(PostTransaction=_outcome())

        answer = await client.hold(HOLD)

        [(_, request)] = channel.requests
        transaction = request.transaction
        assert answer == done()
        assert transaction.transaction_id == str(LEG_ID)
        assert (transaction.purpose, transaction.reference) == ("checkout-hold", str(PAYMENT_ID))
        assert [
            (leg.account, leg.side, leg.amount, leg.asset) for leg in transaction.hold.legs
        ] == [
            (f"wallet/{CUSTOMER_ID}/prepaid", ledger_pb2.SIDE_DEBIT, 1500, "EUR"),
            ("checkout/clearing", ledger_pb2.SIDE_CREDIT, 1500, "EUR"),
        ]
        assert transaction.hold.expire_time.ToDatetime(UTC) == HOLD.expire_time

    @pytest.mark.parametrize(
        ("reply", "answer"),
        [
            (_outcome("INSUFFICIENT_FUNDS"), declined("INSUFFICIENT_FUNDS")),
            (_outcome("EXPIRE_TIME_PASSED"), declined("EXPIRE_TIME_PASSED")),
            (refusal(RequestIdReused("Other.")), declined("REQUEST_ID_REUSED")),
            (failure(grpc.StatusCode.UNAVAILABLE), unknown("UNAVAILABLE")),
            (failure(grpc.StatusCode.DEADLINE_EXCEEDED), unknown("DEADLINE_EXCEEDED")),
            (failure(grpc.StatusCode.INTERNAL), unknown("INTERNAL")),
        ],
    )
    async def test_a_refusal_is_a_decline_and_trouble_is_unknown(
        self, reply: Any, answer: CallAnswer
    ) -> None:
        """What the ledger decides is final; where it decided nothing, it may yet."""
        client, _ = _client(PostTransaction=reply)

        assert await client.hold(HOLD) == answer


class TestRelease:
    async def test_voids_under_an_id_of_its_own(self) -> None:
        """The release has the id that follows from the leg's, whoever sends it."""
        client, channel = _client(PostTransaction=_outcome())

        await client.release(LEG_ID, payment_id=PAYMENT_ID)

        [(_, request)] = channel.requests
        assert request.transaction.transaction_id == str(derive_id(LEG_ID, 1))
        assert request.transaction.void_hold.hold_id == str(LEG_ID)
        assert request.transaction.purpose == "checkout-release"

    @pytest.mark.parametrize(
        ("reply", "answer"),
        [
            (_outcome(), done()),
            (_outcome("HOLD_NOT_FOUND"), done()),
            (_outcome("HOLD_EXPIRED"), done()),
            (_outcome("HOLD_CLOSED"), declined("HOLD_CLOSED")),
            (failure(grpc.StatusCode.UNAVAILABLE), unknown("UNAVAILABLE")),
        ],
    )
    async def test_ends_with_nothing_held(self, reply: Any, answer: CallAnswer) -> None:
        """A hold that is not there, or over, needs no release; one that was posted cannot be voided."""
        client, _ = _client(PostTransaction=reply)

        assert await client.release(LEG_ID, payment_id=PAYMENT_ID) == answer


class TestPrepaid:
    @pytest.mark.parametrize(
        ("reply", "available"),
        [
            (
                ledger_service_pb2.GetBalanceResponse(
                    balance=ledger_pb2.Balance(posted=2000, pending_out=500, available=1500)
                ),
                1500,
            ),
            (refusal(AccountNotFound("None.")), 0),
        ],
    )
    async def test_tells_what_can_still_go_out(self, reply: Any, available: int) -> None:
        """Holds are deducted; a shopper who never had an account has nothing."""
        client, channel = _client(GetBalance=reply)

        assert await client.prepaid_minor(CUSTOMER_ID) == available
        assert channel.requests[0][1].account == f"wallet/{CUSTOMER_ID}/prepaid"

    async def test_trouble_is_told_as_such(self) -> None:
        """An unknown balance is not a balance of zero."""
        client, _ = _client(GetBalance=failure(grpc.StatusCode.DEADLINE_EXCEEDED))

        with pytest.raises(BalancesUnavailable):
            await client.prepaid_minor(CUSTOMER_ID)
