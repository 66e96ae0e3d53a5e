"""The decision to publish a programme version."""

from datetime import datetime
from typing import NamedTuple

from services.points.domain.batch import Batch, PublishedProgramme
from services.points.domain.command import PublishProgramme
from services.points.domain.event import ProgrammePublished, Stamp
from services.points.domain.programme import Programme, ProgrammeImmutable, check_publishable


class PublishOutcome(NamedTuple):
    """The published version, and whether an earlier command had published it."""

    programme: Programme
    replayed: bool


def decide_publish(batch: Batch, command: PublishProgramme, *, now: datetime) -> PublishOutcome:
    """Make a version final.

    Raises:
        ProgrammeImmutable: the version is published with other content.
        ProgrammeInvalid, ProgrammeOutOfOrder: see ``check_publishable``.
    """
    programme = command.programme
    for known in batch.programmes:
        if (known.programme.programme_id, known.programme.version) == (
            programme.programme_id,
            programme.version,
        ):
            if known.content != command.content:
                raise ProgrammeImmutable(
                    "The version is published with other content.",
                    programme_id=programme.programme_id,
                    version=programme.version,
                )
            return PublishOutcome(known.programme, replayed=True)
    check_publishable(programme, [known.programme for known in batch.programmes], now=now)
    stamp = Stamp(command.event_id, now, now, command.trace_parent)
    batch.record(ProgrammePublished(stamp, programme, command.content))
    batch.programmes.append(PublishedProgramme(programme, command.content))
    return PublishOutcome(programme, replayed=False)
