"""What a request may hold: the rules of its proto, instants that exist, no control character or card number in a text.

The rules are protovalidate's, written at the fields. The text guard looks at every text field
except ids in UUID form and fields marked ``cagnotte.common.v1.own_format`` (an article's GTIN,
a loyalty card's number), whose format is their own check; and at every timestamp.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from buf.validate import validate_pb2
from cagnotte.common.v1 import text_pb2
from services.common.kernel.errors import InvalidArgument
from services.common.kernel.pan import DIGITS_MIN, looks_like_pan
from services.common.kernel.text import holds_control
from services.common.runtime.timestamps import TIMESTAMP_FAULT, is_instant

_validator: Final = protovalidate.Validator()
"""Shared by all, since it caches what it compiles from each message's rules; it has no other state."""

_TIMESTAMP: Final = Timestamp.DESCRIPTOR.full_name


class FieldInvalid(InvalidArgument):
    """A field breaks a rule of its proto; every violation is listed."""

    reason = "FIELD_INVALID"


class PanRefused(InvalidArgument):
    """A text holds what looks like a payment card number; it is neither kept nor repeated."""

    reason = "PAN_REFUSED"


class RequestUnreadable(InvalidArgument):
    """The bytes of a request are no message of its type, or a text in them is not UTF-8."""

    reason = "REQUEST_UNREADABLE"


class Undecodable:
    """Stands for a request that could not be decoded, until the chain answers it."""


def tolerant(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Have a decoder give ``Undecodable`` where it would fail: gRPC would answer with the text of the exception."""

    def decode_or_mark(content: bytes) -> Any:
        try:
            return decode(content)
        except (DecodeError, ValueError):
            return Undecodable()

    return decode_or_mark


class TextFault(NamedTuple):
    """Where a text or a timestamp is at fault: a text may hold a card number."""

    path: str
    is_pan: bool
    description: str = "holds a control character"


def check_request(request: Message, guard: "TextGuard") -> None:
    """Check the proto's rules, then the texts and timestamps.

    Raises:
        FieldInvalid: with every violated rule, or with the first text that holds a control
            character or timestamp that is no instant.
        PanRefused: with the first text at fault.
    """
    violations = find_violations(request)
    fault = None if violations else guard.find(request)
    if fault is not None and fault.is_pan:
        raise PanRefused(
            "A text looks like a payment card number.",
            violations=[(fault.path, "looks like a payment card number")],
            field=fault.path,
        )
    if fault is not None:
        violations = [(fault.path, fault.description)]
    if violations:
        raise FieldInvalid(
            f"{violations[0][0]}: {violations[0][1]}",
            violations=violations,
            field=violations[0][0],
        )


def find_violations(message: Message) -> list[tuple[str, str]]:
    """List the violated rules of a message as (field path, description) pairs."""
    return [
        (_path_of(violation.proto), violation.proto.message or violation.proto.rule_id)
        for violation in _validator.collect_violations(message)
    ]


@dataclass(slots=True)
class _Texts:
    """Where a message type has texts and timestamps: compiled once, so that a call only reads fields."""

    singular: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    maps: list[str] = field(default_factory=list)
    message: list[tuple[str, "_Texts"]] = field(default_factory=list)
    messages: list[tuple[str, "_Texts"]] = field(default_factory=list)
    message_maps: list[tuple[str, "_Texts"]] = field(default_factory=list)


class TextGuard:
    """Finds card numbers and control characters in the texts, and timestamps that are no instants, of one type."""

    def __init__(self, descriptor: Descriptor) -> None:
        """Compile where the type has texts and timestamps."""
        self._texts = _compile(descriptor, {})

    def find(self, message: Message) -> TextFault | None:
        """Give the first text or timestamp at fault, or None."""
        return _find(message, self._texts)


def _find(message: Message, texts: _Texts) -> TextFault | None:
    for name in texts.singular:
        value = getattr(message, name)
        if len(value) >= DIGITS_MIN and looks_like_pan(value):
            return TextFault(name, is_pan=True)
        if not value.isprintable() and holds_control(value):  # Nearly every text is printable.
            return TextFault(name, is_pan=False)
    for name in texts.times:
        if not is_instant(getattr(message, name)):  # One that is absent reads as 1970.
            return TextFault(name, is_pan=False, description=TIMESTAMP_FAULT)
    for name, inner in texts.messages:
        for index, item in enumerate(getattr(message, name)):
            found = _find(item, inner)
            if found is not None:
                return found._replace(path=f"{name}[{index}].{found.path}")
    for name, inner in texts.message:
        if message.HasField(name):
            found = _find(getattr(message, name), inner)
            if found is not None:
                return found._replace(path=f"{name}.{found.path}")
    if texts.repeated or texts.maps or texts.message_maps:
        return _find_in_collections(message, texts)
    return None


def _find_in_collections(message: Message, texts: _Texts) -> TextFault | None:
    """Look through lists and maps of text; keys of maps may hold text too."""
    for name in texts.repeated:
        for index, value in enumerate(getattr(message, name)):
            if found := _judge(f"{name}[{index}]", value):
                return found
    for name in texts.maps:
        for entry in getattr(message, name).items():
            if found := _judge(name, *entry):
                return found
    for name, inner in texts.message_maps:
        for key, item in getattr(message, name).items():
            if found := _judge(name, key) or _find(item, inner):
                return found._replace(path=name)
    return None


def _judge(path: str, *values: object) -> TextFault | None:
    """Look at the texts of one place."""
    texts = [f"{value}" for value in values]
    if any(looks_like_pan(text) for text in texts):
        return TextFault(path, is_pan=True)
    if any(holds_control(text) for text in texts):
        return TextFault(path, is_pan=False)
    return None


def _compile(descriptor: Descriptor, known: dict[str, _Texts]) -> _Texts:
    """Compile a message type, and once each type within it, however they nest."""
    if descriptor.full_name in known:
        return known[descriptor.full_name]
    texts = known[descriptor.full_name] = _Texts()
    for item in descriptor.fields:
        rules = item.GetOptions().Extensions[validate_pb2.field]
        if item.GetOptions().Extensions[text_pb2.own_format] or _is_unchecked(rules):
            continue
        if item.type == item.TYPE_STRING:
            if not rules.string.uuid:
                (texts.repeated if item.is_repeated else texts.singular).append(item.name)
        elif item.type == item.TYPE_MESSAGE:
            _compile_message(item, texts, known)
    return texts


def _compile_message(item: FieldDescriptor, texts: _Texts, known: dict[str, _Texts]) -> None:
    inner_type = item.message_type
    assert inner_type is not None, "a message field has a message type"
    if inner_type.GetOptions().map_entry:
        value = inner_type.fields_by_name["value"]
        if value.message_type is not None:
            texts.message_maps.append((item.name, _compile(value.message_type, known)))
        else:
            texts.maps.append(item.name)
        return
    if inner_type.full_name == _TIMESTAMP and not item.is_repeated:
        texts.times.append(item.name)
        return
    under_way = inner_type.full_name in known
    inner = _compile(inner_type, known)
    if under_way or inner != _Texts():  # What has neither is never visited.
        (texts.messages if item.is_repeated else texts.message).append((item.name, inner))


def _is_unchecked(rules: validate_pb2.FieldRules) -> bool:
    """Tell whether the service checks the items one by one itself, each for its own outcome."""
    always = validate_pb2.IGNORE_ALWAYS
    return always in {rules.ignore, rules.repeated.items.ignore}


def _path_of(violation: Any) -> str:
    """Render a path as callers write it: ``ticket.lines[0].gtin``."""
    path = ""
    for element in violation.field.elements if violation.field is not None else ():
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
    return path
