"""More transactions than the ledger can hold: it says so at once, keeps working, and is itself again afterwards."""

import grpc
import pytest

from cagnotte.ledger.v1 import ledger_pb2
from cagnotte.ledger.v1 import ledger_service_pb2 as pb
from services.common.testing.postgres import TestDatabase
from tests.integration.ledger.process import BANK, SALES, Service, post
from tests.integration.overload import (
    CROWD,
    QUEUE_MAX,
    assert_told_to_wait,
    overflow,
    send_until_accepted,
    set_narrow_queue,
)

WAVES = 3


@pytest.fixture(autouse=True)
def narrow_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ledger hold only a few commands at a time."""
    set_narrow_queue(monkeypatch, "LEDGER")


def requests() -> list[pb.PostTransactionRequest]:
    """Give as many transactions as a crowd of callers sends at once."""
    return [request() for _ in range(CROWD)]


def request() -> pb.PostTransactionRequest:
    """Give one, of one cent."""
    return pb.PostTransactionRequest(transaction=post((BANK, -1), (SALES, 1)))


async def count_transactions(service: Service) -> int:
    """Ask how many transactions are in the books, and check that their sum agrees."""
    totals = await service.finance.GetJournalTotals(pb.GetJournalTotalsRequest())
    balance = await service.finance.GetBalance(pb.GetBalanceRequest(account=SALES))
    assert balance.balance.posted == totals.transactions
    return int(totals.transactions)


class TestOverload:
    async def test_is_answered_at_once_with_when_to_try_again(
        self, service: Service, ledger_database: TestDatabase
    ) -> None:
        """Whoever finds no room hears RESOURCE_EXHAUSTED, its reason and a pause, and left no trace."""
        heard = await overflow(ledger_database, service.ledger.PostTransaction, requests())

        assert_told_to_wait(heard.errors)
        for refused in heard.refused:
            with pytest.raises(grpc.aio.AioRpcError) as unknown:
                await service.finance.GetTransaction(
                    pb.GetTransactionRequest(transaction_id=refused.transaction.transaction_id)
                )
            assert unknown.value.code() is grpc.StatusCode.NOT_FOUND

    async def test_refuses_a_batch_that_finds_no_room_as_a_whole(
        self, service: Service, ledger_database: TestDatabase
    ) -> None:
        """A batch is let in with all of its transactions or with none."""
        batches = [
            pb.BatchPostTransactionsRequest(
                transactions=[post((BANK, -1), (SALES, 1)) for _ in range(QUEUE_MAX)]
            )
            for _ in range(CROWD)
        ]

        heard = await overflow(ledger_database, service.ledger.BatchPostTransactions, batches)

        assert_told_to_wait(heard.errors)
        assert await count_transactions(service) == len(heard.accepted) * QUEUE_MAX

    async def test_does_not_stop_the_work(
        self, service: Service, ledger_database: TestDatabase
    ) -> None:
        """Wave upon wave, as many as there is room for are posted, and all that were acknowledged once."""
        accepted = 0

        for _ in range(WAVES):
            heard = await overflow(ledger_database, service.ledger.PostTransaction, requests())
            assert len(heard.accepted) >= QUEUE_MAX
            for answer in heard.answers:
                assert answer.outcome.status == ledger_pb2.OUTCOME_STATUS_ACCEPTED
            accepted += len(heard.accepted)

        assert await count_transactions(service) == accepted

    async def test_ends_with_every_transaction_posted_once(
        self, service: Service, ledger_database: TestDatabase
    ) -> None:
        """Callers that wait as they are told get through, and then a lone call is served."""
        heard = await overflow(ledger_database, service.ledger.PostTransaction, requests())
        await send_until_accepted(service.ledger.PostTransaction, heard)
        await service.ledger.PostTransaction(request())

        assert await count_transactions(service) == CROWD + 1
