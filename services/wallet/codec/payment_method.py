"""Payment methods, as they are answered: never a token."""

from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.wallet.domain.shopper import PaymentMethod, Shopper


def render_methods(shopper: Shopper | None) -> list[pb.PaymentMethod]:
    """Give the messages of a shopper's methods, oldest first."""
    if shopper is None:
        return []
    return [render_method(method, shopper) for method in shopper.methods]


def render_method(method: PaymentMethod, shopper: Shopper) -> pb.PaymentMethod:
    """Give the message of a method of a shopper."""
    return pb.PaymentMethod(
        payment_method_id=str(method.payment_method_id),
        brand=method.brand,
        last_four=method.last_four,
        expire_month=method.expire_month,
        expire_year=method.expire_year,
        is_default=method.payment_method_id == shopper.default_id,
    )
