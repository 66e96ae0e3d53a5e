"""Default deny: who may call an RPC is written at the RPC, in its proto.

The door lets a kind of caller in by the method option ``cagnotte.common.v1.access``. Where
the option says ``own_data_only``, a shopper's request may name no other customer than the
caller; a request that names its data otherwise (a member, a hold) is checked by the use
case with ``require_own_data``, once it has found whose it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from cagnotte.common.v1 import access_pb2
from services.common.kernel.errors import PermissionDenied
from services.common.runtime.config import CallerKind
from services.common.runtime.identity import Caller

OWNER_FIELD: Final = "customer_id"
"""The field by which a request names whose data it wants: the ``sub`` of a shopper's token."""

_KINDS: Final[Mapping[int, CallerKind]] = {
    access_pb2.CALLER_KIND_SHOPPER: CallerKind.SHOPPER,
    access_pb2.CALLER_KIND_TILL: CallerKind.TILL,
    access_pb2.CALLER_KIND_FINANCE: CallerKind.FINANCE,
    access_pb2.CALLER_KIND_SERVICE: CallerKind.SERVICE,
    access_pb2.CALLER_KIND_OPERATOR: CallerKind.OPERATOR,
}


class CallerNotAllowed(PermissionDenied):
    """The caller is known and may not do this, or not with this data."""

    reason = "CALLER_NOT_ALLOWED"


class AccessUndeclared(Exception):
    """An RPC does not say who may call it, so no server is built with it."""


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may call one RPC."""

    method: str
    callers: frozenset[CallerKind]
    own_data_only: bool
    names_owner: bool
    """Whether the request has the field that names an owner."""

    def admit(self, caller: Caller) -> None:
        """Let the caller in, or raise ``CallerNotAllowed``."""
        if caller.kind not in self.callers:
            raise CallerNotAllowed(
                "This kind of caller may not call this method.",
                method=self.method,
                caller_kind=caller.kind.name,
            )

    def admit_request(self, caller: Caller, request: Message) -> None:
        """Let a shopper's request in if the owner that it names, if any, is the caller."""
        if not (self.own_data_only and self.names_owner):
            return
        owner: Any = getattr(request, OWNER_FIELD)
        if owner:
            require_own_data(caller, owner)


def access_rule(method: MethodDescriptor) -> AccessRule:
    """Read the rule that an RPC declares.

    Raises:
        AccessUndeclared: it declares none, or allows nobody.
    """
    name = f"/{method.containing_service.full_name}/{method.name}"
    option = method.GetOptions().Extensions[access_pb2.access]
    if not option.callers:
        raise AccessUndeclared(f"{name} does not declare who may call it")
    owner = method.input_type.fields_by_name.get(OWNER_FIELD)
    return AccessRule(
        method=name,
        callers=frozenset(_KINDS[kind] for kind in option.callers),
        own_data_only=option.own_data_only,
        names_owner=owner is not None and owner.type == owner.TYPE_STRING,
    )


def require_own_store(caller: Caller, store_id: str) -> None:
    """Refuse a till that speaks for a store that its identity does not name; others are not limited.

    Raises:
        CallerNotAllowed: the store is not the till's own.
    """
    if caller.store_ids is not None and store_id not in caller.store_ids:
        raise CallerNotAllowed(
            "A till may only speak for its own store.",
            caller_kind=caller.kind.name,
            store_id=store_id,
        )


def require_own_data(caller: Caller, customer_id: object) -> None:
    """Refuse a shopper who asks for the data of anybody else; others are not limited.

    ``customer_id`` is the owner's id as a UUID or as text, or None where nobody owns it.

    Raises:
        CallerNotAllowed: the data is not the shopper's own.
    """
    if caller.kind is not CallerKind.SHOPPER:
        return
    if customer_id is None or str(customer_id).lower() != caller.subject.lower():
        raise CallerNotAllowed(
            "Shoppers may only see and change their own data.", caller_kind=caller.kind.name
        )
