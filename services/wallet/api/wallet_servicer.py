"""The servicer of ``cagnotte.wallet.v1.WalletService``."""

from typing import Any, TypeAlias

import grpc

from cagnotte.wallet.v1 import wallet_service_pb2 as pb
from cagnotte.wallet.v1 import wallet_service_pb2_grpc
from services.common.runtime.database import Database
from services.wallet.codec.chain_report import render_chain_report
from services.wallet.usecases.read import Reader
from services.wallet.usecases.verify_journal import verify_journal

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class WalletServicer(wallet_service_pb2_grpc.WalletServiceServicer):
    """Translate; decide nothing."""

    def __init__(self, db: Database, reader: Reader, *, shard_id: int) -> None:
        """Take the wallet's database, its questions, and the shard that is served."""
        self._db = db
        self._reader = reader
        self._shard_id = shard_id

    async def GetWalletTotals(
        self, request: pb.GetWalletTotalsRequest, context: Context
    ) -> pb.GetWalletTotalsResponse:
        """Count checkouts, top-ups and the money of cards."""
        totals = await self._reader.totals()
        return pb.GetWalletTotalsResponse(**totals._asdict())

    async def VerifyJournal(
        self, request: pb.VerifyJournalRequest, context: Context
    ) -> pb.VerifyJournalResponse:
        """Recompute the hash chain of the journal."""
        report, head_hash = await verify_journal(self._db, shard_id=self._shard_id)
        return render_chain_report(report, head_hash=head_hash)
