"""Bad fields are named, and no card number passes in any text."""

from typing import Any, Final

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from cagnotte.points.v1 import points_pb2, points_service_pb2
from services.common.runtime.validation import (
    FieldInvalid,
    PanRefused,
    TextFault,
    TextGuard,
    check_request,
    find_violations,
)

PAN: Final = "4111 1111 1111 1111"
REQUEST_ID: Final = "0190a5d0-0000-7000-8000-000000000001"
_FIELD: Final = descriptor_pb2.FieldDescriptorProto


def folder_type() -> type[Message]:
    """Make a message type with texts in every place: lists, maps, and itself within itself."""
    file = descriptor_pb2.FileDescriptorProto(name="folder.proto", package="t", syntax="proto3")
    folder = file.message_type.add(name="Folder")
    many, one = _FIELD.LABEL_REPEATED, _FIELD.LABEL_OPTIONAL
    text, message = _FIELD.TYPE_STRING, _FIELD.TYPE_MESSAGE
    add = folder.field.add
    add(name="title", number=1, type=text, label=one)
    add(name="tags", number=2, type=text, label=many)
    add(name="notes", number=3, type=message, label=many, type_name=".t.Folder.NotesEntry")
    add(name="inner", number=4, type=message, label=one, type_name=".t.Folder")
    add(name="list", number=5, type=message, label=many, type_name=".t.Folder")
    add(name="by_name", number=6, type=message, label=many, type_name=".t.Folder.ByNameEntry")
    for name, value, type_name in (
        ("NotesEntry", text, None),
        ("ByNameEntry", message, ".t.Folder"),
    ):
        entry = folder.nested_type.add(name=name)
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=text, label=one)
        entry.field.add(name="value", number=2, type=value, label=one, type_name=type_name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Folder"))


FOLDER: Final[Any] = folder_type()


class TestTextGuard:
    @pytest.mark.parametrize(
        ("message", "path"),
        [
            (FOLDER(title=PAN), "title"),
            (FOLDER(tags=["fine", PAN]), "tags[1]"),
            (FOLDER(notes={"card": PAN}), "notes"),
            (FOLDER(notes={PAN: "card"}), "notes"),
            (FOLDER(inner=FOLDER(inner=FOLDER(title=PAN))), "inner.inner.title"),
            (FOLDER(list=[FOLDER(), FOLDER(tags=[PAN])]), "list[1].tags[0]"),
            (FOLDER(by_name={"a": FOLDER(title=PAN)}), "by_name"),
            (FOLDER(title="4111111111111112", tags=["2026-11-23T10:00:00"]), None),
            (FOLDER(), None),
        ],
    )
    def test_finds_a_card_number_wherever_it_is(self, message: Message, path: str | None) -> None:
        """In fields, lists and maps, at any depth; what fails Luhn is no card number."""
        fault = TextGuard(FOLDER.DESCRIPTOR).find(message)

        assert fault == (TextFault(path, is_pan=True) if path else None)

    @pytest.mark.parametrize(
        ("message", "path"),
        [
            (FOLDER(title="a\x00b"), "title"),
            (FOLDER(tags=["fine", "a\r\nb"]), "tags[1]"),
            (FOLDER(notes={"a\x1bb": "x"}), "notes"),
            (FOLDER(notes={"x": "a\x85b"}), "notes"),
            (FOLDER(list=[FOLDER(title="a\u202eb")]), "list[0].title"),
            (FOLDER(by_name={"a": FOLDER(title="\x7f")}), "by_name"),
            (FOLDER(title="Marque\u00a0Rep\u00e8re \U0001f9c0", tags=["", "\u200b"]), None),
        ],
    )
    def test_finds_a_control_character_wherever_it_is(
        self, message: Message, path: str | None
    ) -> None:
        """NUL, line ends, escapes and turned directions; other spaces and emoji are text."""
        fault = TextGuard(FOLDER.DESCRIPTOR).find(message)

        assert fault == (TextFault(path, is_pan=False) if path else None)

    def test_fields_of_their_own_format_are_left_alone(self) -> None:
        """One GTIN in ten passes Luhn, and some begin like a card."""
        line = points_pb2.TicketLine(gtin="4111111111116")
        guard = TextGuard(points_pb2.TicketLine.DESCRIPTOR)

        assert guard.find(line) is None

        line.department = PAN
        assert guard.find(line) == TextFault("department", is_pan=True)

    def test_items_that_are_checked_one_by_one_are_left_to_their_service(self) -> None:
        """One ticket at fault must not refuse the whole queue of a till."""
        queue = points_service_pb2.RecordTicketsRequest()
        queue.tickets.add().ticket.lines.add(department=PAN)

        assert TextGuard(queue.DESCRIPTOR).find(queue) is None


class TestCheckRequest:
    def test_names_every_field_at_fault(self) -> None:
        """Paths are written as callers write them."""
        request = points_service_pb2.RecordTicketRequest(request_id=REQUEST_ID)
        request.ticket.lines.add(gtin="12")

        with pytest.raises(FieldInvalid) as refusal:
            check_request(request, TextGuard(request.DESCRIPTOR))

        paths = [path for path, _ in refusal.value.violations]
        assert "ticket.key" in paths
        assert "ticket.lines[0].gtin" in paths
        assert refusal.value.metadata["field"] == paths[0]

    def test_never_repeats_the_card_number(self) -> None:
        """The refusal names the field alone."""
        with pytest.raises(PanRefused) as refusal:
            check_request(FOLDER(title=PAN), TextGuard(FOLDER.DESCRIPTOR))

        assert refusal.value.metadata == {"field": "title"}
        assert "1111" not in f"{refusal.value} {refusal.value.violations}"

    def test_refuses_a_control_character(self) -> None:
        """It is a bad field like any other, named by its path."""
        with pytest.raises(FieldInvalid) as refusal:
            check_request(FOLDER(inner=FOLDER(title="\x00")), TextGuard(FOLDER.DESCRIPTOR))

        assert refusal.value.violations == (("inner.title", "holds a control character"),)

    def test_a_good_message_has_no_violations(self) -> None:
        """A message without rules is always good."""
        assert find_violations(FOLDER(title="fine")) == []
