"""Requests with their items, each with the consent row that waits for its answer or holds it."""

from collections.abc import Collection
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from libs.common.database import rows
from libs.common.database.database import Session, WriteSession, driver
from libs.common.running.sweep import Readable, readable
from services.consent.consents.store import CONSENT_DOCUMENT
from services.consent.requests.request import Request
from services.consent.requests.tables import consent_request

PLACE = attrgetter("requested_at", "request_id")
"""Where a request stands in a list."""
_SELECT = f"""
SELECT to_jsonb(r) || jsonb_build_object('items', (
  SELECT jsonb_agg(to_jsonb(i) || jsonb_build_object('consent', {CONSENT_DOCUMENT}) ORDER BY i.place)
  FROM request_item i JOIN consent k USING (consent_id) WHERE i.request_id = r.request_id))
FROM consent_request r WHERE """  # noqa: S608 - constants only
_NEWEST_FIRST = (
    " AND (r.requested_at, r.request_id) < ($2, $3) ORDER BY r.requested_at DESC, r.request_id DESC LIMIT $4"
)
# Need-to-know ends with the unit's case (R15): then the request is not theirs to see any more.
_KNOWN = (
    " AND EXISTS (SELECT 1 FROM case_fact f WHERE f.borger_id = r.borger_id AND f.unit = r.unit"
    " AND (f.closed_at IS NULL OR f.closed_at > clock_timestamp()))"
)
_OF_CITIZEN = _SELECT + "r.borger_id = $1 AND r.request_id = $2"
_OF_UNIT = _SELECT + "r.unit = $1 AND r.request_id = $2" + _KNOWN
_PAGE_OF_CITIZEN = _SELECT + "r.borger_id = $1 AND ($5::text[] IS NULL OR r.purpose = ANY($5))" + _NEWEST_FIRST
_PAGE_OF_UNIT = _SELECT + "r.unit = $1" + _KNOWN + _NEWEST_FIRST
_ADD_ITEM = """
INSERT INTO request_item (item_id, request_id, place, holder_unit, recipient_unit, categories, consent_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_SAVE = """
UPDATE consent_request SET reminded_at = $3, cancelled_at = $4, revision = $5 WHERE request_id = $1 AND revision = $2
"""
_DECLINED_AT = """
SELECT max(h.at) FROM consent k JOIN consent_history h ON h.consent_id = k.consent_id AND h.revision = k.revision
WHERE k.borger_id = $1 AND k.purpose = $2 AND k.holder_unit = $3 AND k.recipient_unit = $4
  AND (k.status = 'declined' OR (k.status = 'withdrawn' AND k.given_at IS NULL))
"""
_HAS_CASE = """
SELECT EXISTS (SELECT 1 FROM case_fact WHERE borger_id = $1 AND unit = $2 AND case_reference = $3
  AND (closed_at IS NULL OR closed_at > clock_timestamp()))
"""
_DUE = """
SELECT DISTINCT borger_id, request_id FROM consent
WHERE status IN ('requested', 'pending_signature') AND request_id IS NOT NULL AND answer_by <= $1
  AND request_id <> ALL($3::uuid[]) LIMIT $2
"""


class StaleRequestError(Exception):
    """The request changed since it was read; the scopes' locks were not held."""


async def add(session: WriteSession, request: Request) -> None:
    """Write a new request and its items; their consent rows are there already."""
    await rows.add(session, consent_request, request)
    items = [
        (
            i.item_id,
            request.request_id,
            place,
            i.holder_unit,
            i.recipient_unit,
            sorted(i.categories),
            i.consent.consent_id,
        )
        for place, i in enumerate(request.items)
    ]
    await driver(session).executemany(_ADD_ITEM, items)


async def save(session: WriteSession, old: Request, new: Request) -> None:
    """Write a reminder or a cancellation. Raises StaleRequestError when the row is not at `old`'s revision."""
    done = await driver(session).execute(
        _SAVE, old.request_id, old.revision, new.reminded_at, new.cancelled_at, new.revision
    )
    if done != "UPDATE 1":
        raise StaleRequestError


async def find(session: Session, borger_id: UUID, request_id: UUID) -> Request | None:
    """The request, when it is this citizen's."""
    return await rows.one(session, Request, _OF_CITIZEN, borger_id, request_id)


async def find_of_unit(session: Session, unit: str, request_id: UUID) -> Request | None:
    """The request, when this unit made it and still has an open case about the citizen."""
    return await rows.one(session, Request, _OF_UNIT, unit, request_id)


async def page(
    session: Session,
    borger_id: UUID,
    *,
    purposes: frozenset[str] | None = None,
    before: tuple[datetime, UUID],
    limit: int,
) -> Readable[Request]:
    """A citizen's, newest first, older than `before` = (requested at, id). `purposes`: of these only; None: of all."""
    wanted = None if purposes is None else sorted(purposes)
    found = await driver(session).fetch(_PAGE_OF_CITIZEN, borger_id, *before, limit, wanted)
    return readable(found, rows.reader(Request), name="requests")


async def page_of_unit(session: Session, unit: str, *, before: tuple[datetime, UUID], limit: int) -> Readable[Request]:
    """A unit's own, about citizens it has an open case about; otherwise as `page`."""
    found = await driver(session).fetch(_PAGE_OF_UNIT, unit, *before, limit)
    return readable(found, rows.reader(Request), name="requests")


async def declined_at(session: Session, borger_id: UUID, purpose: str, pair: tuple[str, str]) -> datetime | None:
    """When the citizen last said no to a question; `pair` is (holder unit, recipient unit).

    A yes of one of several, taken back before the others had signed, is a no too.
    """
    moment_of_no: datetime | None = await driver(session).fetchval(_DECLINED_AT, borger_id, purpose, *pair)
    return moment_of_no


async def has_open_case(session: Session, borger_id: UUID, unit: str, reference: str) -> bool:
    """Whether the unit has an open case of that reference about the person."""
    return bool(await driver(session).fetchval(_HAS_CASE, borger_id, unit, reference))


async def due(
    session: Session, now: datetime, limit: int, *, resting: Collection[UUID] = ()
) -> list[tuple[UUID, UUID]]:
    """(citizen, request) of those that something waits to answer although the time is over, without the `resting`."""
    return [
        (borger_id, request_id)
        for borger_id, request_id in await driver(session).fetch(_DUE, now, limit, list(resting))
    ]
