"""Programmes as files: what an operator publishes.

``load_publish_request(read_programme("demo"))`` gives the request that publishes the demo's.
"""

from importlib.resources import files

import yaml
from google.protobuf import json_format

from cagnotte.points.v1.points_pb2 import Programme
from cagnotte.points.v1.points_service_pb2 import PublishProgrammeRequest


class ProgrammeFileInvalid(ValueError):
    """A file does not have the form of a programme; the message says where."""


def read_programme(name: str) -> str:
    """Give the text of a programme that comes with the distribution, e.g. ``demo``."""
    return files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def load_publish_request(text: str) -> PublishProgrammeRequest:
    """Give the request that publishes the programme of a YAML text.

    Only its form is checked here; whether its rules hold is for the service to say.

    Raises:
        ProgrammeFileInvalid: the text is no YAML, or has other fields than a programme.
    """
    try:
        document = yaml.safe_load(text)
        programme = json_format.ParseDict(document, Programme())
    except (yaml.YAMLError, json_format.ParseError, AttributeError, TypeError) as error:
        raise ProgrammeFileInvalid(f"The file is no programme: {error}") from error
    return PublishProgrammeRequest(programme=programme)
