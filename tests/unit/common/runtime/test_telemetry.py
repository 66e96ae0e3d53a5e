"""Trace ids pass through with and without anybody to send spans to; metrics are served."""

import urllib.request

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from services.common.runtime.config import MetricsSettings, TelemetrySettings
from services.common.runtime.telemetry import (
    Tracing,
    accept_traceparent,
    context_from,
    continue_trace,
    current_traceparent,
    open_metrics,
    open_tracing,
    trace_id_of,
)

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class TestTraceparent:
    def test_a_well_formed_one_is_taken_over(self) -> None:
        """The caller's trace goes on."""
        assert accept_traceparent(PARENT) == PARENT
        assert trace_id_of(PARENT) == "4bf92f3577b34da6a3ce929d0e0e4736"

    @pytest.mark.parametrize(
        "parent", [None, "", "x", PARENT.replace("00-", "ff-", 1), f"00-{'0' * 32}-{'1' * 16}-01"]
    )
    def test_anything_else_begins_a_new_trace(self, parent: str | None) -> None:
        """Rubbish from outside reaches neither logs nor events."""
        made = accept_traceparent(parent)

        assert made != parent
        assert accept_traceparent(made) == made

    def test_is_empty_outside_any_call(self) -> None:
        """Nobody invents a trace for what belongs to none."""
        assert current_traceparent() == ""

    async def test_lasts_as_long_as_the_task(self) -> None:
        """A call's context is its own."""
        assert continue_trace(PARENT) == PARENT
        assert current_traceparent() == PARENT

    def test_becomes_an_opentelemetry_context(self) -> None:
        """A consumer's span is a child of the producer's."""
        span = trace.get_current_span(context_from(PARENT))

        assert f"{span.get_span_context().span_id:016x}" == "00f067aa0ba902b7"
        assert not context_from("")


class TestTracing:
    def test_without_an_endpoint_passes_ids_on(self) -> None:
        """No collector, no spans, but events still say what caused them."""
        with open_tracing(TelemetrySettings(), service="try") as tracing:
            with tracing.span("work", kind=SpanKind.CONSUMER, parent=PARENT):
                assert current_traceparent() == PARENT
            assert not tracing.records
        assert current_traceparent() == ""

    def test_with_an_exporter_makes_spans(self) -> None:
        """The span is the caller's child, and what comes next is the span's."""
        spans = InMemorySpanExporter()
        settings = TelemetrySettings(sample_ratio=1.0)
        with (
            open_tracing(settings, service="try", exporter=spans) as tracing,
            tracing.span("work", kind=SpanKind.SERVER, parent=PARENT),
        ):
            inside = current_traceparent()

        (span,) = spans.get_finished_spans()
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
        assert inside.split("-")[1] == PARENT.split("-")[1]
        assert inside != PARENT

    def test_a_collector_that_fails_disturbs_nobody(self) -> None:
        """Losing spans is better than losing calls."""

        class Failing(SpanExporter):
            def export(self, spans: object) -> SpanExportResult:
                """Lose them."""
                assert spans
                return SpanExportResult.FAILURE

        with (
            open_tracing(
                TelemetrySettings(sample_ratio=1.0), service="try", exporter=Failing()
            ) as tracing,
            tracing.span("work", kind=SpanKind.SERVER, parent=None),
        ):
            assert tracing.records

    def test_the_default_makes_no_spans(self) -> None:
        """Tests and tools need no set-up."""
        assert not Tracing().records


class TestMetrics:
    def test_are_served_over_http(self) -> None:
        """Prometheus finds them on the port that was bound."""
        with open_metrics(MetricsSettings(listen="127.0.0.1:0")) as port:
            address = f"http://127.0.0.1:{port}/metrics"
            with urllib.request.urlopen(address) as answer:
                text = answer.read().decode()

        assert "cagnotte_grpc_call_seconds" in text or "python_info" in text

    def test_are_off_by_default(self) -> None:
        """An empty address listens nowhere."""
        with open_metrics(MetricsSettings()) as port:
            assert port is None
