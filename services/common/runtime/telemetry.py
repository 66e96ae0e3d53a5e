"""Metrics over HTTP, traces over OTLP, and trace ids that cross gRPC and Kafka.

A call's trace context is one string, the W3C ``traceparent``. It is taken from the caller
or made here, whether or not anybody collects spans: logs and events carry it either way.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import start_http_server

from services.common.runtime.config import MetricsSettings, TelemetrySettings

TRACEPARENT: Final = "traceparent"
"""The key of the trace context in gRPC metadata and Kafka headers."""

_WELL_FORMED: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID: Final = slice(3, 35)
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_current: ContextVar[str] = ContextVar("traceparent", default="")


class Tracing:
    """Opens spans when there is somebody to send them to, and passes trace ids on anyway."""

    def __init__(self, tracer: trace.Tracer | None = None) -> None:
        """Take the tracer, or nothing: then no span is ever made."""
        self._tracer = tracer

    @property
    def records(self) -> bool:
        """Tell whether spans are made."""
        return self._tracer is not None

    @contextmanager
    def span(self, name: str, *, kind: SpanKind, parent: str | None) -> Iterator[Span]:
        """Run the body as one span under the caller's traceparent, and as its successor.

        Without a tracer, the caller's traceparent (or a new one) becomes the current one.
        """
        if self._tracer is None:
            token = _current.set(accept_traceparent(parent))
            try:
                yield trace.INVALID_SPAN
            finally:
                _current.reset(token)
            return
        with self._tracer.start_as_current_span(
            name, context=context_from(parent), kind=kind, record_exception=False
        ) as span:
            token = _current.set(_traceparent_of(span))
            try:
                yield span
            finally:
                _current.reset(token)


def current_traceparent() -> str:
    """Give the running call's traceparent, or an empty string outside any."""
    return _current.get()


def continue_trace(parent: str | None) -> str:
    """Make the caller's traceparent, or a new one, that of the running task; give it.

    The cheap form of ``Tracing.span`` for a task that ends with the call.
    """
    traceparent = accept_traceparent(parent)
    _current.set(traceparent)
    return traceparent


def accept_traceparent(parent: str | None) -> str:
    """Give the traceparent where it is well-formed, and a new, unsampled one otherwise."""
    if parent is not None and _WELL_FORMED.fullmatch(parent) is not None:
        return parent
    chance = os.urandom(24).hex()
    return f"00-{chance[:32]}-{chance[32:]}-00"


def trace_id_of(traceparent: str) -> str:
    """Give the trace id within a well-formed traceparent."""
    return traceparent[_TRACE_ID]


def context_from(traceparent: str | None) -> Context:
    """Give the OpenTelemetry context that a received traceparent stands for."""
    if not traceparent:
        return Context()
    return _PROPAGATOR.extract({TRACEPARENT: traceparent}, context=Context())


@contextmanager
def open_tracing(
    settings: TelemetrySettings, *, service: str, exporter: SpanExporter | None = None
) -> Iterator[Tracing]:
    """Trace to the OTLP endpoint where one is set, and send what is left at the end.

    ``exporter`` replaces the endpoint's, for tests.
    """
    if exporter is None:
        if not settings.otlp_endpoint:
            yield Tracing()
            return
        exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint)
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}),
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Tracing(provider.get_tracer(service))
    finally:
        provider.shutdown()


@contextmanager
def open_metrics(settings: MetricsSettings) -> Iterator[int | None]:
    """Serve the process's metrics over HTTP at ``/metrics``; give the port, if any."""
    if not settings.listen:
        yield None
        return
    host, _, port = settings.listen.rpartition(":")
    server, thread = start_http_server(int(port), addr=host.strip("[]") or "0.0.0.0")  # noqa: S104 -- asked for
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _traceparent_of(span: Span) -> str:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context=trace.set_span_in_context(span))
    return accept_traceparent(carrier.get(TRACEPARENT))
