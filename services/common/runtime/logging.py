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
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict

from services.common.kernel.pan import looks_like_pan, mask_pans
from services.common.runtime.config import LogSettings
from services.common.runtime.log_lines import LineLogger, LogLines

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

_LIBRARY_LEVEL: Final = logging.WARNING
_encode: Final[Callable[[Any], str]] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=str, check_circular=False
).encode


def configure_logging(settings: LogSettings, *, service: str, stream: TextIO | None = None) -> None:
    """Route structlog's and the standard library's lines to one JSON stream.

    Called once by each process, first thing in ``main``. ``stream`` is for tests, which
    configure more than once and read at once what was written.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    render = LineRenderer(service)
    output = LogLines(sys.stderr, tell=render.dropped) if stream is None else stream
    structlog.configure(
        processors=[render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_logger_factory(output),
        cache_logger_on_first_use=stream is None,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, _LIBRARY_LEVEL), force=True)
    logging.captureWarnings(True)


def _logger_factory(output: LogLines | TextIO) -> Callable[..., Any]:
    """Give what hands rendered lines on: gathered for a process' own stream, at once for a test's."""
    if isinstance(output, LogLines):
        logger = LineLogger(output)
        return lambda *_: logger
    return structlog.WriteLoggerFactory(output)


class LineRenderer:
    """Renders an event as one line of JSON.

    All in one processor and with one look for card numbers, at the rendered line: every
    call pays for it.
    """

    def __init__(self, service: str) -> None:
        """Take the name that every line of this process carries."""
        self._service = service
        self._render_exception = structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False, use_rich=False)
        )

    def __call__(self, logger: Any, method: str, event: EventDict) -> str:
        """Give the line, without its end."""
        if "exc_info" in event:
            event = self._render_exception(logger, method, event)
        line = {
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "level": method,
            "service": self._service,
            **structlog.contextvars.get_contextvars(),
            **event,
        }
        text = _encode(line)
        return _encode(masked(line)) if looks_like_pan(text) else text

    def dropped(self, number: int) -> str:
        """Give the line on lines that could not be written."""
        return self(None, "warning", {"event": "log.lines_dropped", "number": number})


def masked(value: Any) -> Any:
    """Mask what looks like a card number in every text of a line, however deep."""
    match value:
        case str():
            return mask_pans(value)
        case dict():
            return {key: masked(item) for key, item in value.items()}
        case list() | tuple():
            return [masked(item) for item in value]
        case int():
            return masked(str(value)) if looks_like_pan(str(value)) else value
        case None | float():
            return value
        case _:
            return mask_pans(str(value))
