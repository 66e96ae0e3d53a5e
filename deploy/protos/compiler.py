"""Runs protoc over the protos of this repository.

The rules of the fields come from ``buf/validate/validate.proto``, which is not copied here: the installed protovalidate
carries its descriptor, and protoc takes descriptors as well as sources.
"""

import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

ROOT: Final = Path(__file__).resolve().parents[2]
PROTOS: Final = ROOT / "protos"
GENERATED: Final = PROTOS / "gen"
VALIDATE: Final = "buf/validate/validate.proto"


class ProtocFailed(Exception):
    """protoc refused the protos; it has said why on standard error."""


def sources() -> list[str]:
    """Return the protos of this repository, relative to ``protos``, in a stable order."""
    return sorted(
        path.relative_to(PROTOS).as_posix() for path in (PROTOS / "cagnotte").rglob("*.proto")
    )


def run_protoc(*, files: Sequence[str], options: Sequence[str]) -> None:
    """Compile ``files`` (paths that protos import by) with protoc's own ``options``.

    Raises:
        ProtocFailed: a proto does not compile.
    """
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder) / "validate.binpb"
        descriptors.write_bytes(_validate_descriptors())
        bundled = resources.files("grpc_tools") / "_proto"
        arguments = ["protoc", f"-I{PROTOS}", f"-I{bundled}", f"--descriptor_set_in={descriptors}"]
        if protoc.main([*arguments, *options, *files]) != 0:
            raise ProtocFailed


def _validate_descriptors() -> bytes:
    """Describe ``validate.proto`` and the Google files that it imports."""
    described = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(described.file.add())
    described.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    return described.SerializeToString(deterministic=True)
