"""What wallet, provider and ledger say about payments by phone, each by itself."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Final

from cagnotte.ledger.v1 import ledger_pb2, ledger_service_pb2
from cagnotte.wallet.v1 import wallet_service_pb2
from services.simulator.errors import BooksBehindError, ServiceRefusedError
from services.simulator.provider_page import ProviderTotals
from services.simulator.stack import Stack

CARD_ACCOUNT: Final = "gl/511500/wallet"
"""What the provider owes for cards: debited by captures, credited by refunds."""

_PAGE: Final = 1_000
_POLL_SECONDS: Final = 0.25
_QUIET_SECONDS_MAX: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletTotals:
    """Checkouts over the wallet's whole life, and what it says of cards in cents; refunds are not deducted."""

    settled: int
    declined: int
    cancelled: int
    expired: int
    refunded: int
    unknown_resolved: int
    unknown_open: int
    in_flight: int
    card_captured_minor: int
    card_refunded_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneStanding:
    """Three views of the same payments; amounts in cents."""

    wallet: WalletTotals
    provider: ProviderTotals
    card_captured_minor: int
    card_refunded_minor: int


NO_PHONES: Final = PhoneStanding(
    wallet=WalletTotals(
        settled=0,
        declined=0,
        cancelled=0,
        expired=0,
        refunded=0,
        unknown_resolved=0,
        unknown_open=0,
        in_flight=0,
        card_captured_minor=0,
        card_refunded_minor=0,
    ),
    provider=ProviderTotals(captured_minor=0, refunded_minor=0),
    card_captured_minor=0,
    card_refunded_minor=0,
)
"""The standing of a stack that is not open to phones."""


async def read_phone_standing(stack: Stack) -> PhoneStanding:
    """Ask wallet, provider and ledger; all is zero where the stack is not open to phones."""
    if stack.phones is None:
        return NO_PHONES
    captured_minor, refunded_minor = await _read_card_account(stack)
    return PhoneStanding(
        wallet=await _read_wallet(stack),
        provider=await stack.phones.page.read_totals(),
        card_captured_minor=captured_minor,
        card_refunded_minor=refunded_minor,
    )


async def wait_for_quiet(stack: Stack) -> None:
    """Wait until nothing is being paid and the books have every card payment of before. Raises BooksBehindError."""
    if stack.phones is None:
        return
    began = monotonic()
    while not _is_quiet(standing := await read_phone_standing(stack)):
        if monotonic() - began > _QUIET_SECONDS_MAX:
            raise BooksBehindError(
                f"{standing.wallet.in_flight} payments of before are still under way, or not booked, after "
                f"{_QUIET_SECONDS_MAX:.0f} s; `cagnotte verify` tells more."
            )
        await asyncio.sleep(_POLL_SECONDS)


def _is_quiet(standing: PhoneStanding) -> bool:
    wallet = standing.wallet
    return (
        wallet.in_flight == 0
        and wallet.card_captured_minor == standing.card_captured_minor
        and wallet.card_refunded_minor == standing.card_refunded_minor
    )


async def _read_wallet(stack: Stack) -> WalletTotals:
    assert stack.phones is not None, "only asked where there are phones"
    totals = await stack.operator.call(
        stack.phones.wallet.totals.GetWalletTotals, wallet_service_pb2.GetWalletTotalsRequest()
    )
    return WalletTotals(
        settled=totals.checkouts_settled,
        declined=totals.checkouts_declined,
        cancelled=totals.checkouts_cancelled,
        expired=totals.checkouts_expired,
        refunded=totals.checkouts_refunded,
        unknown_resolved=totals.unknown_resolved,
        unknown_open=totals.unknown_open,
        in_flight=totals.in_flight,
        card_captured_minor=totals.card_captured_minor,
        card_refunded_minor=totals.card_refunded_minor,
    )


async def _read_card_account(stack: Stack) -> tuple[int, int]:
    """Sum the debits and the credits of the account of cards, which exists from the first payment on."""
    debits = credits_ = 0
    request = ledger_service_pb2.ListPostingsRequest(account=CARD_ACCOUNT, page_size=_PAGE)
    while True:
        try:
            page = await stack.finance.call(stack.ledger.ListPostings, request)
        except ServiceRefusedError as refusal:
            if refusal.reason != "ACCOUNT_NOT_FOUND":
                raise
            return 0, 0
        for posting in (line.posting for line in page.lines):
            if posting.side == ledger_pb2.SIDE_DEBIT:
                debits += posting.amount
            else:
                credits_ += posting.amount
        if not page.next_page_token:
            return debits, credits_
        request.page_token = page.next_page_token
