"""A collector of traces: what an OTLP backend would be sent, kept for a search."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as rpc

SERVICES = ("LEDGER", "POINTS", "WALLET")


@dataclass(slots=True)
class Traces(rpc.TraceServiceServicer):
    """Keeps every span that it is sent."""

    address: str = ""
    requests: list[pb.ExportTraceServiceRequest] = field(default_factory=list)

    def Export(  # noqa: N802 -- the RPC's name
        self, request: pb.ExportTraceServiceRequest, _: grpc.ServicerContext
    ) -> pb.ExportTraceServiceResponse:
        """Keep a batch."""
        self.requests.append(request)
        return pb.ExportTraceServiceResponse()

    def settings(self) -> dict[str, str]:
        """Give the environment that makes every service of a stack send all its spans here."""
        return {
            f"{service}_TELEMETRY__{name}": value
            for service in SERVICES
            for name, value in (("OTLP_ENDPOINT", self.address), ("SAMPLE_RATIO", "1"))
        }

    @property
    def spans(self) -> int:
        """Count the spans so far."""
        return sum(
            len(scope.spans)
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
        )


@contextmanager
def collected_traces() -> Iterator[Traces]:
    """Collect while the body runs."""
    traces = Traces()
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    rpc.add_TraceServiceServicer_to_server(traces, server)  # type: ignore[no-untyped-call]  # its stubs have no types
    traces.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield traces
    finally:
        server.stop(grace=None).wait()
