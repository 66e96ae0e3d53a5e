"""``ledger`` behind the wallet's ``MoneyHolds``: the shopper's prepaid account and the clearing of checkouts."""

from typing import Final
from uuid import UUID

import grpc

from cagnotte.ledger.v1 import error_reason_pb2, ledger_pb2, ledger_service_pb2
from cagnotte.ledger.v1.ledger_service_pb2_grpc import LedgerServiceStub
from services.common.kernel.ids import derive_id
from services.wallet.clients.answer import CallAnswer, declined, done
from services.wallet.clients.remote import FAILURES, Remote, failed_answer, refusal_of
from services.wallet.clients.service_token import ServiceToken
from services.wallet.clients.stored_value import BalancesUnavailable, MoneyHold
from services.wallet.codec.time import render_time

_CLEARING: Final = "checkout/clearing"
_HOLD_PURPOSE: Final = "checkout-hold"
_RELEASE_PURPOSE: Final = "checkout-release"

_NOTHING_HELD: Final = frozenset(
    (error_reason_pb2.ERROR_REASON_HOLD_NOT_FOUND, error_reason_pb2.ERROR_REASON_HOLD_EXPIRED)
)
"""Why voiding a hold is refused when there is nothing to be voided."""


def prepaid_account(customer_id: UUID) -> str:
    """Name the ledger's account of a shopper's prepaid balance."""
    return f"wallet/{customer_id}/prepaid"


class LedgerClient:
    """A ``MoneyHolds``."""

    def __init__(
        self, channel: grpc.aio.Channel, *, token: ServiceToken | None, timeout_seconds: float
    ) -> None:
        """Take a channel that does not try again by itself."""
        self._stub = LedgerServiceStub(channel)
        self._remote = Remote(token=token, timeout_seconds=timeout_seconds)

    @property
    def in_doubt(self) -> bool:
        """See ``MoneyHolds``."""
        return self._remote.in_doubt

    async def hold(self, command: MoneyHold) -> CallAnswer:
        """See ``MoneyHolds``."""
        legs = [
            ledger_pb2.Leg(
                account=account, side=side, amount=command.amount_minor, asset=command.currency_code
            )
            for account, side in (
                (prepaid_account(command.customer_id), ledger_pb2.SIDE_DEBIT),
                (_CLEARING, ledger_pb2.SIDE_CREDIT),
            )
        ]
        transaction = ledger_pb2.TransactionCommand(
            transaction_id=str(command.leg_id),
            purpose=_HOLD_PURPOSE,
            reference=str(command.payment_id),
            hold=ledger_pb2.Hold(legs=legs, expire_time=render_time(command.expire_time)),
        )
        return await self._post(transaction)

    async def release(self, leg_id: UUID, *, payment_id: UUID) -> CallAnswer:
        """See ``MoneyHolds``. Where there is no such hold, or it has expired, nothing is held."""
        transaction = ledger_pb2.TransactionCommand(
            transaction_id=str(derive_id(leg_id, 1)),
            purpose=_RELEASE_PURPOSE,
            reference=str(payment_id),
            void_hold=ledger_pb2.VoidHold(hold_id=str(leg_id)),
        )
        return await self._post(transaction, no_harm=_NOTHING_HELD)

    async def prepaid_minor(self, customer_id: UUID) -> int:
        """See ``MoneyHolds``. A shopper without an account has nothing."""
        request = ledger_service_pb2.GetBalanceRequest(account=prepaid_account(customer_id))
        try:
            response = await self._remote.call(self._stub.GetBalance, request)
        except FAILURES as error:
            if refusal_of(error) == "ACCOUNT_NOT_FOUND":
                return 0
            raise BalancesUnavailable("The ledger did not tell the prepaid balance.") from error
        available: int = response.balance.available
        return available

    async def _post(
        self,
        transaction: ledger_pb2.TransactionCommand,
        *,
        no_harm: frozenset[error_reason_pb2.ErrorReason.ValueType] = frozenset(),
    ) -> CallAnswer:
        request = ledger_service_pb2.PostTransactionRequest(transaction=transaction)
        try:
            response = await self._remote.call(self._stub.PostTransaction, request)
        except FAILURES as error:
            return failed_answer(error)
        outcome: ledger_pb2.Outcome = response.outcome
        if outcome.status == ledger_pb2.OUTCOME_STATUS_ACCEPTED or outcome.reason in no_harm:
            return done()
        name = error_reason_pb2.ErrorReason.Name(outcome.reason)
        return declined(name.removeprefix("ERROR_REASON_"))
