"""Unary calls for next to nothing: HTTP/2 frames written by hand, so that a flood is not its own bottleneck.

A call of grpc.aio costs its caller 0.25 ms of CPU, which at three times a service's capacity is more than a core of the
machine that the service needs. These cost a fifth. They know no more of HTTP/2 than gRPC servers say to such a client:
it asks for headers without compression and for binary values as they are (RFC 9113, RFC 7541, gRPC's PROTOCOL-HTTP2).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from struct import Struct
from typing import Any, Final, cast

import grpc

from services.bench.calls import CallRefused, Send

_DEADLINE: Final = b"60S"
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_MAX_STREAMS, _TRUE_BINARY = 3, 0xFE03
_WINDOW_FIRST: Final = 65_535
_WINDOW_MAX: Final = 2**31 - 1
_FRAME: Final = Struct(">IBI")  # Length and type, flags, stream.
_MESSAGE: Final = Struct(">BI")
_SETTING: Final = Struct(">HI")
_WORD: Final = Struct(">I")
_STATUS: Final = b"\x0bgrpc-status"
_DETAILS: Final = b"\x17grpc-status-details-bin"
_DETAILS_KEY: Final = "grpc-status-details-bin"
_LENGTH_MORE: Final = 0x7F
_STATUS_OF_RESET: Final = {7: grpc.StatusCode.UNAVAILABLE, 8: grpc.StatusCode.CANCELLED}
_CODES: Final = {str(code.value[0]).encode(): code for code in grpc.StatusCode}


@dataclass(slots=True)
class _Call:
    answer: asyncio.Future[bytes]
    message: bytes
    received: bytes = b""


@dataclass(slots=True)
class _Refused(Exception):
    code: grpc.StatusCode
    details: bytes = b""


class WireConnection(asyncio.Protocol):
    """One connection, one method, one caller; what the server has no stream for waits here."""

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Take the headers of every call."""
        self._first_block = b"\x83\x86" + b"".join(_indexed_literal(*pair) for pair in headers)
        self._block = b"\x83\x86" + bytes(0x80 | 62 + place for place in range(len(headers)))
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._streams: dict[int, _Call] = {}
        self._waiting: deque[_Call] = deque()
        self._stream = 1
        self._window = _WINDOW_FIRST
        self._streams_max = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what to expect of us: no table of headers, raw bytes, and that we read whatever comes."""
        self._transport = cast("asyncio.Transport", transport)
        settings = ((1, 0), (2, 0), (4, _WINDOW_MAX), (_TRUE_BINARY, 1))
        self._transport.write(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, b"".join(_SETTING.pack(*pair) for pair in settings))
            + _frame(_WINDOW_UPDATE, 0, 0, _WORD.pack(_WINDOW_MAX - _WINDOW_FIRST))
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way."""
        del exc
        for call in [*self._streams.values(), *self._waiting]:
            _refuse(call, _Refused(grpc.StatusCode.UNAVAILABLE))

    async def send(self, message: bytes) -> bytes:
        """Call, or wait for a stream and call then; give the answer's bytes or raise _Refused."""
        call = _Call(asyncio.get_running_loop().create_future(), message)
        self._waiting.append(call)
        self._start()
        return await call.answer

    def data_received(self, data: bytes) -> None:
        """Read whole frames."""
        data, place = self._buffer + data, 0
        while len(data) - place >= _FRAME.size:
            head, flags, stream = _FRAME.unpack_from(data, place)
            begin = place + _FRAME.size
            end = begin + (head >> 8)
            if end > len(data):
                break
            self._read(head & 0xFF, flags, stream, data[begin:end])
            place = end
        self._buffer = data[place:]
        self._start()

    def _start(self) -> None:
        assert self._transport is not None, "it is connected before anything is sent"
        frames: list[bytes] = []
        while self._waiting and len(self._streams) < self._streams_max:
            size = len(self._waiting[0].message) + _MESSAGE.size
            if size > self._window:
                break
            call = self._waiting.popleft()
            body = _MESSAGE.pack(0, size - _MESSAGE.size) + call.message
            frames += (
                _frame(_HEADERS, _END_HEADERS, self._stream, self._first_block),
                _frame(_DATA, _END_STREAM, self._stream, body),
            )
            self._first_block = self._block
            self._streams[self._stream] = call
            self._stream += 2
            self._window -= size
        if frames:
            self._transport.write(b"".join(frames))

    def _read(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            self._read_of_call(kind, flags, stream, payload)
        elif kind == _WINDOW_UPDATE:
            self._window += _WORD.unpack(payload)[0]
        elif kind == _PING and not flags & _ACK:
            self._answer(_frame(_PING, _ACK, 0, payload))
        elif kind == _SETTINGS and not flags & _ACK:
            found = dict(_SETTING.iter_unpack(payload))
            self._streams_max = found.get(_MAX_STREAMS, self._streams_max or _WINDOW_MAX)
            self._answer(_frame(_SETTINGS, _ACK, 0, b""))
            if not self.ready.done():
                self.ready.set_result(None)

    def _read_of_call(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        call = self._streams.get(stream)
        if call is None:
            return  # A stream that ended; the server resets those that it answered early.
        if kind == _DATA:
            call.received += payload
        elif kind == _RST_STREAM:
            del self._streams[stream]
            reset = _WORD.unpack(payload)[0]
            _refuse(call, _Refused(_STATUS_OF_RESET.get(reset, grpc.StatusCode.INTERNAL)))
        elif kind == _HEADERS and flags & _END_STREAM:
            del self._streams[stream]
            status = _CODES[_value_after(payload, _STATUS)]
            if status is not grpc.StatusCode.OK:
                _refuse(call, _Refused(status, _value_after(payload, _DETAILS)[1:]))
            elif not call.answer.done():
                call.answer.set_result(call.received[_MESSAGE.size :])

    def _answer(self, frame: bytes) -> None:
        assert self._transport is not None, "it is connected"
        self._transport.write(frame)

    def close(self) -> None:
        """Hang up."""
        assert self._transport is not None, "it is connected"
        self._transport.close()


@dataclass(slots=True)
class Wire:
    """Several connections that take turns."""

    path: str
    parse: Any
    connections: list[WireConnection] = field(default_factory=list)

    def sender(self) -> Send:
        """Give the method; each call takes the next connection."""
        turns = cycle(self.connections)

        async def send(request: bytes) -> Any:
            try:
                return self.parse(await next(turns).send(request))
            except _Refused as refusal:
                details = grpc.aio.Metadata((_DETAILS_KEY, refusal.details))
                error = grpc.aio.AioRpcError(refusal.code, grpc.aio.Metadata(), details)
                raise CallRefused(self.path, error) from refusal

        return send


@asynccontextmanager
async def open_wire(
    address: str, token: str, path: str, parse: Any, *, connections: int
) -> AsyncIterator[Send]:
    """Connect so many times, and hang up at the end; ``path`` and ``parse`` as a Caller's method has them."""
    host, _, port = address.rpartition(":")
    headers = [
        (b":path", path.encode()),
        (b":authority", address.encode()),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"grpc-timeout", _DEADLINE),
        (b"authorization", f"Bearer {token}".encode()),
    ]
    wire = Wire(path, parse)
    loop = asyncio.get_running_loop()
    try:
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: WireConnection(headers), host, int(port)
            )
            wire.connections.append(connection)
            await connection.ready
        yield wire.sender()
    finally:
        for connection in wire.connections:
            connection.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _FRAME.pack(len(payload) << 8 | kind, flags, stream) + payload


def _indexed_literal(name: bytes, value: bytes) -> bytes:
    """Write a header that the server remembers (RFC 7541, 6.2.1)."""
    return b"\x40" + _text(name) + _text(value)


def _text(text: bytes) -> bytes:
    if len(text) < _LENGTH_MORE:
        return bytes([len(text)]) + text
    rest, length = len(text) - _LENGTH_MORE, bytearray([_LENGTH_MORE])
    while rest >= 0x80:  # noqa: PLR2004 -- seven bits a byte
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*length, rest]) + text


def _value_after(block: bytes, name: bytes) -> bytes:
    """Give the value that stands behind a name of a block without compression; nothing where it is missing."""
    place = block.find(name)
    if place < 0:
        return b""
    place += len(name)
    length = block[place]
    place += 1
    if length == _LENGTH_MORE:
        shift = 0
        while True:
            byte = block[place]
            place += 1
            length += (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:  # noqa: PLR2004 -- the last one
                break
    return block[place : place + length]


def _refuse(call: _Call, refusal: _Refused) -> None:
    if not call.answer.done():
        call.answer.set_exception(refusal)
