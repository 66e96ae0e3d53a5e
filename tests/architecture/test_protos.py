"""The protos keep the rules that buf cannot check, and the generated code is theirs."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

from cagnotte.common.v1 import access_pb2
from deploy.protos.compiler import GENERATED, sources
from deploy.protos.generate import differences, generate


def files() -> Iterator[FileDescriptor]:
    """Load the descriptor of every proto of this repository from its generated module."""
    for source in sources():
        module = importlib.import_module(source.removesuffix(".proto").replace("/", ".") + "_pb2")
        descriptor = module.DESCRIPTOR
        assert isinstance(descriptor, FileDescriptor)
        yield descriptor


METHODS: list[MethodDescriptor] = [
    method
    for file in files()
    for service in file.services_by_name.values()
    for method in service.methods
]


class TestGeneratedCode:
    def test_is_what_the_protos_generate(self, tmp_path: Path) -> None:
        """Generating anew, elsewhere, gives byte for byte what is committed."""
        generate(tmp_path)

        assert differences(tmp_path, GENERATED) == []


class TestAccess:
    @pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
    def test_every_rpc_says_who_may_call_it(self, method: MethodDescriptor) -> None:
        """An RPC without an access rule would be closed to all: forgetting it is a mistake."""
        access = method.GetOptions().Extensions[access_pb2.access]

        assert len(access.callers) > 0
        assert access_pb2.CALLER_KIND_UNSPECIFIED not in access.callers
        assert len(set(access.callers)) == len(access.callers)
