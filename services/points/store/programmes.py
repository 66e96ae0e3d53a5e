"""Published programmes: read whole in every batch, but each content only once."""

from collections.abc import Iterable
from typing import Final

from services.common.runtime.database import Connection, load_queries
from services.points.codec.programme import parse_programme_content
from services.points.domain.batch import PublishedProgramme

QUERIES: Final = load_queries(__package__, "programmes.sql")


class ProgrammeShelf:
    """The published versions. They never change, so what was read once stays good."""

    def __init__(self, *, shard_id: int) -> None:
        """Begin empty."""
        self._shard_id = shard_id
        self._known: dict[tuple[str, int], PublishedProgramme] = {}
        self._seq = -1
        self._published: list[PublishedProgramme] = []

    async def load(self, conn: Connection) -> list[PublishedProgramme]:
        """Give all published versions, by id and number; another process may have added one."""
        versions = await conn.fetch(QUERIES["published_versions"], self._shard_id)
        return [await self._get(conn, row[0], row[1]) for row in versions]

    async def load_as_of(self, conn: Connection, seq: int) -> list[PublishedProgramme]:
        """Give all published versions under the lock of a head that stands at ``seq``.

        A version is published by a fact, so nothing is read while the journal has not moved
        since ``keep``: in a service of one process, never.
        """
        if seq != self._seq:
            self.keep(await self.load(conn), seq=seq)
        return list(self._published)

    def keep(self, published: Iterable[PublishedProgramme], *, seq: int) -> None:
        """Remember what is published as of a fact that is committed, or about to be read."""
        self._published = list(published)
        self._seq = seq

    async def _get(self, conn: Connection, programme_id: str, version: int) -> PublishedProgramme:
        known = self._known.get((programme_id, version))
        if known is None:
            content = await conn.fetchval(
                QUERIES["find_content"], self._shard_id, programme_id, version
            )
            known = PublishedProgramme(parse_programme_content(content), content)
            self._known[programme_id, version] = known
        return known
