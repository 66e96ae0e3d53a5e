"""The flood generator, without a server."""

from itertools import count

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from services.bench.calls import CallRefused
from services.bench.flood import flood, retry_delay_ms


def refusal(code: grpc.StatusCode, *, told: bool = False) -> CallRefused:
    """Make a refusal, with a pause of a fifth of a second if it is told."""
    status = status_pb2.Status(code=code.value[0])
    if told:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(200)
        status.details.add().Pack(info)
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*details))
    return CallRefused("/Service/Method", error)


class TestFlood:
    async def test_counts_all_that_comes_back(self) -> None:
        """Acknowledged, refused with and without a pause, and unknown are told apart."""
        calls = [0, 0, 0, 0]

        async def call(number: int) -> int:
            kind = number % 4
            calls[kind] += 1
            match kind:
                case 1:
                    raise refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, told=True)
                case 2:
                    raise refusal(grpc.StatusCode.RESOURCE_EXHAUSTED)
                case 3:
                    raise refusal(grpc.StatusCode.CANCELLED)
                case _:
                    return 1

        seen = await flood(call, count(), rate=2000, seconds=0.2, seed=1)

        assert seen.acknowledged == calls[0]
        assert seen.untold == calls[2]
        assert seen.failed == {"CANCELLED": calls[3]}
        assert 0 < seen.refused <= calls[1] + calls[2]
        assert seen.offered <= sum(calls)
        assert {"accepted_p50_ms", "refusal_p99_ms"} <= seen.latencies_ms().keys()


class TestRetryDelay:
    @pytest.mark.parametrize(("told", "delay"), [(True, 200), (False, 0)])
    def test_is_what_the_refusal_says(self, told: bool, delay: float) -> None:
        """A refusal without it asks for no pause."""
        error = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, told=told).error

        assert retry_delay_ms(error) == delay
