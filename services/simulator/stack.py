"""The services as the simulator sees them: addresses, identities and typed stubs."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import grpc

from cagnotte.common.v1.clock_service_pb2_grpc import ClockServiceStub
from cagnotte.ledger.v1.ledger_service_pb2_grpc import LedgerServiceStub
from cagnotte.points.v1.points_service_pb2_grpc import PointsServiceStub
from cagnotte.wallet.v1.checkout_service_pb2_grpc import CheckoutServiceStub
from cagnotte.wallet.v1.payment_method_service_pb2_grpc import PaymentMethodServiceStub
from cagnotte.wallet.v1.prepaid_service_pb2_grpc import PrepaidServiceStub
from cagnotte.wallet.v1.wallet_service_pb2_grpc import WalletServiceStub
from services.common.runtime.grpc_client import open_channel
from services.simulator.calls import Identity, Patience
from services.simulator.provider_page import ProviderPage, open_page

if TYPE_CHECKING:  # The asynchronous stubs exist as types only.
    from cagnotte.common.v1.clock_service_pb2_grpc import ClockServiceAsyncStub
    from cagnotte.ledger.v1.ledger_service_pb2_grpc import LedgerServiceAsyncStub
    from cagnotte.points.v1.points_service_pb2_grpc import PointsServiceAsyncStub
    from cagnotte.wallet.v1.checkout_service_pb2_grpc import CheckoutServiceAsyncStub
    from cagnotte.wallet.v1.payment_method_service_pb2_grpc import PaymentMethodServiceAsyncStub
    from cagnotte.wallet.v1.prepaid_service_pb2_grpc import PrepaidServiceAsyncStub
    from cagnotte.wallet.v1.wallet_service_pb2_grpc import WalletServiceAsyncStub


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneAccess:
    """What phones need beside the services' addresses.

    ``shopper_token`` mints the token of a customer; ``provider_url`` is the payment provider, ``publishable_key`` what
    phones may know of it, and ``secret_key`` what finance looks into it with.
    """

    shopper_token: Callable[[UUID], str] = field(repr=False)
    provider_url: str
    publishable_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the services are and who the simulator is: a till, finance, and the operator of the stack.

    ``wallet`` may stay empty; its clock then stays where it is. Without ``phones`` nobody pays by phone.
    """

    ledger: str
    points: str
    wallet: str = ""
    till_token: str = field(repr=False)
    operator_token: str = field(repr=False)
    finance_token: str = field(default="", repr=False)
    phones: PhoneAccess | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletStubs:
    """The wallet's services."""

    checkouts: "CheckoutServiceAsyncStub"
    methods: "PaymentMethodServiceAsyncStub"
    prepaid: "PrepaidServiceAsyncStub"
    totals: "WalletServiceAsyncStub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phones:
    """What makes a phone: the wallet, the provider's page, and a token for whoever holds it."""

    wallet: WalletStubs
    page: ProviderPage
    identity: Callable[[UUID], Identity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Open connections."""

    ledger: "LedgerServiceAsyncStub"
    points: "PointsServiceAsyncStub"
    clocks: "tuple[ClockServiceAsyncStub, ...]"
    till: Identity
    operator: Identity
    finance: Identity
    phones: Phones | None


@asynccontextmanager
async def open_stack(
    endpoints: Endpoints, *, patience: Patience, keep: Callable[[object], None] | None = None
) -> AsyncIterator[Stack]:
    """Connect to all services; they are reached at the first call. ``keep`` is handed whatever they answer."""
    addresses = (endpoints.ledger, endpoints.points, endpoints.wallet)
    async with AsyncExitStack() as resources:
        channels = {
            address: await resources.enter_async_context(open_channel(address, attempts_max=1))
            for address in addresses
            if address
        }
        phones = None
        if endpoints.phones is not None:
            phones = await resources.enter_async_context(
                _open_phones(
                    endpoints.phones, channels[endpoints.wallet], patience=patience, keep=keep
                )
            )
        yield Stack(
            ledger=LedgerServiceStub(channels[endpoints.ledger]),
            points=PointsServiceStub(channels[endpoints.points]),
            clocks=tuple(ClockServiceStub(channel) for channel in channels.values()),
            till=Identity(endpoints.till_token, patience=patience, keep=keep),
            operator=Identity(endpoints.operator_token, patience=patience),
            finance=Identity(endpoints.finance_token, patience=patience),
            phones=phones,
        )


def wallet_stubs(channel: grpc.aio.Channel) -> WalletStubs:
    """Make the stubs of the wallet's services over one channel."""
    return WalletStubs(
        checkouts=CheckoutServiceStub(channel),
        methods=PaymentMethodServiceStub(channel),
        prepaid=PrepaidServiceStub(channel),
        totals=WalletServiceStub(channel),
    )


@asynccontextmanager
async def _open_phones(
    access: PhoneAccess,
    channel: grpc.aio.Channel,
    *,
    patience: Patience,
    keep: Callable[[object], None] | None,
) -> AsyncIterator[Phones]:
    def identity(customer_id: UUID) -> Identity:
        return Identity(access.shopper_token(customer_id), patience=patience, keep=keep)

    async with open_page(
        access.provider_url,
        publishable_key=access.publishable_key,
        secret_key=access.secret_key,
        patience=patience,
    ) as page:
        yield Phones(wallet=wallet_stubs(channel), page=page, identity=identity)
