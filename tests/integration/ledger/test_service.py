"""The ledger as a process, asked over gRPC."""

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from cagnotte.ledger.v1 import ledger_pb2
from cagnotte.ledger.v1 import ledger_service_pb2 as pb
from services.common.runtime.grpc_client import parse_error
from tests.integration.ledger.process import (
    ALICE,
    BANK,
    SALES,
    Service,
    post,
    trial_balance,
)


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str, list[str]]:
    """Await a call that must fail; give code, reason and the fields at fault."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    error = parse_error(failed.value)
    return failed.value.code(), error.reason, [field for field, _ in error.violations]


class TestGrpc:
    async def test_one_story(self, service: Service) -> None:
        """Open, post, batch; then every read tells the same, and the process ends cleanly when asked."""
        opened = await service.ledger.OpenAccount(
            pb.OpenAccountRequest(name=ALICE, asset="EUR", floor=0, gl_code="467100")
        )
        first = post((BANK, -500), (ALICE, 500))
        posted = await service.ledger.PostTransaction(pb.PostTransactionRequest(transaction=first))
        batch = await service.ledger.BatchPostTransactions(
            pb.BatchPostTransactionsRequest(
                transactions=[
                    post((ALICE, -100), (SALES, 100), group=1),
                    post((ALICE, -50), (SALES, 50)),
                    post((ALICE, -900), (SALES, 900), group=1),
                ]
            )
        )

        assert not opened.replayed
        assert posted.outcome.status == ledger_pb2.OUTCOME_STATUS_ACCEPTED
        assert [outcome.reason for outcome in batch.outcomes] == [14, 0, 4]
        balance = await service.finance.GetBalance(pb.GetBalanceRequest(account=ALICE))
        assert (balance.balance.posted, balance.balance.available) == (450, 450)
        page = await service.finance.ListPostings(
            pb.ListPostingsRequest(account=ALICE, page_size=1)
        )
        assert (page.lines[0].posting.amount, page.lines[0].posting.side) == (50, 1)
        assert page.next_page_token
        read = await service.finance.GetTransaction(
            pb.GetTransactionRequest(transaction_id=first.transaction_id)
        )
        assert [p.account for p in read.transaction.postings] == [BANK, ALICE]
        assert await trial_balance(service) == {"467100": 450, "512100": -500, "707100": 50}
        totals = await service.finance.GetJournalTotals(pb.GetJournalTotalsRequest())
        assert (totals.seq, totals.accounts, totals.transactions, totals.refusals) == (7, 3, 2, 2)
        assert (await service.finance.VerifyJournal(pb.VerifyJournalRequest())).ok
        service.process.terminate()
        assert await service.process.wait() == 0

    async def test_bad_input(self, service: Service) -> None:
        """Bad input is INVALID_ARGUMENT with the fields at fault, and nothing is written."""
        unbalanced = post((BANK, -500), (SALES, 400))
        twice = post((BANK, -500), (SALES, 400), (SALES, 100))
        ahead = post((BANK, -500), (SALES, 500))
        ahead.effective_time.FromDatetime(datetime.now(UTC) + timedelta(days=11))
        reused = post((BANK, -500), (SALES, 500))
        await service.ledger.PostTransaction(pb.PostTransactionRequest(transaction=reused))
        reused.post.legs[0].amount = reused.post.legs[1].amount = 600
        zero = post((BANK, -1), (SALES, 1))
        zero.post.legs[0].amount = 0
        card = post((BANK, -1), (SALES, 1))
        card.reference = "4111 1111 1111 1111"
        control = post((BANK, -1), (SALES, 1))
        control.reference = "a\x00b"
        call = service.ledger.PostTransaction
        invalid = grpc.StatusCode.INVALID_ARGUMENT

        async def answer(command: ledger_pb2.TransactionCommand) -> Any:
            return await refusal(call(pb.PostTransactionRequest(transaction=command)))

        assert await answer(unbalanced) == (invalid, "NOT_BALANCED", ["transaction.post.legs"])
        assert await answer(twice) == (
            invalid,
            "ACCOUNT_REPEATED",
            ["transaction.post.legs[2].account"],
        )
        assert await answer(ahead) == (
            invalid,
            "EFFECTIVE_TIME_OUT_OF_RANGE",
            ["transaction.effective_time"],
        )
        assert (await answer(reused))[:2] == (invalid, "REQUEST_ID_REUSED")
        assert await answer(zero) == (
            invalid,
            "FIELD_INVALID",
            ["transaction.post.legs[0].amount"],
        )
        assert (await answer(card))[:2] == (invalid, "PAN_REFUSED")
        assert await answer(control) == (invalid, "FIELD_INVALID", ["transaction.reference"])
        opened = await refusal(
            service.ledger.OpenAccount(
                pb.OpenAccountRequest(name="x", asset="EUR", gl_code="999999")
            )
        )
        assert opened == (invalid, "INVALID_COMMAND", ["gl_code"])
        missing = await refusal(service.finance.GetAccount(pb.GetAccountRequest(name="no/one")))
        assert missing[:2] == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND")
        totals = await service.finance.GetJournalTotals(pb.GetJournalTotalsRequest())
        assert (totals.transactions, totals.refusals) == (1, 0)
