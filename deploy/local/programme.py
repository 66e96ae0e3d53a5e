"""The demo programme: a stack without any could record tickets, but no ticket would earn."""

from typing import Any, Final

import grpc

from cagnotte.points.v1 import points_service_pb2_grpc
from deploy.local.errors import StackError
from deploy.local.identity import mint_tokens
from deploy.local.info import service_address
from deploy.local.paths import StackPaths
from deploy.local.state import StackState
from deploy.programmes import load_publish_request, read_programme

DEMO_PROGRAMME: Final = "demo"
_DEADLINE_SECONDS: Final = 30.0


async def publish_demo_programme(paths: StackPaths, state: StackState) -> None:
    """Publish the demo programme; raises StackError when the service refuses it.

    Again on every start: a version that is there already is answered as such and changes nothing.
    """
    request = load_publish_request(read_programme(DEMO_PROGRAMME))
    metadata = (("authorization", f"Bearer {mint_tokens(paths)['operator']}"),)
    async with grpc.aio.insecure_channel(service_address(state, "points")) as channel:
        # The generated class gets its methods when it is made.
        stub: Any = points_service_pb2_grpc.PointsServiceStub(channel)
        try:
            await stub.PublishProgramme(request, metadata=metadata, timeout=_DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            message = (
                f"The demo programme could not be published ({error.code().name}: {error.details()}). "
                f"See {paths.logs / 'points.log'}."
            )
            raise StackError(message) from error
