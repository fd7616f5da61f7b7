"""SQL for notifications: creating each once, finding what a reader may ask a permit for, moving states."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Select, and_, cast, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH

from libs.common.database.database import Session, WriteSession
from libs.common.running.sweep import Readable, readable
from services.advis.cases.tables import case_registry
from services.advis.notifications.notification import Notification, Place, Reader, Revealed, State
from services.advis.notifications.tables import notification_row

_INSERT = """
INSERT INTO notification (notification_id, decision_id, event_source, event_id, event_type, category, occurred_at,
    arrived_at, holder_unit, recipient_unit, purpose, subject, case_reference, reveals, persons, state, changed_at,
    correlation_id, corrects, annulled)
SELECT n, d, s, e, t, c, o, $17, h, r, p, b, k, v::jsonb,
       ARRAY(SELECT DISTINCT (x ->> 'borger_id')::uuid FROM jsonb_array_elements(v::jsonb) x), $18, $17, y, z, a
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[],
            $9::text[], $10::text[], $11::uuid[], $12::text[], $13::text[], $14::text[], $15::uuid[], $16::boolean[])
     AS x (n, d, s, e, t, c, o, h, r, p, b, k, v, y, z, a)
ORDER BY s, e, r, p, b
ON CONFLICT (event_source, event_id, recipient_unit, purpose, subject) DO NOTHING RETURNING notification_id
"""
_FIELDS = (
    *("notification_id", "event_id", "event_type", "category", "occurred_at", "arrived_at", "holder_unit"),
    *("recipient_unit", "purpose", "subject", "case_reference", "reveals", "state", "correlation_id"),
    *("corrects", "annulled"),
)
_n, _c = notification_row.c, case_registry.c


@dataclass(frozen=True, slots=True)
class Draft:
    """A notification about to be written, with what the row holds beside it. `decision_id` is random."""

    notification: Notification
    event_source: str
    decision_id: UUID


async def create(session: WriteSession, drafts: Sequence[Draft], now: datetime) -> frozenset[UUID]:
    """Write each notification unless its (event, recipient, purpose, subject) exists; returns those that were new."""
    if not drafts:
        return frozenset()
    columns = [list(column) for column in zip(*(_values(draft) for draft in drafts), strict=True)]
    rows = await session.exec_driver_sql(_INSERT, (*columns, now, State.UNREAD.value))
    return frozenset(row.notification_id for row in rows)


def _values(draft: Draft) -> tuple[object, ...]:
    n = draft.notification
    reveals = orjson.dumps([asdict(revealed) for revealed in n.reveals]).decode()
    return (
        *(n.notification_id, draft.decision_id, draft.event_source, n.event_id, n.event_type, n.category),
        *(n.occurred_at, n.holder_unit, n.recipient_unit, n.purpose, n.subject, n.case_reference),
        *(reveals, n.correlation_id, n.corrects, n.annulled),
    )


async def candidates(
    session: Session,
    reader: Reader,
    *,
    states: Collection[State],
    limit: int,
    case_reference: str | None = None,
    after: Place | None = None,
) -> Readable[Notification]:
    """What a permit would be asked for if this reader listed their inbox, newest first; at most `limit`."""
    query = _readable(reader).where(_n.state.in_(sorted(states)))
    if case_reference is not None:
        query = query.where(_n.case_reference == case_reference)
    if after is not None:
        query = query.where(tuple_(_n.arrived_at, _n.notification_id) < (after.arrived_at, after.notification_id))
    ordered = query.order_by(_n.arrived_at.desc(), _n.notification_id.desc()).limit(limit)
    return readable(await session.execute(ordered), notification_from, name="inbox")


async def candidate(session: Session, reader: Reader, notification_id: UUID) -> Notification | None:
    """The one that this reader may ask a permit for under this id, if there is one."""
    query = _readable(reader).where(_n.notification_id == notification_id, _n.state != State.CANCELLED)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else notification_from(row)


def _readable(reader: Reader) -> Select[tuple[object, ...]]:
    """Notifications in the reader's own open cases: the registry of today decides, so a case handed over moves them."""
    on: list[ColumnElement[bool]] = [
        _c.unit == _n.recipient_unit,
        _c.case_reference == _n.case_reference,
        _c.closed_at.is_(None),
    ]
    if reader.caseworker is not None:
        on.append(_c.caseworker == reader.caseworker)
    chosen: Select[tuple[object, ...]] = select(*(_n[name] for name in _FIELDS))
    mine = chosen.join(case_registry, and_(*on)).where(_n.recipient_unit == reader.unit)
    return mine if reader.categories is None else mine.where(_within(reader.categories))


def _within(categories: frozenset[str]) -> ColumnElement[bool]:
    """`Notification.is_within`, for the query: what is above a reader's level must not take a place on a page (P2)."""
    revealed = func.jsonb_path_query_array(_n.reveals, cast("$[*].category", JSONPATH), type_=JSONB)
    named = or_(_n.category.is_(None), _n.category.in_(sorted(categories)))
    return and_(revealed.contained_by(cast(sorted(categories), JSONB)), named)


async def in_scopes(
    session: Session, scopes: Collection[tuple[UUID, str, str]], *, limit: int, after: UUID | None = None
) -> Readable[Notification]:
    """Notifications, not cancelled, that rest on one of the scopes (person, purpose, recipient unit), by id."""
    touching = or_(
        *(
            and_(_n.persons.contains([person]), _n.purpose == purpose, _n.recipient_unit == recipient)
            for person, purpose, recipient in sorted(scopes)
        )
    )
    query = select(*(_n[name] for name in _FIELDS)).where(touching, _n.state != State.CANCELLED)
    if after is not None:
        query = query.where(_n.notification_id > after)
    rows = await session.execute(query.order_by(_n.notification_id).limit(limit))
    return readable(rows, notification_from, name="notifications_of_scopes")


async def lock(session: WriteSession, notification_ids: Collection[UUID]) -> list[Notification]:
    """These notifications, locked in the order of their ids, so that two cancellations never wait for each other."""
    query = select(*(_n[name] for name in _FIELDS)).where(_n.notification_id.in_(notification_ids))
    rows = await session.execute(query.order_by(_n.notification_id).with_for_update())
    return [notification_from(row) for row in rows]


async def of_event(session: WriteSession, source: str, event_id: str) -> list[Notification]:
    """What an event has become and is not cancelled, locked, in the order of their ids."""
    query = select(*(_n[name] for name in _FIELDS)).where(_n.event_source == source, _n.event_id == event_id)
    rows = await session.execute(
        query.where(_n.state != State.CANCELLED).order_by(_n.notification_id).with_for_update()
    )
    return [notification_from(row) for row in rows]


async def save_states(session: WriteSession, states: Mapping[UUID, State], now: datetime) -> None:
    """Write the states that the transitions table gave."""
    for state in sorted(set(states.values())):
        ids = [notification_id for notification_id, new in states.items() if new is state]
        change = update(notification_row).where(_n.notification_id.in_(ids))
        await session.execute(change.values(state=state.value, changed_at=now))


def notification_from(row: Any) -> Notification:
    """A row as the domain's value; columns that are not a notification's are left out."""
    fields = {name: getattr(row, name) for name in _FIELDS}
    told = tuple(Revealed(UUID(r["borger_id"]), r["category"], r["epoch"]) for r in fields["reveals"])
    return Notification(**fields | {"reveals": told, "state": State(fields["state"])})
