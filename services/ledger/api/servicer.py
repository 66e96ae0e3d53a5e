"""The servicer of ``cagnotte.ledger.v1.LedgerService``: it translates and decides nothing."""

from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import grpc

from cagnotte.ledger.v1 import ledger_service_pb2 as pb
from cagnotte.ledger.v1 import ledger_service_pb2_grpc
from services.common.kernel.clock import Clock
from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.grpc_server import Registration
from services.ledger.codec import commands, pages, render
from services.ledger.domain.account import AccountDiffers
from services.ledger.domain.batch import Result, Unit
from services.ledger.domain.chart import Chart
from services.ledger.domain.decide import AccountOpened
from services.ledger.domain.journal import Posting
from services.ledger.domain.transaction import (
    InvalidCommand,
    Outcome,
    Refusal,
    RequestIdReused,
)
from services.ledger.usecases.read_accounts import BalanceView, ReadAccounts
from services.ledger.usecases.read_journal import ReadJournal

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class LedgerServicer(ledger_service_pb2_grpc.LedgerServiceServicer):
    """Translates between messages and use cases."""

    def __init__(
        self,
        engine: GroupCommit[Unit, Result],
        accounts: ReadAccounts,
        journal: ReadJournal,
        chart: Chart,
        *,
        clock: Clock,
        effective_ahead: timedelta,
    ) -> None:
        """Take the use cases, and by whose clock and how far ahead a caller's transaction may count."""
        self._engine = engine
        self._accounts = accounts
        self._journal = journal
        self._chart = chart
        self._clock = clock
        self._effective_ahead = effective_ahead

    def _latest(self) -> datetime:
        return self._clock() + self._effective_ahead

    async def OpenAccount(
        self, request: pb.OpenAccountRequest, _context: Context
    ) -> pb.OpenAccountResponse:
        """Open an account, or find it open."""
        if request.gl_code not in self._chart.labels:
            fault = "is not in the chart of accounts"
            raise InvalidCommand(f"The GL code {fault}.", violations=[("gl_code", fault)])
        opened = await self._engine.submit(commands.parse_open_account(request))
        if not isinstance(opened, AccountOpened):
            raise AccountDiffers(
                "An account of this name is open with other content.", account=request.name
            )
        return pb.OpenAccountResponse(
            account=render.render_account(opened.account), replayed=opened.replayed
        )

    async def PostTransaction(
        self, request: pb.PostTransactionRequest, _context: Context
    ) -> pb.PostTransactionResponse:
        """Decide one transaction."""
        outcome = await self._engine.submit(
            commands.parse_command(request.transaction, path="transaction", latest=self._latest)
        )
        assert isinstance(outcome, Outcome), "a transaction has an outcome"
        if outcome.refusal is Refusal.REQUEST_ID_REUSED:
            raise RequestIdReused(
                "This transaction_id was used before with other content.",
                transaction_id=outcome.transaction_id,
            )
        return pb.PostTransactionResponse(outcome=render.render_outcome(outcome))

    async def BatchPostTransactions(
        self, request: pb.BatchPostTransactionsRequest, _context: Context
    ) -> pb.BatchPostTransactionsResponse:
        """Decide many transactions; linked ones all or nothing."""
        units, positions = commands.parse_batch(request.transactions, latest=self._latest)
        results = await self._engine.submit_many(units)
        ordered = commands.in_request_order(
            [result if isinstance(result, list) else [result] for result in results],
            positions,
            count=len(request.transactions),
        )
        return pb.BatchPostTransactionsResponse(
            outcomes=[render.render_outcome(outcome) for outcome in ordered]
        )

    async def GetAccount(
        self, request: pb.GetAccountRequest, _context: Context
    ) -> pb.GetAccountResponse:
        """Read an account."""
        account = await self._accounts.account(request.name)
        return pb.GetAccountResponse(account=render.render_account(account))

    async def GetTransaction(
        self, request: pb.GetTransactionRequest, _context: Context
    ) -> pb.GetTransactionResponse:
        """Read a transaction."""
        view = await self._journal.transaction(UUID(request.transaction_id))
        return pb.GetTransactionResponse(
            transaction=render.render_transaction(view.recorded, view.accounts)
        )

    async def GetBalance(
        self, request: pb.GetBalanceRequest, _context: Context
    ) -> pb.GetBalanceResponse:
        """Read balances now or as of a time."""
        view = await self._balance(request)
        balance = render.render_balance(
            view.account,
            posted=view.balances.posted,
            pending_out=view.balances.pending_out,
            pending_in=view.balances.pending_in,
            available=view.available,
            seq=view.seq,
        )
        return pb.GetBalanceResponse(balance=balance)

    async def _balance(self, request: pb.GetBalanceRequest) -> BalanceView:
        match request.WhichOneof("as_of"):
            case "recorded_time":
                time = commands.parse_as_of(request.recorded_time, path="recorded_time")
                return await self._accounts.balance_as_of_recorded(request.account, time)
            case "effective_time":
                time = commands.parse_as_of(request.effective_time, path="effective_time")
                return await self._accounts.balance_as_of_effective(request.account, time)
            case _:
                return await self._accounts.balance_now(request.account)

    async def ListPostings(
        self, request: pb.ListPostingsRequest, _context: Context
    ) -> pb.ListPostingsResponse:
        """Read a page of a statement."""
        page = await self._accounts.statement(
            request.account,
            before=pages.parse_page_token(request.page_token),
            limit=pages.page_size(request.page_size),
        )
        account = page.account
        lines = [
            render.render_statement_line(
                Posting(
                    account.account_id,
                    row.seq,
                    row.layer,
                    row.amount,
                    row.balance_after,
                    account.shard_id,
                ),
                account,
                transaction_id=row.transaction_id,
                effective_time=row.effective_time,
                recorded_time=row.recorded_time,
                purpose=row.purpose,
                reference=row.reference,
            )
            for row in page.rows
        ]
        return pb.ListPostingsResponse(
            lines=lines, next_page_token=pages.render_page_token(page.next_place)
        )

    async def GetTrialBalance(
        self, request: pb.GetTrialBalanceRequest, _context: Context
    ) -> pb.GetTrialBalanceResponse:
        """Sum the books."""
        rows = await self._journal.trial_balance(
            effective_through=commands.parse_date(
                request.effective_through_date, path="effective_through_date"
            ),
            recorded_through=commands.parse_date(
                request.recorded_through_date, path="recorded_through_date"
            ),
        )
        labels = self._chart.labels
        lines = [
            render.render_trial_balance_line(label=labels.get(row.gl_code, ""), **row._asdict())
            for row in rows
        ]
        return pb.GetTrialBalanceResponse(lines=lines)

    async def GetJournalTotals(
        self, _request: pb.GetJournalTotalsRequest, _context: Context
    ) -> pb.GetJournalTotalsResponse:
        """Count the journal."""
        totals = await self._journal.totals()
        return pb.GetJournalTotalsResponse(**totals._asdict())

    async def VerifyJournal(
        self, _request: pb.VerifyJournalRequest, _context: Context
    ) -> pb.VerifyJournalResponse:
        """Recompute the hash chain."""
        report = await self._journal.verify()
        return pb.VerifyJournalResponse(
            ok=report.ok, blocks=report.blocks, facts=report.facts, detail=report.detail
        )


def ledger_registration(servicer: LedgerServicer) -> Registration:
    """Register the ledger with a server that is being built."""
    return Registration(
        pb.DESCRIPTOR.services_by_name["LedgerService"],
        ledger_service_pb2_grpc.add_LedgerServiceServicer_to_server,
        servicer,
    )
