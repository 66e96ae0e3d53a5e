"""The proof of the journal, as it is answered."""

from cagnotte.wallet.v1 import wallet_service_pb2 as pb
from services.common.runtime.journal import ChainReport


def render_chain_report(report: ChainReport, *, head_hash: bytes) -> pb.VerifyJournalResponse:
    """Render what a check of the chain covered and, if it failed, its first offender."""
    return pb.VerifyJournalResponse(
        ok=report.ok,
        fact_count=report.facts,
        block_count=report.blocks,
        head_hash=head_hash.hex(),
        detail=report.detail,
    )
