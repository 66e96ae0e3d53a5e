"""The servicer of ``cagnotte.wallet.v1.WalletService``."""

from typing import Any

import grpc

from cagnotte.wallet.v1 import wallet_service_pb2 as pb
from cagnotte.wallet.v1 import wallet_service_pb2_grpc
from services.common.runtime.database import Database
from services.wallet import codec
from services.wallet.usecases.verify_journal import verify_journal


class WalletServicer(wallet_service_pb2_grpc.WalletServiceServicer):
    """Translate; decide nothing."""

    def __init__(self, db: Database, *, shard_id: int) -> None:
        """Take the wallet's database and the shard that is served."""
        self._db = db
        self._shard_id = shard_id

    async def VerifyJournal(
        self,
        request: pb.VerifyJournalRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> pb.VerifyJournalResponse:
        """Recompute the hash chain of the journal."""
        report, head_hash = await verify_journal(self._db, shard_id=self._shard_id)
        return codec.render_chain_report(report, head_hash=head_hash)
