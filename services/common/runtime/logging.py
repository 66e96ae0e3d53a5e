"""JSON lines on the standard error stream, one canonical line for each call or event.

Keys come from this list, so that every service's lines can be searched alike: ``time``,
``level``, ``event`` (``service.noun_verbed``), ``service``, ``trace_id``, ``grpc_method``,
``grpc_code``, ``reason``, ``duration_ms``, ``caller_kind``, ``request_id``, the ids in
``ID_FIELDS``, ``topic``, ``partition``, ``offset``, ``shard_id``, ``seq``, ``error`` and
``exception``. Values are ids and numbers; never names, addresses, tokens or card data.
What looks like a card number is masked all the same, and a traceback carries no locals.
"""

import json
import logging
import re
import sys
from collections.abc import Callable
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from services.common.kernel.pan import mask_pans
from services.common.runtime.config import LogSettings

ID_FIELDS: Final = (
    "request_id",
    "transaction_id",
    "account_id",
    "member_id",
    "customer_id",
    "hold_id",
    "checkout_id",
    "payment_id",
    "ticket_id",
)
"""Fields of requests that the canonical line carries: pseudonymous ids only."""

_MAYBE_PAN: Final = re.compile(r"\d(?:\D?\d){12}")
_LIBRARY_LEVEL: Final = logging.WARNING
_encode: Final[Callable[[Any], str]] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=str, check_circular=False
).encode


def configure_logging(settings: LogSettings, *, service: str, stream: TextIO | None = None) -> None:
    """Route structlog's and the standard library's lines to one JSON stream.

    Called once by each process, first thing in ``main``.
    """
    output = sys.stderr if stream is None else stream
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _Stamp(service),
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False, use_rich=False)
        ),
        mask_card_numbers,
    ]
    structlog.configure(
        processors=[*shared, render_line],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _render_foreign,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, _LIBRARY_LEVEL), force=True)
    logging.captureWarnings(True)


class _Stamp:
    """Adds when, how bad and which service; in one step, since every line pays for it."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._time = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")

    def __call__(self, logger: Any, method: str, event: EventDict) -> EventDict:
        event["level"] = method
        event["service"] = self._service
        return self._time(logger, method, event)


def mask_card_numbers(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask what looks like a card number in every string of a line, however deep."""
    for key, value in event.items():
        if type(value) in {int, float, bool}:
            continue
        event[key] = _masked(value)
    return event


def render_line(_logger: Any, _method: str, event: EventDict) -> str:
    """Render one line of JSON, with its end."""
    return _encode(event) + "\n"


def _render_foreign(_logger: Any, _method: str, event: EventDict) -> str:
    return _encode(event)


def _masked(value: Any) -> Any:
    match value:
        case str():
            return mask_pans(value) if _MAYBE_PAN.search(value) is not None else value
        case dict():
            return {key: _masked(item) for key, item in value.items()}
        case list() | tuple():
            return [_masked(item) for item in value]
        case None | int() | float():
            return value
        case _:
            return _masked(str(value))
