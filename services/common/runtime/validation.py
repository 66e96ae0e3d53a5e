"""What a request may hold: the rules of its proto, and no card number in any text.

The rules are protovalidate's, written at the fields. The card number guard looks at every
text field except ids in UUID form and fields marked ``cagnotte.common.v1.own_format`` (an
article's GTIN, a loyalty card's number), whose format is their own check.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2
from cagnotte.common.v1 import text_pb2
from services.common.kernel.errors import InvalidArgument
from services.common.kernel.pan import DIGITS_MIN, looks_like_pan

_validator: Final = protovalidate.Validator()
"""Shared by all, since it caches what it compiles from each message's rules; it has no other state."""


class FieldInvalid(InvalidArgument):
    """A field breaks a rule of its proto; every violation is listed."""

    reason = "FIELD_INVALID"


class PanRefused(InvalidArgument):
    """A text holds what looks like a payment card number; it is neither kept nor repeated."""

    reason = "PAN_REFUSED"


def check_request(request: Message, guard: "PanGuard") -> None:
    """Check the proto's rules, then the texts.

    Raises:
        FieldInvalid: with every violated rule.
        PanRefused: with the first text at fault.
    """
    violations = find_violations(request)
    if violations:
        raise FieldInvalid(
            f"{violations[0][0]}: {violations[0][1]}",
            violations=violations,
            field=violations[0][0],
        )
    at_fault = guard.find(request)
    if at_fault is not None:
        raise PanRefused(
            "A text looks like a payment card number.",
            violations=[(at_fault, "looks like a payment card number")],
            field=at_fault,
        )


def find_violations(message: Message) -> list[tuple[str, str]]:
    """List the violated rules of a message as (field path, description) pairs."""
    return [
        (_path_of(violation.proto), violation.proto.message or violation.proto.rule_id)
        for violation in _validator.collect_violations(message)
    ]


@dataclass(slots=True)
class _Texts:
    """Where a message type has text: compiled once, so that a call only reads fields."""

    singular: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    maps: list[str] = field(default_factory=list)
    message: list[tuple[str, "_Texts"]] = field(default_factory=list)
    messages: list[tuple[str, "_Texts"]] = field(default_factory=list)
    message_maps: list[tuple[str, "_Texts"]] = field(default_factory=list)


class PanGuard:
    """Finds card numbers in the texts of one type of message."""

    def __init__(self, descriptor: Descriptor) -> None:
        """Compile where the type has text."""
        self._texts = _compile(descriptor, {})

    def find(self, message: Message) -> str | None:
        """Give the path of the first text that looks like a card number, or None."""
        return _find(message, self._texts)


def _find(message: Message, texts: _Texts) -> str | None:
    for name in texts.singular:
        value = getattr(message, name)
        if len(value) >= DIGITS_MIN and looks_like_pan(value):
            return name
    for name, inner in texts.messages:
        for index, item in enumerate(getattr(message, name)):
            found = _find(item, inner)
            if found is not None:
                return f"{name}[{index}].{found}"
    for name, inner in texts.message:
        if message.HasField(name):
            found = _find(getattr(message, name), inner)
            if found is not None:
                return f"{name}.{found}"
    if texts.repeated or texts.maps or texts.message_maps:
        return _find_in_collections(message, texts)
    return None


def _find_in_collections(message: Message, texts: _Texts) -> str | None:
    """Look through lists and maps of text; keys of maps may hold text too."""
    for name in texts.repeated:
        for index, value in enumerate(getattr(message, name)):
            if looks_like_pan(value):
                return f"{name}[{index}]"
    for name in texts.maps:
        for key, value in getattr(message, name).items():
            if looks_like_pan(f"{key}") or looks_like_pan(f"{value}"):
                return name
    for name, inner in texts.message_maps:
        for key, item in getattr(message, name).items():
            if looks_like_pan(f"{key}") or _find(item, inner) is not None:
                return name
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
    under_way = inner_type.full_name in known
    inner = _compile(inner_type, known)
    if under_way or inner != _Texts():  # What has no text is never visited.
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
