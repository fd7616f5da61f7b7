"""Loads the reference files into the database, as its owner: part of `migrate`, safe to repeat.

A version that was published never changes (R35): only its `valid_to` may be set. Anything else is refused, because a
consent that was given pins the version it was given under.
"""

from collections.abc import Iterable, Sequence

from libs.common.database import WriteSession
from services.consent import store_catalogue
from services.consent.catalogue_form import RawEntry
from services.consent.domain.errors import CatalogueError

Key = tuple[str, str, int]


async def load(session: WriteSession, raw: Sequence[RawEntry], revision: int) -> None:
    """Replace the stored catalogue by what `catalogue_files.read` gave. Raises CatalogueError naming where.

    The files are read before the transaction begins: one that idles for half a second loses its session.
    """
    check_published(await store_catalogue.entries(session), raw)
    await store_catalogue.save(session, raw, revision)


def check_published(published: Iterable[RawEntry], raw: Iterable[RawEntry]) -> None:
    """Raises CatalogueError when a published version is missing or says something else now."""
    offered = {_key(entry): entry for entry in raw}
    for old in published:
        kind, code, version = _key(old)
        new = offered.get((kind, code, version))
        if new is None:
            raise CatalogueError(f"{kind}.yaml", f"{code} v{version}", "version", "was published and is missing")
        for name in sorted(old.body):
            if name != "valid_to" and new.body.get(name) != old.body[name]:
                problem = "was published and has changed: add the next version"
                raise CatalogueError(f"{kind}.yaml", f"{code} v{version}", name, problem)


def _key(entry: RawEntry) -> Key:
    return entry.kind, entry.body["code"], entry.body["version"]
