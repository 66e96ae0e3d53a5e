"""Errors as Stripe's API words them."""

from typing import Any, Final

_REQUEST: Final = "invalid_request_error"


class ApiRefusal(Exception):
    """A request that is refused: an HTTP status and the body's ``error``."""

    def __init__(self, status: int, *, kept: bool = False, **error: Any) -> None:
        """Take the fields of the error; ``kept`` answers stay the answer of their idempotency key."""
        super().__init__(str(error.get("message", "")))
        self.status = status
        self.kept = kept
        self.error = {name: value for name, value in error.items() if value is not None}


def missing_parameter(param: str) -> ApiRefusal:
    """Return the refusal of a request without a parameter that it needs."""
    message = f"Missing required param: {param}."
    return ApiRefusal(400, type=_REQUEST, code="parameter_missing", param=param, message=message)


def unknown_parameter(param: str) -> ApiRefusal:
    """Return the refusal of a parameter that this endpoint does not have (here)."""
    message = f"Received unknown parameter: {param}"
    return ApiRefusal(400, type=_REQUEST, code="parameter_unknown", param=param, message=message)


def bad_parameter(param: str, message: str, code: str | None = None) -> ApiRefusal:
    """Return the refusal of a value; the message must not quote it, since it may be a card number."""
    return ApiRefusal(400, type=_REQUEST, code=code, param=param, message=message)


def no_such(kind: str, object_id: str, *, param: str, status: int) -> ApiRefusal:
    """Return the refusal of an id that nothing has: 404 in the path, 400 in a parameter."""
    message = f"No such {kind}: '{object_id}'"
    return ApiRefusal(status, type=_REQUEST, code="resource_missing", param=param, message=message)


def wrong_state(
    message: str, *, code: str = "payment_intent_unexpected_state", **more: Any
) -> ApiRefusal:
    """Return the refusal of an operation that the object's state does not allow; it stays its key's answer."""
    return ApiRefusal(400, kept=True, type=_REQUEST, code=code, message=message, **more)


def not_authenticated(message: str) -> ApiRefusal:
    """Return the refusal of a caller without the right key."""
    return ApiRefusal(401, type=_REQUEST, message=message)


def key_reused(message: str) -> ApiRefusal:
    """Return the refusal of an idempotency key that belongs to another request."""
    return ApiRefusal(400, type="idempotency_error", message=message)


def key_in_use(key: str) -> ApiRefusal:
    """Return the refusal of a key whose first request still runs."""
    message = f"There is currently another in-progress request using this Idempotent Key: {key}."
    return ApiRefusal(409, type="idempotency_error", code="idempotency_key_in_use", message=message)


def too_many_requests() -> ApiRefusal:
    """Return the answer to a caller that asks too often; nothing was done."""
    return ApiRefusal(429, type=_REQUEST, code="rate_limit", message="Request rate limit exceeded.")


def server_error() -> ApiRefusal:
    """Return the answer that says nothing about what was done."""
    return ApiRefusal(500, type="api_error", message="An unknown error occurred.")
