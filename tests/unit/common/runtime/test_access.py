"""Whose data a shopper may see, and that silence means nobody."""

from uuid import UUID

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from cagnotte.common.v1 import clock_service_pb2
from services.common.runtime.access import (
    AccessUndeclared,
    CallerNotAllowed,
    access_rule,
    require_own_data,
    require_own_store,
)
from services.common.runtime.config import CallerKind
from services.common.runtime.identity import Caller

CUSTOMER = "0190a5d0-0000-7000-8000-00000000000a"


class TestAccessRule:
    def test_reads_the_option(self) -> None:
        """The rule is what the proto says at the RPC."""
        service = clock_service_pb2.DESCRIPTOR.services_by_name["ClockService"]

        rule = access_rule(service.methods_by_name["SetTime"])

        assert rule.callers == {CallerKind.OPERATOR}
        assert rule.method == "/cagnotte.common.v1.ClockService/SetTime"

    def test_silence_is_refused(self) -> None:
        """No server is built with an RPC that does not say who may call it."""
        file = descriptor_pb2.FileDescriptorProto(name="silent.proto", package="silent")
        file.message_type.add(name="Empty")
        service = file.service.add(name="SilentService")
        service.method.add(name="Speak", input_type=".silent.Empty", output_type=".silent.Empty")
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        method = pool.FindServiceByName("silent.SilentService").methods_by_name["Speak"]

        with pytest.raises(AccessUndeclared, match=r"/silent\.SilentService/Speak"):
            access_rule(method)


class TestRequireOwnData:
    @pytest.mark.parametrize("owner", [CUSTOMER, CUSTOMER.upper(), UUID(CUSTOMER)])
    def test_a_shopper_may_see_their_own(self, owner: object) -> None:
        """However the id is written."""
        require_own_data(Caller(CallerKind.SHOPPER, CUSTOMER), owner)

    @pytest.mark.parametrize("owner", [None, "", "0190a5d0-0000-7000-8000-00000000000b"])
    def test_a_shopper_may_not_see_anything_else(self, owner: object) -> None:
        """Neither somebody else's data nor nobody's."""
        with pytest.raises(CallerNotAllowed):
            require_own_data(Caller(CallerKind.SHOPPER, CUSTOMER), owner)

    def test_others_are_not_limited(self) -> None:
        """A till serves every customer."""
        require_own_data(Caller(CallerKind.TILL, "0330/1"), CUSTOMER)


class TestRequireOwnStore:
    @pytest.mark.parametrize("store_ids", [None, frozenset({"0330"}), frozenset({"0330", "0331"})])
    def test_a_till_speaks_for_its_stores(self, store_ids: frozenset[str] | None) -> None:
        """For those that its identity names, or for any where it names none."""
        require_own_store(Caller(CallerKind.TILL, "0330/1", store_ids), "0330")

    @pytest.mark.parametrize("store_ids", [frozenset(), frozenset({"0331"})])
    def test_a_till_does_not_speak_for_another_store(self, store_ids: frozenset[str]) -> None:
        """A till that was stolen from one store sells in no other; an empty list is no store."""
        with pytest.raises(CallerNotAllowed) as refused:
            require_own_store(Caller(CallerKind.TILL, "0331/1", store_ids), "0330")

        assert refused.value.metadata["store_id"] == "0330"
