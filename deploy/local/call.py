"""One call to a service of the stack, from JSON to JSON: a first look without any other tool."""

from collections.abc import Iterator
from typing import Any, Final

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from cagnotte.common.v1 import clock_service_pb2
from cagnotte.ledger.v1 import ledger_service_pb2
from cagnotte.points.v1 import points_service_pb2
from cagnotte.wallet.v1 import wallet_service_pb2
from deploy.local.errors import StackError
from deploy.local.info import StackInfo
from services.common.runtime.grpc_client import open_channel, parse_error

_SERVERS: Final = {
    "ledger": (ledger_service_pb2, clock_service_pb2),
    "points": (points_service_pb2, clock_service_pb2),
    "wallet": (wallet_service_pb2, clock_service_pb2),
}
_DEADLINE_SECONDS: Final = 30.0


async def call(info: StackInfo, method: str, content: str, *, kind: str) -> str:
    """Call ``points.GetBalances``, say, as a kind of caller; return the answer as JSON.

    Raises StackError when there is no such method, the JSON does not fit, or the service refuses.
    """
    server, _, _ = method.partition(".")
    described = _find(method)
    request = GetMessageClass(described.input_type)()
    try:
        json_format.Parse(content, request)
    except json_format.ParseError as error:
        message = f"{described.input_type.name} cannot be read from the JSON: {error}"
        raise StackError(message) from error
    async with open_channel(info.addresses[server], token=info.tokens[kind]) as channel:
        invoke: Any = channel.unary_unary(
            f"/{described.containing_service.full_name}/{described.name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )
        try:
            answer = await invoke(request, timeout=_DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise StackError(_explain(error)) from error
    return json_format.MessageToJson(answer, preserving_proto_field_name=True)


def known_methods() -> list[str]:
    """Return every method by the name that ``call`` takes."""
    return sorted(name for name, _ in _methods())


def _find(method: str) -> MethodDescriptor:
    for name, described in _methods():
        if name == method:
            return described
    message = f"There is no method {method}. There are: {', '.join(known_methods())}."
    raise StackError(message)


def _methods() -> Iterator[tuple[str, MethodDescriptor]]:
    for server, files in _SERVERS.items():
        for file in files:
            for service in file.DESCRIPTOR.services_by_name.values():
                for described in service.methods:
                    yield f"{server}.{described.name}", described


def _explain(error: grpc.aio.AioRpcError) -> str:
    reason, metadata, violations = parse_error(error)
    lines = [f"{error.code().name} {reason}: {error.details()}"]
    lines += [f"  {name} = {value}" for name, value in metadata.items()]
    lines += [f"  {field}: {description}" for field, description in violations]
    return "\n".join(lines)
