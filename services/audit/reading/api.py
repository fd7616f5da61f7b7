"""Entries with what they commit to: the data protection officer's search, and the citizen's own. Both are recorded."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import TypeAdapter
from starlette.requests import Request

from libs.common.database.database import WriteSession, clock
from libs.common.database.transaction import committed
from libs.common.http.auth import Principal, require
from libs.common.http.cursors import opened, sealed
from libs.common.http.door import Router
from libs.common.http.problems import InvalidError, NotFoundError
from libs.common.running.sweep import Readable, readable
from libs.common.wire.identifiers import parse_uuid
from libs.common.wire.values import DECIMAL
from services.audit.keys.keyring import Keyring
from services.audit.log.opened import Entry
from services.audit.reading import schemas as reading_schemas
from services.audit.reading import search
from services.audit.reading.search import Reader, Search, own_entries
from services.audit.reading.search import record_refusal as record_search_refused

router = Router(prefix="/v1", tags=["entries"])

_INDEX: TypeAdapter[tuple[int]] = TypeAdapter(tuple[int])
Limit = Annotated[int, Query(ge=1, le=reading_schemas.ENTRIES_MAX), DECIMAL]
Cursor = Annotated[reading_schemas.Cursor | None, Query()]
Officer = Annotated[Principal, Depends(require("dpo"))]
Citizen = Annotated[Principal, Depends(require("citizen"))]


@router.get("/entries", summary="Search the log's entries")
async def search_entries(
    request: Request, officer: Officer, query: Annotated[reading_schemas.SearchQuery, Query()]
) -> reading_schemas.OpenedEntries:
    """Newest first. Recorded, with its criteria, as `entries.searched`."""
    filters = ("subject", "actor", "type", "after", "before")
    if all(getattr(query, name) is None for name in filters):
        raise InvalidError("subject", "at least one filter is required", filters)
    limit = query.limit
    wanted = Search(query.subject, query.actor, query.type, query.after, query.before, _below(request, query.cursor))
    reader = Reader(officer.subject, "dpo", officer.unit, request.scope["state"]["correlation_id"])

    async def searched(session: WriteSession) -> Readable[Entry]:
        now = await clock(session)
        return await search.search_entries(session, wanted, reader, keyring=_keyring(request), now=now, limit=limit + 1)

    entries = await committed(request, searched)
    items = readable(entries[:limit], _opened, name="entries")
    return reading_schemas.OpenedEntries(items=list(items), next=_next(request, entries, limit))


@router.get("/me/entries", summary="List the log's entries about the logged-in citizen")
async def list_my_entries(
    request: Request, citizen: Citizen, limit: Limit = 50, cursor: Cursor = None
) -> reading_schemas.OwnEntries:
    """Newest first. The token is consent's: its subject is the citizen's `borger_id`."""
    me, below = _borger_id(citizen), _below(request, cursor)

    async def read(session: WriteSession) -> Readable[Entry]:
        return await own_entries(
            session,
            me,
            keyring=_keyring(request),
            now=await clock(session),
            limit=limit + 1,
            below=below,
            correlation_id=request.scope["state"]["correlation_id"],
        )

    entries = await committed(request, read)
    items = readable(entries[:limit], _own, name="own_entries")
    return reading_schemas.OwnEntries(items=list(items), next=_next(request, entries, limit))


async def record_refusal(request: Request, _status: int) -> None:
    """Put a refused search about a person on the record, before it is answered. Nothing for other refusals."""
    caller: Principal | None = getattr(request.state, "principal", None)
    try:
        subject = parse_uuid(request.query_params.get("subject", ""))
    except ValueError:
        return
    if caller is None:
        return
    role = min(caller.roles, default="none")
    reader = Reader(caller.subject, role, caller.unit, request.scope["state"]["correlation_id"])

    async def record(session: WriteSession) -> None:
        now = await clock(session)
        await record_search_refused(session, subject, reader, keyring=_keyring(request), now=now)

    await committed(request, record)


def _keyring(request: Request) -> Keyring:
    keyring: Keyring = request.app.state.keyring
    return keyring


def _borger_id(citizen: Principal) -> UUID:
    try:
        return parse_uuid(citizen.subject)
    except ValueError:
        raise NotFoundError from None


def _below(request: Request, cursor: str | None) -> int | None:
    """The index that a page ends above."""
    return None if cursor is None else opened(request, cursor, _INDEX)[0]


def _next(request: Request, entries: Readable[Entry], limit: int) -> str | None:
    """Where the page ends, when there is more."""
    return sealed(request, (entries[:limit][-1].index,)) if entries.reaches(limit + 1) else None


def _opened(entry: Entry) -> reading_schemas.OpenedEntry:
    return reading_schemas.OpenedEntry(
        index=entry.index,
        leaf=dict(entry.leaf),
        opened=dict(entry.opened),
        missing=list(entry.missing),
        mismatched=list(entry.mismatched),
    )


def _own(entry: Entry) -> reading_schemas.OwnEntry:
    """Field by field: what is not named here is not shown."""
    leaf = entry.leaf
    return reading_schemas.OwnEntry(
        index=entry.index,
        type=leaf["type"],
        action=leaf["action"],
        outcome=leaf["outcome"],
        occurred_at=leaf["occurred_at"],
        unit=entry.opened.get("unit"),
        purposes=leaf["purposes"],
        legal_basis=leaf["legal_basis"],
    )
