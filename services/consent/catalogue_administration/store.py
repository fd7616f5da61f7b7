"""One change to the stored catalogue, by the runtime role: a version added, an end set, the revision that follows."""

from sqlalchemy import insert, select, update

from libs.common.database.database import WriteSession
from services.consent.catalogue.form import RawEntry
from services.consent.catalogue.store import row_of
from services.consent.catalogue.tables import catalogue_entry, catalogue_revision


async def lock_revision(session: WriteSession) -> int:
    """The revision now, locked: of two changes the second one waits, and then finds another revision."""
    query = select(catalogue_revision.c.revision).with_for_update()
    return int((await session.execute(query)).scalar_one())


async def add(session: WriteSession, entry: RawEntry) -> None:
    """A new version."""
    await session.execute(insert(catalogue_entry).values(row_of(entry)))


async def end(session: WriteSession, entry: RawEntry) -> None:
    """Set the end that stands in the body of this version; nothing else of it is written."""
    row = row_of(entry)
    mine = (
        (catalogue_entry.c.kind == row["kind"])
        & (catalogue_entry.c.code == row["code"])
        & (catalogue_entry.c.version == row["version"])
    )
    values = {name: row[name] for name in ("valid_to", "body", "ended")}
    await session.execute(update(catalogue_entry).where(mine).values(values))


async def set_revision(session: WriteSession, revision: int) -> None:
    """What every process reads with its next statement."""
    await session.execute(update(catalogue_revision).values(revision=revision))
