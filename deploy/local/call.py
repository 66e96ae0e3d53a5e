"""One call to a service of the stack, from JSON to JSON: a first look without any other tool."""

import difflib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from cagnotte.common.v1 import clock_service_pb2
from cagnotte.ledger.v1 import ledger_service_pb2
from cagnotte.points.v1 import points_service_pb2
from cagnotte.wallet.v1 import (
    checkout_service_pb2,
    payment_method_service_pb2,
    prepaid_service_pb2,
    wallet_service_pb2,
)
from deploy.local.errors import StackError
from deploy.local.info import StackInfo
from services.common.runtime.grpc_client import open_channel, parse_error

_SERVERS: Final = {
    "ledger": (ledger_service_pb2, clock_service_pb2),
    "points": (points_service_pb2, clock_service_pb2),
    "wallet": (
        checkout_service_pb2,
        payment_method_service_pb2,
        prepaid_service_pb2,
        wallet_service_pb2,
        clock_service_pb2,
    ),
}
_DEADLINE_SECONDS: Final = 30.0
_ALIKE: Final = 0.75
"""How much of a method's name must be right for it to be the one that was meant."""


async def call(info: StackInfo, method: str, content: str, *, token: str) -> AsyncIterator[str]:
    """Call ``points.GetBalances``, say, with a caller's token; give each answer as JSON, a stream's as they come.

    Raises StackError when there is no such method, the JSON does not fit, or the service refuses.
    """
    server, _, _ = method.partition(".")
    described = _find(method)
    request = _read(content, described)
    async with open_channel(info.addresses[server], token=token) as channel:
        try:
            async for answer in _answers(channel, described, request):
                yield json_format.MessageToJson(answer, preserving_proto_field_name=True)
        except grpc.aio.AioRpcError as error:
            raise StackError(_explain(error)) from error


async def _answers(
    channel: grpc.aio.Channel, described: MethodDescriptor, request: Message
) -> AsyncIterator[Message]:
    path = f"/{described.containing_service.full_name}/{described.name}"
    encode = type(request).SerializeToString
    decode = GetMessageClass(described.output_type).FromString
    if described.server_streaming:
        # A stream lasts as long as the server has something to tell; Ctrl-C ends it.
        stream: Any = channel.unary_stream(path, encode, decode)
        async for answer in stream(request):
            yield answer
    else:
        invoke: Any = channel.unary_unary(path, encode, decode)
        yield await invoke(request, timeout=_DEADLINE_SECONDS)


def known_methods() -> list[str]:
    """Return every method by the name that ``call`` takes."""
    return sorted(name for name, _ in _methods())


def _read(content: str, described: MethodDescriptor) -> Message:
    """Read a request; raise StackError for what is no object of its fields."""
    name = described.input_type.name
    try:
        fields = json.loads(content)
    except ValueError as error:
        raise StackError(f"{name} cannot be read, since it is no JSON: {error}.") from error
    if not isinstance(fields, dict):
        raise StackError(f'{name} is a JSON object such as {{"field": "value"}}.')
    request = GetMessageClass(described.input_type)()
    try:
        json_format.ParseDict(fields, request)
    except json_format.ParseError as error:
        raise StackError(f"{name} cannot be read from the JSON: {error}") from error
    return request


def _find(method: str) -> MethodDescriptor:
    for name, described in _methods():
        if name == method:
            return described
    known = known_methods()
    near = _nearest(method, known)
    if near is not None:
        raise StackError(f"There is no method {method}. Did you mean {near}?")
    lines = [f"There is no method {method}. There are:"]
    for server in _SERVERS:
        names = [name for name in known if name.startswith(f"{server}.")]
        lines += ["", *(f"  {name}" for name in names)]
    raise StackError("\n".join(lines))


def _nearest(method: str, known: Sequence[str]) -> str | None:
    """Give the method that was meant: its own name is alike, whatever stands before the dot."""
    server, _, meant = method.rpartition(".")
    names = {name.partition(".")[2].lower() for name in known}
    found = difflib.get_close_matches(meant.lower(), names, n=1, cutoff=_ALIKE)
    candidates = [name for name in known if name.partition(".")[2].lower() in found]
    return max(candidates, key=lambda name: name.startswith(f"{server}."), default=None)


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
